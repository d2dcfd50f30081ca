package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// appliance is a running process of the binary.
type appliance struct {
	url   string
	cmd   *exec.Cmd
	start time.Duration // from exec to ready
	ended chan struct{}
}

func startAppliance(ctx context.Context, bin, dir string, env ...string) (*appliance, error) {
	return startServing(ctx, bin, dir, "off", env...)
}

// startServing starts one whose Redis-protocol server has an address.
func startServing(ctx context.Context, bin, dir, kv string, env ...string) (*appliance, error) {
	//nolint:gosec // the program to measure is the caller's choice
	cmd := exec.CommandContext(ctx, bin, "serve", "--data-dir", dir, "--listen", "127.0.0.1:0", "--kv-listen", kv)
	cmd.Env = append(append(os.Environ(), "WAYSIDE_LOG_LEVEL=error"), env...)
	return started(cmd)
}

// started starts a server and waits until it says where it is ready.
func started(cmd *exec.Cmd) (*appliance, error) {
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("start appliance: %w", err)
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start appliance: %w", err)
	}
	a := &appliance{cmd: cmd, ended: make(chan struct{})}
	ready := make(chan string, 1)
	go func() {
		defer close(a.ended)
		sc := bufio.NewScanner(stderr)
		for sc.Scan() {
			if url, ok := strings.CutPrefix(sc.Text(), "ready "); ok {
				ready <- strings.TrimSpace(url)
			}
		}
		_ = cmd.Wait() // how it ended is not a figure
	}()
	select {
	case a.url = <-ready:
		a.start = time.Since(began)
		return a, nil
	case <-a.ended:
		return nil, errors.New("start appliance: it ended before it was ready")
	}
}

// compiled waits until the appliance has compiled its decoders.
func (a *appliance) compiled(ctx context.Context) error {
	for {
		var list struct {
			Items []struct {
				State string `json:"state"`
			} `json:"items"`
		}
		if err := a.do(ctx, http.MethodGet, "/api/v1/plugins", "", nil, &list); err != nil {
			return err
		}
		busy := false
		for _, p := range list.Items {
			busy = busy || p.State == "compiling"
		}
		if !busy {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("wait for decoders: %w", ctx.Err())
		}
	}
}

func (a *appliance) stop() error {
	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop appliance: %w", err)
	}
	<-a.ended
	return nil
}

// send asks for something, with headers in pairs, and gives the answer, whose body is to be closed.
func (a *appliance) send(ctx context.Context, method, path string, body io.Reader, headers ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.url+path, body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	for pair := range slices.Chunk(headers, 2) {
		req.Header.Set(pair[0], pair[1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if resp.StatusCode >= 300 {
		defer resp.Body.Close()
		data, _ := io.ReadAll(resp.Body) // as much as there is
		return nil, fmt.Errorf("%s %s: %d %.300s", method, path, resp.StatusCode, data)
	}
	return resp, nil
}

// do asks for something; media is the type of the body, if there is one.
func (a *appliance) do(ctx context.Context, method, path, media string, body io.Reader, out any) error {
	var headers []string
	if body != nil {
		headers = []string{"Content-Type", media}
	}
	resp, err := a.send(ctx, method, path, body, headers...)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if out != nil {
		if err := json.Unmarshal(data, out); err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
	}
	return nil
}

type decode struct {
	ID       string  `json:"id"`
	Status   string  `json:"status"`
	Rows     int64   `json:"rows"`
	Duration float64 `json:"duration"` // seconds
}

// upload stores a recording; with wait it comes back decoded.
func (a *appliance) upload(ctx context.Context, name string, body io.Reader, query string) (decode, error) {
	var up struct {
		Decode *decode `json:"decode"`
	}
	err := a.do(ctx, http.MethodPost, "/api/v1/files?name="+name+query, "application/octet-stream", body, &up)
	if err != nil || up.Decode == nil {
		return decode{}, err
	}
	return *up.Decode, nil
}

// store uploads a file without decoding it and gives its id.
func (a *appliance) store(ctx context.Context, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("upload: %w", err)
	}
	defer f.Close()
	var up struct {
		File struct {
			ID string `json:"id"`
		} `json:"file"`
	}
	target := "/api/v1/files?decode=false&name=" + filepath.Base(path)
	err = a.do(ctx, http.MethodPost, target, "application/octet-stream", f, &up)
	return up.File.ID, err
}

// again decodes a stored recording anew and waits for the end.
func (a *appliance) again(ctx context.Context, file string, variables bool) (decode, error) {
	body, err := json.Marshal(map[string]any{
		"file_id": file, "force": true, "params": map[string]any{"variables": variables},
	})
	if err != nil {
		return decode{}, fmt.Errorf("ask for a decode: %w", err)
	}
	var d decode
	if err := a.do(ctx, http.MethodPost, "/api/v1/decodes", "application/json", bytes.NewReader(body), &d); err != nil {
		return decode{}, err
	}
	d, err = a.final(ctx, d.ID)
	if err == nil && d.Status != "done" {
		err = fmt.Errorf("decode %s is %s", d.ID, d.Status)
	}
	return d, err
}

// final waits until a decode has ended.
func (a *appliance) final(ctx context.Context, id string) (decode, error) {
	for {
		var d decode
		if err := a.do(ctx, http.MethodGet, "/api/v1/decodes/"+id+"?wait=30", "", nil, &d); err != nil {
			return d, err
		}
		if d.Status != "queued" && d.Status != "running" {
			return d, nil
		}
	}
}

// memory gives the proportional set size, in bytes, of the appliance and its children together.
func (a *appliance) memory() (int64, error) {
	sum, err := pss(a.cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	children, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", a.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("list children: %w", err)
	}
	for _, path := range children {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // a thread that ended since
		}
		for f := range strings.FieldsSeq(string(data)) {
			pid, err := strconv.Atoi(f)
			if err != nil {
				return 0, fmt.Errorf("list children: %w", err)
			}
			if n, err := pss(pid); err == nil { // a child may have ended since
				sum += n
			}
		}
	}
	return sum, nil
}

func pss(pid int) (int64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, fmt.Errorf("read memory: %w", err)
	}
	for line := range strings.Lines(string(data)) {
		var kb int64
		if _, err := fmt.Sscanf(line, "Pss: %d kB", &kb); err == nil {
			return kb << 10, nil
		}
	}
	return 0, errors.New("read memory: no Pss line")
}
