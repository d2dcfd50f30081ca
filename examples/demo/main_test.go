package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fakeMode makes this test binary play `wayside serve`.
const fakeMode = "DEMO_FAKE"

func TestMain(m *testing.M) {
	if mode := os.Getenv(fakeMode); mode != "" {
		os.Exit(fakeServe(mode, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// fakeServe answers like the appliance, or misbehaves the way mode says.
func fakeServe(mode string, args []string) int {
	fmt.Fprintln(os.Stderr, `{"level":"INFO","message":"starting"}`)
	if mode == "dies" {
		fmt.Fprintln(os.Stderr, "wayside: the disk is on fire")
		return 1
	}
	if got := strings.Join(args, " "); !strings.HasPrefix(got, "serve --config ") || !strings.Contains(got, "--listen 127.0.0.1:0") {
		fmt.Fprintln(os.Stderr, "unexpected arguments:", got)
		return 2
	}
	if err := os.Mkdir(args[4], 0o700); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	srv := httptest.NewServer(fakeAPI(mode))
	fmt.Fprintln(os.Stderr, "ready "+srv.URL)
	<-term
	if mode == "stops badly" {
		return 3
	}
	return 0
}

func fakeAPI(mode string) http.Handler {
	const decode = `{"id":"d1","status":%q,"decoder":{"id":"rail","version":"0.1.0"},"rows":3,"duration":0.0123,
		"tables":[{"name":"telegrams","rows":2,"bytes":900,"columns":22}],"issues":{"infos":1,"warnings":0,"errors":2}%s}`
	status, more := "running", ""
	switch mode {
	case "fails":
		status, more = "failed", `,"error":{"code":"unknown_format","message":"no decoder"}`
	case "full":
		status = ""
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/files", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if string(body) != "recording" || r.URL.Query().Get("name") != "x.RU" || r.URL.Query().Get("wait") == "" {
			http.Error(w, "unexpected upload", http.StatusTeapot)
			return
		}
		if mode == "full" {
			w.WriteHeader(http.StatusInsufficientStorage)
			fmt.Fprint(w, `{"code":"disk_full","detail":"the disk is full","title":"x"}`)
			return
		}
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"file":{"id":"f1","name":"x.RU","size":9,"sha256":"0123456789abcdef","format":"rail-log"},"decode":`+decode+`}`, status, more)
	})
	mux.HandleFunc("GET /api/v1/decodes/d1", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, decode, "done", more)
	})
	mux.HandleFunc("GET /api/v1/decodes/d1/tables/telegrams/rows", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"columns":[{"name":"seq"},{"name":"location_m","unit":"m"},"packets"],"rows":[[1,9007199254740993.10,"5 12 255"],[2,null,""]]}`)
	})
	return mux
}

// runDemo runs the demonstration against the fake server and gives its exit code and output. Everything temporary
// lies in the folder that is given back.
func runDemo(t *testing.T, mode, keep string) (code int, out, errs, tmp string) {
	t.Helper()
	t.Setenv(fakeMode, mode)
	tmp = t.TempDir()
	t.Setenv("TMPDIR", tmp)
	recording := filepath.Join(t.TempDir(), "x.RU")
	if err := os.WriteFile(recording, []byte("recording"), 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	code = run([]string{"-bin", self, "-file", recording}, keep, &stdout, &stderr)
	return code, stdout.String(), stderr.String(), tmp
}

func TestShowsTheWayOfARecording(t *testing.T) {
	code, out, errs, tmp := runDemo(t, "works", "")
	if code != 0 || errs != "" {
		t.Fatalf("exit %d, %s", code, errs)
	}
	for _, want := range []string{
		"ready at http://127.0.0.1:", "Decoder   rail 0.1.0\n", "Status    done\n", "Duration  12.3ms\n",
		"Issues    errors 2, warnings 0, infos 1\n", "telegrams           2       22            900\n",
		"seq  location_m           packets", "1    9007199254740993.10  5 12 255", "2    -                    -\n",
		"/api/v1/decodes/d1/tables/telegrams.parquet\n", "/api/v1/openapi.json\n", "/health\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if left, _ := os.ReadDir(tmp); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestSaysWhatWentWrong(t *testing.T) {
	for mode, want := range map[string]string{
		"dies":        "the disk is on fire",
		"fails":       "the decode is failed, not done (unknown_format: no decoder)",
		"full":        "507 Insufficient Storage: the disk is full (disk_full)",
		"stops badly": "wayside serve stopped badly: exit status 3",
	} {
		t.Run(mode, func(t *testing.T) {
			code, _, errs, tmp := runDemo(t, mode, "")
			if code != 1 || !strings.Contains(errs, want) {
				t.Errorf("exit %d, %q", code, errs)
			}
			if left, _ := os.ReadDir(tmp); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
	var out, errs bytes.Buffer
	if code := run([]string{"-bin", filepath.Join(t.TempDir(), "none")}, "", &out, &errs); code != 1 || !strings.Contains(errs.String(), "make demo") {
		t.Errorf("without a binary: exit %d, %q", code, errs.String())
	}
}

func TestKeepStaysUpUntilInterrupted(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(fakeMode, "works")
	t.Setenv("TMPDIR", t.TempDir())
	recording := filepath.Join(t.TempDir(), "x.RU")
	if err := os.WriteFile(recording, []byte("recording"), 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan int, 1)
	go func() {
		done <- run([]string{"-bin", self, "-file", recording}, "1", w, w)
		w.Close()
	}()
	var out strings.Builder
	buf := make([]byte, 1024)
	for !strings.Contains(out.String(), "stop it with Ctrl-C") {
		n, err := r.Read(buf)
		if err != nil {
			t.Fatalf("it ended: %s", out.String())
		}
		out.Write(buf[:n])
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case code := <-done:
		if code != 0 {
			t.Errorf("exit %d: %s", code, out.String())
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it did not stop")
	}
}
