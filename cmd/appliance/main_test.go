package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
)

func TestExitCodesAndTexts(t *testing.T) {
	invalid := &errcode.Error{Code: errcode.ValidationFailed, Text: "a.yaml:1: x: is wrong\na.yaml:2: y: is wrong"}
	for name, tc := range map[string]struct {
		err  error
		code int
		text string
	}{
		"nothing":       {nil, 0, ""},
		"failure":       {errors.New("open blob: no such file"), 1, "wayside: open blob: no such file\n"},
		"reported":      {fmt.Errorf("doctor: %w", errReported), 1, ""},
		"usage":         {&usageError{"wayside x", errors.New("bad flag")}, 2, "wayside: bad flag (see wayside x --help)\n"},
		"configuration": {fmt.Errorf("configuration: %w", invalid), 2, "wayside: configuration: a.yaml:1: x: is wrong\nwayside: a.yaml:2: y: is wrong\n"},
		"interrupted":   {fmt.Errorf("decode: %w", errInterrupted), 130, "wayside: decode: interrupted\n"},
		"broken pipe":   {fmt.Errorf("write standard output: %w", syscall.EPIPE), 1, ""},
	} {
		if code, text := exitCode(tc.err), errorText(tc.err); code != tc.code || text != tc.text {
			t.Errorf("%s: got %d, %q, want %d, %q", name, code, text, tc.code, tc.text)
		}
	}
}

// brokenWriter panics, as a programmer's mistake in a command would.
type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { panic("index out of range\nand more") }

func TestPanicIsOneLine(t *testing.T) {
	var errs bytes.Buffer
	code := run([]string{"version"}, nil, stdio{out: brokenWriter{}, err: &errs})
	if got := errs.String(); code != 1 || strings.Count(got, "\n") != 1 || !strings.HasPrefix(got, "wayside: internal error: index out of range; ") {
		t.Errorf("exit %d, %q", code, got)
	}
}

func TestSignals(t *testing.T) {
	exited := make(chan int, 1)
	ctx, stop := interruptible(t.Context(), func(code int) { exited <- code })
	defer stop()
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	if !errors.Is(context.Cause(ctx), errInterrupted) {
		t.Errorf("the context ended by %v", context.Cause(ctx))
	}
	select {
	case <-exited:
		t.Fatal("the first signal ended the process")
	default:
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case code := <-exited:
		if code != exitFailed {
			t.Errorf("the second signal ended it with %d", code)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the second signal did nothing")
	}
}

func TestParams(t *testing.T) {
	got, err := parseParams([]string{"a=1", "b=x=y", "c="})
	if err != nil || got["a"] != "1" || got["b"] != "x=y" || got["c"] != "" || len(got) != 3 {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range [][]string{{"a"}, {"=1"}, {"a=1", "a=2"}} {
		if _, err := parseParams(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestCacheFolder(t *testing.T) {
	for want, env := range map[string][]string{
		"/c/wayside":        {"XDG_CACHE_HOME=/c", "HOME=/h"},
		"/h/.cache/wayside": {"XDG_CACHE_HOME=relative", "HOME=/h"},
		"":                  {},
	} {
		if got := newRoot(env, stdio{out: io.Discard, err: io.Discard}).cacheDir(); got != want {
			t.Errorf("%q: got %q, want %q", env, got, want)
		}
	}
}
