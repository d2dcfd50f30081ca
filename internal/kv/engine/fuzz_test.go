package engine

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
)

// FuzzCommands runs any commands of the table, a line each and words between blanks: none fails in a way that a command
// must not, and bytes are counted right.
func FuzzCommands(f *testing.F) {
	r := newRig(f, Config{})
	rng := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		var lines []string
		for range 10 {
			lines = append(lines, strings.Join(r.line(rng, myTemplates), " "))
		}
		f.Add([]byte(strings.Join(lines, "\n")))
	}
	f.Add([]byte("zadd z 1 a 2 b\nsort z by w* get # limit -9223372036854775808 9223372036854775807\nobject encoding z\ncopy z y db 3"))
	f.Fuzz(func(t *testing.T, script []byte) {
		r := newRig(t, Config{})
		for line := range bytes.Lines(script) {
			var args []string
			for w := range bytes.SplitSeq(bytes.TrimSuffix(line, []byte("\n")), []byte(" ")) {
				args = append(args, string(w))
			}
			cmd := r.e.Lookup([][]byte{[]byte(args[0])})
			if cmd == nil || cmd.Flags&Blocking != 0 || cmd.Name == "wait" || heavy(args) {
				continue
			}
			r.call(args...)
			if r.e.Stats().Panics > 0 {
				t.Fatalf("%q has failed", args)
			}
		}
		r.checkBytes()
	})
}

// heavy says that a line may make a string of hundreds of megabytes, which Redis makes too: a fuzzer has no time for that.
func heavy(args []string) bool {
	cmd := strings.ToLower(args[0])
	for _, a := range args[1:] {
		if len(a) > 5 && strings.Trim(a, "#0123456789") == "" && (cmd == "setbit" || cmd == "setrange" || cmd == "bitfield") {
			return true
		}
	}
	return false
}
