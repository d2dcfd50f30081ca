package script

import (
	"crypto/sha1" //nolint:gosec // the name of a script, as Redis has it; no secret depends on it
	"encoding/hex"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	lua "github.com/yuin/gopher-lua"

	"github.com/wayside-edge/wayside/internal/kv/engine"
)

// Config bounds scripts.
type Config struct {
	Limit   time.Duration // after which others are let in; 0 = 5 s
	String  int           // bytes of a string that a script makes; 0 = 32 MiB
	Memory  int64         // bytes that all it keeps may have; 0 = 64 MiB
	Version string        // that scripts are told, as Redis's
	Log     func(level int, text string)
	Double  func(b []byte, f float64) []byte // writes a number as an answer has it; resp.AppendDouble
}

const (
	mostScripts = 10_000
	mostText    = 64 << 20 // bytes of all scripts that are kept
	mostScript  = 1 << 20  // what it is compiled to has a hundred times that
)

// Scripts keeps and runs scripts.
type Scripts struct {
	cfg       Config
	known     map[string]*script
	order     []string // of known, the oldest first
	last      *script  // of known, that was run last by its text
	bytes     int
	vm        *machine // nil = to be made
	libraries map[string]*library
	functions map[string]*function // of all libraries
	run       *run                 // that runs too long or is about to
	stopping  atomic.Bool
}

// script is one that was compiled.
type script struct {
	sha    string
	text   string
	proto  *lua.FunctionProto
	rights engine.Rights
	flags  bool // it says itself what it may
	chunk  string
}

// New keeps no script yet.
func New(cfg Config) *Scripts {
	if cfg.Limit == 0 {
		cfg.Limit = 5 * time.Second
	}
	if cfg.String == 0 {
		cfg.String = mostString
	}
	if cfg.Memory == 0 {
		cfg.Memory = mostMemory
	}
	if cfg.Log == nil {
		cfg.Log = func(int, string) {}
	}
	limitLists()
	return &Scripts{cfg: cfg, known: map[string]*script{}, libraries: map[string]*library{}, functions: map[string]*function{}}
}

// SetLimit changes how long a script may run undisturbed.
func (s *Scripts) SetLimit(d time.Duration) { s.cfg.Limit = d }

// Stop ends what runs and what will be run, as the server ends. Of a script that has written nothing is kept. It may be called
// by anybody, without the lock: a script may hold it for long.
func (s *Scripts) Stop() { s.stopping.Store(true) }

// Count and Bytes are of the scripts that are kept.
func (s *Scripts) Count() int { return len(s.known) }

// Bytes is the length of their texts.
func (s *Scripts) Bytes() int { return s.bytes }

func digest(text []byte) string {
	sum := sha1.Sum(text) //nolint:gosec // see above
	return hex.EncodeToString(sum[:])
}

// load compiles a script, unless it is known. The error is what a client is answered.
func (s *Scripts) load(text []byte) (*script, error) {
	if s.last != nil && s.last.text == string(text) { // mostly it is the one before
		return s.last, nil
	}
	sha := digest(text)
	if sc := s.known[sha]; sc != nil {
		s.last = sc
		return sc, nil
	}
	if len(text) > mostScript {
		return nil, fmt.Errorf("ERR script of %d bytes is too long", len(text))
	}
	sc := &script{sha: sha, text: string(text), chunk: chunkName}
	body, err := sc.shebang(sc.text)
	if err != nil {
		return nil, err
	}
	if sc.proto, err = compile(body, chunkName); err != nil {
		return nil, fmt.Errorf("ERR Error compiling script (new function): %s", oneLine(err.Error()))
	}
	for len(s.order) > 0 && (len(s.order) >= mostScripts || s.bytes+len(text) > mostText) {
		s.bytes -= len(s.known[s.order[0]].text)
		delete(s.known, s.order[0])
		s.order = s.order[1:]
	}
	s.known[sha], s.last = sc, sc
	s.order = append(s.order, sha)
	s.bytes += len(text)
	return sc, nil
}

// chunkName is where errors say they are.
const chunkName = "user_script"

// shebang reads the first line of a script that begins with #!, which says what it may do.
func (sc *script) shebang(text string) (body string, err error) {
	if !strings.HasPrefix(text, "#!") {
		return text, nil
	}
	line, _, _ := strings.Cut(text, "\n")
	words := strings.Fields(line[2:])
	if len(words) == 0 || words[0] != "lua" {
		name := ""
		if len(words) > 0 {
			name = words[0]
		}
		return "", fmt.Errorf("ERR Unexpected engine in script shebang: %s", name)
	}
	sc.flags = true
	for _, w := range words[1:] {
		list, ok := strings.CutPrefix(w, "flags=")
		if !ok {
			return "", fmt.Errorf("ERR Unknown lua shebang option: %s", w)
		}
		for f := range strings.SplitSeq(list, ",") {
			switch f {
			case "":
			case "no-writes":
				sc.rights.ReadOnly = true
			case "allow-oom":
				sc.rights.AllowOOM = true
			case "allow-stale", "no-cluster", "allow-cross-slot-keys":
			default:
				return "", fmt.Errorf("ERR Unexpected flag in script shebang: %s", f)
			}
		}
	}
	return "--" + text, nil // lines keep their numbers
}

func (s *Scripts) flush() {
	s.known, s.order, s.last, s.bytes, s.vm = map[string]*script{}, nil, nil, 0, nil
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
