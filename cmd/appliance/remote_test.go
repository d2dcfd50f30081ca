package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// listening is an appliance with no files, that notes who asked it.
func listening(t *testing.T) (srv *httptest.Server, asked *[]string) {
	t.Helper()
	asked = &[]string{}
	srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.Header.Get("Authorization"))
		_, _ = fmt.Fprint(w, `{"items":[],"next_cursor":null}`)
	}))
	t.Cleanup(srv.Close)
	return srv, asked
}

// Flags go before variables, these before the configuration; and the token of this machine's appliance goes to no other.
func TestWhichApplianceAndToken(t *testing.T) {
	own, atOwn := listening(t)
	other, atOther := listening(t)
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "secrets"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "secrets", adminToken), []byte("local\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		args, env  []string
		own, other string // the Authorization that each got
	}{
		"the configuration's":    {nil, nil, "Bearer local", ""},
		"named, and the same":    {[]string{"--server", own.URL}, nil, "Bearer local", ""},
		"another":                {[]string{"--server", other.URL}, nil, "", "none"},
		"another, by a variable": {nil, []string{"WAYSIDE_SERVER=" + other.URL}, "", "none"},
		"a token's variable":     {nil, []string{"WAYSIDE_TOKEN=v"}, "Bearer v", ""},
		"a token's flag":         {[]string{"--token", "f"}, []string{"WAYSIDE_TOKEN=v"}, "Bearer f", ""},
		"flag before variable":   {[]string{"--server", other.URL}, []string{"WAYSIDE_SERVER=" + own.URL, "WAYSIDE_TOKEN=v"}, "", "Bearer v"},
	} {
		*atOwn, *atOther = nil, nil
		env := append([]string{"HOME=" + dir, "WAYSIDE_DATA_DIR=" + dir, "WAYSIDE_SERVER_LISTEN=" + strings.TrimPrefix(own.URL, "http://")}, tc.env...)
		var errs bytes.Buffer
		code := run(append([]string{"files", "list"}, tc.args...), env, stdio{out: &bytes.Buffer{}, err: &errs})
		got := func(asked []string) string {
			if len(asked) == 1 && asked[0] == "" {
				return "none"
			}
			return strings.Join(asked, "+")
		}
		if a, b := got(*atOwn), got(*atOther); code != exitOK || a != tc.own || b != tc.other {
			t.Errorf("%s: exit %d, own %q, other %q, %s", name, code, a, b, errs.String())
		}
	}
}

// What an appliance refuses comes with what to do about it.
func TestRemedies(t *testing.T) {
	status, code, detail := 0, "", ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"code":%q,"detail":%q}`, code, detail)
	}))
	t.Cleanup(srv.Close)
	for _, tc := range []struct {
		status             int
		code, detail, want string
	}{
		{401, "unauthorized", "it said no", "it said no; give one with --token or WAYSIDE_TOKEN"},
		{403, "forbidden", "the token lacks the scope admin", "the token lacks the scope admin; this needs a token with scope admin"},
		{403, "forbidden", "nobody may", "wayside: list files: nobody may\n"},
		{409, "conflict", "it said no", "wayside: list files: it said no\n"},
	} {
		status, code, detail = tc.status, tc.code, tc.detail
		var errs bytes.Buffer
		if got := run([]string{"files", "list"}, []string{"HOME=" + t.TempDir(), "WAYSIDE_SERVER=" + srv.URL}, stdio{out: &bytes.Buffer{}, err: &errs}); got != exitFailed || !strings.Contains(errs.String(), tc.want) {
			t.Errorf("%d: exit %d, %q", tc.status, got, errs.String())
		}
	}
}

// All pages, one after the other; or one, with a word about the rest, for programs too.
func TestPages(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
		next := "null"
		if at < 2 {
			next = fmt.Sprintf("%q", strconv.Itoa(at+1))
		}
		_, _ = fmt.Fprintf(w, `{"items":[{"id":"f%d-%s"}],"next_cursor":%s}`, at, r.URL.Query().Get("limit"), next)
	}))
	t.Cleanup(srv.Close)
	for _, tc := range []struct{ args, out, errs string }{
		{"--all --fields id", "ID\nf0-1000\nf1-1000\nf2-1000\n", ""},
		{"--limit 7 --fields id", "ID\nf0-7\n", "the first 1; --all shows every one, or go on with --cursor 1\n"},
		{"--cursor 2 --fields id", "ID\nf2-50\n", ""},
		{"--cursor 1 --all --fields id", "ID\nf1-1000\nf2-1000\n", ""},
		{"--json", "[\n  {\n    \"id\": \"f0-50\"\n  }\n]\n", "the first 1; --all shows every one, or go on with --cursor 1\n"},
	} {
		var out, errs bytes.Buffer
		code := run(append([]string{"files", "list"}, strings.Fields(tc.args)...), []string{"HOME=" + t.TempDir(), "WAYSIDE_SERVER=" + srv.URL}, stdio{out: &out, err: &errs})
		if code != exitOK || out.String() != tc.out || errs.String() != tc.errs {
			t.Errorf("%s: exit %d, %q, %q", tc.args, code, out.String(), errs.String())
		}
	}
}

// Bytes of which the hash is not right are no file.
func TestContentIsChecked(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/content") {
			_, _ = fmt.Fprint(w, "abd")
			return
		}
		_, _ = fmt.Fprint(w, `{"id":"f1","size":3,"sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}`)
	}))
	t.Cleanup(srv.Close)
	dir := t.TempDir()
	var errs bytes.Buffer
	code := run([]string{"files", "content", "f1", "-o", filepath.Join(dir, "f")}, []string{"HOME=" + dir, "WAYSIDE_SERVER=" + srv.URL}, stdio{out: &bytes.Buffer{}, err: &errs})
	left, err := os.ReadDir(dir)
	if code != exitFailed || !strings.Contains(errs.String(), "what came is not the file") || err != nil || len(left) != 0 {
		t.Errorf("exit %d, %q, left %v, %v", code, errs.String(), left, err)
	}
}
