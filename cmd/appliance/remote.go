package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wayside-edge/wayside/internal/config"
	"github.com/wayside-edge/wayside/sdk/client"
)

// adminToken is the file, in secrets/ of the data folder, with the token of this machine's appliance.
const adminToken = "admin-token"

// remoteFlags say where the appliance is.
type remoteFlags struct {
	server string
	token  string
	caFile string
	json   bool
}

// remoteCmd makes a command that calls an appliance.
func (r *root) remoteCmd(cmd *cobra.Command, run func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error) *cobra.Command {
	var f remoteFlags
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := r.connect(cmd, f)
		if err != nil {
			return err
		}
		return remedy(run(cmd.Context(), c, f, args))
	}
	fl := cmd.Flags()
	fl.StringVar(&f.server, "server", "", "address of the appliance (default WAYSIDE_SERVER, else server.listen of the configuration)")
	fl.StringVar(&f.token, "token", "", "access token (default WAYSIDE_TOKEN, else the admin token in the data folder)")
	fl.StringVar(&f.caFile, "ca-file", "", "PEM file of the authorities that may have signed the appliance's certificate (default WAYSIDE_CA_FILE, else the system's)")
	fl.BoolVar(&f.json, "json", false, "print the answer for programs")
	config.AddFlags(fl)
	for _, name := range []string{"listen", "kv-listen", "log-level", "log-format"} {
		_ = fl.MarkHidden(name)
	}
	return cmd
}

// connect finds the appliance: flags, then variables, then what the configuration of this machine says.
func (r *root) connect(cmd *cobra.Command, f remoteFlags) (*client.Client, error) {
	server, token, caFile := or(f.server, r.getenv("WAYSIDE_SERVER")), or(f.token, r.getenv("WAYSIDE_TOKEN")), or(f.caFile, r.getenv("WAYSIDE_CA_FILE"))
	own := "" // the certificate of this machine's appliance, if that is the one
	if server == "" || token == "" {
		cfg, err := r.load(cmd.Flags())
		if err != nil {
			return nil, err
		}
		local := localAddress(cfg.Server)
		server = or(server, local)
		// The token of this machine's appliance goes to no other.
		if server == local {
			own = cfg.Server.TLSCert
			if b, err := os.ReadFile(filepath.Join(cfg.Data.Dir, "secrets", adminToken)); err == nil && token == "" {
				token = strings.TrimSpace(string(b))
			}
		}
	}
	h, err := httpClient(caFile, own)
	if err != nil {
		return nil, err
	}
	c, err := client.New(client.Config{Server: server, Token: token, HTTP: h})
	if err != nil {
		return nil, &usageError{command: cmd.CommandPath(), err: err}
	}
	return c, nil
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// httpClient gives what calls an appliance; nil is the usual. caFile names the authorities that are believed. own is the
// certificate file of this machine's appliance: whoever shows that very certificate is it, whatever name it has.
func httpClient(caFile, own string) (*http.Client, error) {
	var cfg *tls.Config
	switch {
	case caFile != "":
		pool := x509.NewCertPool()
		raw, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("read authorities: %w", err)
		}
		if !pool.AppendCertsFromPEM(raw) {
			return nil, fmt.Errorf("read authorities: %s holds no certificate", caFile)
		}
		cfg = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	case own != "":
		raw, err := os.ReadFile(own)
		if err != nil {
			return nil, fmt.Errorf("read server.tls_cert: %w", err)
		}
		block, _ := pem.Decode(raw)
		if block == nil {
			return nil, fmt.Errorf("read server.tls_cert: %s holds no certificate", own)
		}
		cfg = &tls.Config{
			InsecureSkipVerify: true, MinVersion: tls.VersionTLS12, //nolint:gosec // the certificate is compared as a whole, which is stricter
			VerifyConnection: func(s tls.ConnectionState) error {
				if len(s.PeerCertificates) == 0 || !bytes.Equal(s.PeerCertificates[0].Raw, block.Bytes) {
					return errors.New("what answers there does not have the certificate in server.tls_cert")
				}
				return nil
			},
		}
	default:
		return nil, nil //nolint:nilnil // the usual
	}
	usual, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		usual = &http.Transport{}
	}
	t := usual.Clone()
	t.TLSClientConfig = cfg
	return &http.Client{Transport: t}, nil
}

// localAddress is where the appliance of a configuration is reached from its machine.
func localAddress(s config.Server) string {
	scheme, addr := "http://", string(s.Listen)
	if s.TLSCert != "" {
		scheme = "https://"
	}
	switch s.Listen.Host() {
	case "", "0.0.0.0", "::":
		addr = "127.0.0.1:" + addr[strings.LastIndex(addr, ":")+1:]
	}
	return scheme + addr
}

// remedy adds to an error what to do about it.
func remedy(err error) error {
	e, answered := errors.AsType[*client.Error](err)
	switch {
	case errors.Is(err, client.ErrUnreachable):
		return fmt.Errorf("%w; start it with wayside serve, or name it with --server", err)
	case errors.Is(err, client.ErrNotResumable):
		return fmt.Errorf("%w; is --server right? Without --resume a file is sent whole", err)
	case answered && e.Code == "unauthorized":
		return fmt.Errorf("%w; give one with --token or WAYSIDE_TOKEN, or run this as a user who may read secrets/%s in the data folder", err, adminToken)
	case answered && e.Code == "forbidden" && strings.Contains(e.Detail, "lacks the scope"):
		return fmt.Errorf("%w; this needs a token with scope admin", err)
	}
	return err
}
