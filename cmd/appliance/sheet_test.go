package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/wayside-edge/wayside/internal/progress"
	"github.com/wayside-edge/wayside/sdk/client"
)

func TestSheetFits(t *testing.T) {
	s := &sheet{head: []string{"NAME", ">SIZE", "NOTE"}}
	s.add(text("a"), cell{text: "5"}, cell{"ok", good})
	s.add(text("ein sehr langer Name für eine Datei.RU"), cell{text: "1,234"}, text("evil\x1b[2Jtext\nline"))
	want := "NAME                                     SIZE  NOTE\n" +
		"a                                           5  ok\n" +
		"ein sehr langer Name für eine Datei.RU  1,234  evil [2Jtext line\n"
	if got := s.render(0, false); got != want {
		t.Errorf("got\n%s", got)
	}
	for _, width := range []int{30, 45, 200} {
		for line := range strings.Lines(s.render(width, false)) {
			if n := utf8.RuneCountInString(line) - 1; n > width {
				t.Errorf("%d columns where %d fit: %q", n, width, line)
			}
		}
	}
	if got := s.render(45, true); !strings.Contains(got, "\x1b[32mok\x1b[0m") || !strings.Contains(got, "…") {
		t.Errorf("got %q", got)
	}
}

func TestSheetLeavesColumnsOut(t *testing.T) {
	s := &sheet{}
	row := []cell{}
	for i := range 40 {
		s.head = append(s.head, fmt.Sprintf("column_%d", i))
		row = append(row, cell{text: "12345678"})
	}
	s.rows = append(s.rows, row)
	got := s.render(60, false)
	head, _, _ := strings.Cut(got, "\n")
	if utf8.RuneCountInString(head) > 60 || !strings.HasSuffix(head, "+35") || strings.Count(got, "12345678") != 5 {
		t.Errorf("got\n%s", got)
	}
}

func TestTexts(t *testing.T) {
	for want, got := range map[string]string{
		"999 B": progress.Size(999), "1.0 kB": progress.Size(1000), "1.0 MB": progress.Size(999_999), "1.5 GB": progress.Size(1_500_000_000), "9.2 EB": progress.Size(1<<63 - 1),
		"0": progress.Count(0), "-1,234": progress.Count(-1234), "-123": progress.Count(-123), "1,234,567": progress.Count(1234567),
		"5 s ago": ago(5 * time.Second), "in 2 min": ago(-2 * time.Minute), "3 days ago": ago(75 * time.Hour), "0 s ago": ago(-time.Second),
		"-": took(0), "12ms": took(0.0123), "2m3s": took(123.4), "3 days 2 h": uptime(74 * 3600),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for raw, want := range map[string]string{`null`: "-", ``: "-", `"a\u001bb"`: "a b", `18446744073709551615`: "18446744073709551615", `{"a":[1]}`: `{"a":[1]}`} {
		if got := valueCell(json.RawMessage(raw)).text; got != want {
			t.Errorf("%s: got %q, want %q", raw, got, want)
		}
	}
}

func TestHexDump(t *testing.T) {
	data := []byte("0123456789abcdef\x00\x1b~")
	want := "00000010  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|\n" +
		"00000020  00 1b 7e                                          |..~|\n" +
		"00000023  of 1,000 bytes\n"
	if got := hexDump(client.Bytes{Offset: 16, Size: 1000, Data: data}); got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestEventLine(t *testing.T) {
	for data, want := range map[string]string{
		`{"id":"d1","status":"running","progress":0.5,"rows":0}`: "x d1 running 50 %",
		`{"id":"d1","status":"done","rows":1234}`:                "x d1 done 1,234 rows",
		`{"id":"f1","name":"a\u001b[2J","size":5}`:               "x f1 a [2J 5 B",
		`{"id":"f1","deleted":true}`:                             "x f1 deleted",
		`"no object`:                                             `x "no object`,
	} {
		if got := eventLine(client.Event{Topic: "x", Data: json.RawMessage(data)}); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := eventLine(client.Event{Topic: "reset", Data: json.RawMessage(`{"topics":["file","job"]}`)}); got != "reset events were left out: file, job" {
		t.Errorf("got %q", got)
	}
}
