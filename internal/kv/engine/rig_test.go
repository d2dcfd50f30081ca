package engine

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/kv/resp"
)

// rig is an engine for tests: with a clock that the test sets, one session, and what its commands had for effects.
type rig struct {
	t       testing.TB
	e       *Engine
	s       *Session
	now     time.Time
	effects []rigEffect
	events  []string
}

type rigEffect struct {
	db   int
	args [][]byte
}

func newRig(tb testing.TB, cfg Config) *rig {
	tb.Helper()
	r := &rig{t: tb, now: time.UnixMilli(1_700_000_000_000)}
	cfg.Clock = func() time.Time { return r.now }
	cfg.Effects = (*rigLog)(r)
	cfg.Hooks.Event = func(_ byte, event string, db int, key []byte) {
		r.events = append(r.events, fmt.Sprintf("%d %s %s", db, event, key))
	}
	r.e = New(cfg)
	r.s = r.e.NewSession(nil)
	return r
}

// rigLog is the rig as what takes effects.
type rigLog rig

func (l *rigLog) Begin() {}
func (l *rigLog) End()   {}
func (l *rigLog) Effect(db int, args [][]byte) {
	l.effects = append(l.effects, rigEffect{db, copyArgs(args)})
}

// call runs a command and gives its answer as the protocol has it, in version 2.
func (r *rig) call(args ...string) string {
	w := resp.NewWriter()
	list := make([][]byte, len(args))
	for i, a := range args {
		list[i] = []byte(a)
	}
	r.e.Lock()
	defer r.e.Unlock()
	r.e.Do(r.s, list, w)
	return string(w.Buf)
}

// say runs a command line, whose words may be quoted, and gives the answer as a person reads it: values with spaces
// between them, (nil), errors with a minus.
func (r *rig) say(line string) string {
	r.t.Helper()
	return readable(r.call(words(line)...))
}

func words(line string) []string {
	var out []string
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		if line[0] == '"' {
			q, err := strconv.QuotedPrefix(line)
			if err != nil {
				panic(line)
			}
			w, _ := strconv.Unquote(q)
			out, line = append(out, w), line[len(q):]
			continue
		}
		w, rest, _ := strings.Cut(line, " ")
		out, line = append(out, w), rest
	}
	return out
}

// readable turns an answer of the protocol into a line.
func readable(answer string) string {
	text, _ := readableValue(answer)
	return text
}

func readableValue(in string) (text, rest string) {
	head, rest, _ := strings.Cut(in, "\r\n")
	if head == "" {
		return "(nothing)", ""
	}
	switch n, _ := strconv.Atoi(head[1:]); head[0] {
	case '$':
		if n < 0 {
			return "(nil)", rest
		}
		return rest[:n], rest[n+2:]
	case '*':
		if n < 0 {
			return "(nil)", rest
		}
		parts := make([]string, n)
		for i := range parts {
			parts[i], rest = readableValue(rest)
		}
		return "[" + strings.Join(parts, " ") + "]", rest
	case '-':
		return head, rest
	}
	return head[1:], rest
}

// steps runs command lines in one engine and compares each answer.
func (r *rig) steps(list ...[2]string) {
	r.t.Helper()
	for _, s := range list {
		if got := r.say(s[0]); got != s[1] {
			r.t.Errorf("%s\n got  %q\n want %q", s[0], got, s[1])
		}
	}
}

// picture is a keyspace as text, key by key, with the ends.
func (r *rig) picture() string {
	r.e.Lock()
	defer r.e.Unlock()
	var lines []string
	for _, d := range r.e.dbs {
		for it := range d.items.all() {
			if r.e.ended(it) {
				continue
			}
			lines = append(lines, fmt.Sprintf("%d %s", d.id, pictureOf(it)))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// pictureOf is an item as text: the commands that make it anew. Fields and members whose order means nothing are sorted.
func pictureOf(it *item) string {
	var b bytes.Buffer
	var parts []string
	new(itemCall).rewrite(it, func(args [][]byte) {
		step := map[Kind]int{KindHash: 2, KindSet: 1}[it.val.kind()]
		if step == 0 || string(args[0]) == "PEXPIREAT" {
			fmt.Fprintf(&b, "%q ", args)
			return
		}
		for part := range slices.Chunk(args[2:], step) {
			parts = append(parts, fmt.Sprintf("%q", part))
		}
	})
	slices.Sort(parts)
	return fmt.Sprintf("%q %s %s", it.key(), b.String(), parts)
}

// replay gives an engine that repeats the effects of another.
func (r *rig) replay() *rig {
	r.t.Helper()
	other := newRig(r.t, Config{})
	other.now = r.now
	log := other.e.Load()
	for _, f := range r.effects {
		err := log.Apply([][]byte{[]byte("SELECT"), appendInt(nil, int64(f.db))})
		if err == nil {
			err = log.Apply(f.args)
		}
		if err != nil {
			r.t.Fatalf("effect %q: %v", f.args, err)
		}
	}
	log.End()
	return other
}

// checkBytes compares what is accounted for with what the items take.
func (r *rig) checkBytes() {
	r.t.Helper()
	r.e.Lock()
	defer r.e.Unlock()
	var all int64
	for _, d := range r.e.dbs {
		var sum int64
		for it := range d.items.all() {
			if o := it.val.obj; o != nil && *o.counted() != o.bytes() {
				r.t.Errorf("%q is counted with %d bytes and has %d", it.key(), *o.counted(), o.bytes())
			}
			sum += bytesOf(it)
		}
		if sum != d.used {
			r.t.Errorf("database %d has %d bytes and counts %d", d.id, sum, d.used)
		}
		all += sum
	}
	if all != r.e.used {
		r.t.Errorf("the items have %d bytes and the engine counts %d", all, r.e.used)
	}
}

// lines makes random command lines: each element of a template is a word, or a choice of words between bars. # is a small
// number, key one of a few keys, text some bytes.
func (r *rig) line(rng *rand.Rand, templates []string) []string {
	var out []string
	for w := range strings.FieldsSeq(templates[rng.IntN(len(templates))]) {
		if choice := strings.Split(w, "|"); len(choice) > 1 {
			w = choice[rng.IntN(len(choice))]
		}
		switch w {
		case "#":
			w = strconv.Itoa(rng.IntN(40) - 20)
		case "##":
			w = strconv.Itoa(rng.IntN(200000) - 100)
		case "key":
			w = "k" + strconv.Itoa(rng.IntN(8))
		case "text":
			w = rigTexts[rng.IntN(len(rigTexts))]
		case "-":
			continue
		}
		out = append(out, w)
	}
	return out
}

var rigTexts = []string{"", "a", "10", "-1", "3.14", "hello", "9223372036854775807", "\x00\xff\x00", "0", "5e3", "foobar foobar foobar foobar foobar foobar foobar", "inf", "1e20", "abcabc"}
