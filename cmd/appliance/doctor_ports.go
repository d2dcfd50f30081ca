package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wayside-edge/wayside/internal/config"
)

// askTime bounds a question to whoever holds a port.
const askTime = 2 * time.Second

// checkPorts looks whether the configured addresses are free, or taken by a running appliance.
func checkPorts(ctx context.Context, cfg config.Config) []finding {
	findings := []finding{checkPort(ctx, "server.listen", cfg.Server.Listen, gradeFail)}
	if cfg.KV.Listen.Enabled() {
		findings = append(findings, checkPort(ctx, "kv.listen", cfg.KV.Listen, gradeWarn))
	}
	if cfg.KV.TLSListen.Enabled() {
		findings = append(findings, checkPort(ctx, "kv.tls_listen", cfg.KV.TLSListen, gradeWarn))
	}
	if cfg.Metrics.Listen.Enabled() {
		findings = append(findings, checkPort(ctx, "metrics.listen", cfg.Metrics.Listen, gradeFail))
	}
	return findings
}

// checkPort grades an address that another program holds as taken says: the appliance starts without a Redis port.
func checkPort(ctx context.Context, key string, addr config.Addr, taken grade) finding {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", string(addr))
	switch {
	case err == nil:
		_ = l.Close()
		return ok(key, "%s is free", addr)
	case errors.Is(err, unix.EADDRINUSE):
		if is, version := waysideAt(ctx, string(addr)); is {
			return ok(key, "%s is held by a running wayside%s", addr, version)
		}
		advice := "stop the other program (ss -ltnp shows it), or set " + key
		if taken == gradeWarn {
			advice += "; the appliance starts without it"
		}
		return finding{Check: key, Grade: taken, Text: fmt.Sprintf("%s is taken by another program", addr), Advice: advice}
	case errors.Is(err, unix.EACCES):
		return fail(key, "use a port from 1024 on, or a unit that grants CAP_NET_BIND_SERVICE", "%s needs a privilege", addr)
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return fail(key, "use an address that `ip addr` lists", "%s is no address of this machine", addr)
	}
	return fail(key, "set "+key, "%v", err)
}

// waysideAt asks whether a wayside answers at addr, and which.
func waysideAt(ctx context.Context, addr string) (is bool, version string) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false, ""
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	// Nothing is sent and nothing believed that would need the certificate to be the right one.
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}} //nolint:gosec // see above
	defer transport.CloseIdleConnections()
	for _, scheme := range []string{"http://", "https://"} {
		if is, version := answersAsWayside(ctx, &http.Client{Transport: transport}, scheme+net.JoinHostPort(host, port)); is {
			return true, version
		}
	}
	return false, ""
}

// answersAsWayside reports whether what is at an address answers as our API does, be it that a token is needed.
func answersAsWayside(ctx context.Context, c *http.Client, address string) (is bool, version string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/api/v1/openapi.json", http.NoBody)
	if err != nil {
		return false, ""
	}
	resp, err := c.Do(req)
	if err != nil {
		return false, ""
	}
	defer resp.Body.Close()
	var doc struct {
		Type string `json:"type"` // of a problem
		Info struct {
			Title   string `json:"title"`
			Version string `json:"version"`
		} `json:"info"`
	}
	const enough = 8 << 20
	err = json.NewDecoder(io.LimitReader(resp.Body, enough)).Decode(&doc)
	switch {
	case err != nil:
		return false, ""
	case strings.HasPrefix(doc.Type, problemPrefix):
		return true, ""
	case doc.Info.Title == apiTitle:
		return true, " (API " + doc.Info.Version + ")"
	}
	return false, ""
}

// problemPrefix begins the type of every error that our API answers.
const problemPrefix = "urn:wayside:error:"

// apiTitle is the title of our OpenAPI document.
const apiTitle = "Wayside"
