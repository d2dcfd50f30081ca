package worker

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// errEnd unwinds a guest whose end is already decided. It never leaves the package.
var errEnd = errors.New("instance ended by the host")

// mode is what the guest was called for; it decides which imports may be used.
type mode int

const (
	modeInit     mode = iota // start function and _initialize: no import of the ABI but log
	modeManifest             // wayside_manifest: only manifest and log
	modeSniff                // wayside_sniff: reading the head
	modeDecode               // wayside_decode
)

// Limits of what a guest may say at once.
const (
	maxMessage   = 4096                 // bytes of an issue's, a failure's or a log line's text; longer ones are cut
	maxTableJSON = abi.MaxManifestBytes // of one table found at run time, and of all together
)

// call is the state of one instance: what it was given, what it has done, and why it ended. One goroutine uses it.
type call struct {
	mode   mode
	in     input
	seek   bool
	child  bool
	params map[string]string
	out    *output // modeDecode only
	page   *wire.Page

	clock  uint64
	random *rand.ChaCha8

	logLeft  int64
	log      func(level int, text string)
	partial  []byte // the unfinished line on stdout or stderr
	lastWord string // the first line on stderr that tells of a panic

	manifest []byte

	ended    error         // what the engine said when the call was over
	end      *wire.Verdict // the host ended the instance
	broken   *wire.Verdict // no verdict on the file: reading or writing failed
	exited   bool
	exitCode uint32
	failed   *wire.Verdict // what the guest gave to fail
	fatal    *wire.Verdict // the first fatal issue
}

// newCall returns the state for an instance. seed makes its random numbers: fixed while it initialises, so that an
// initialised snapshot and a fresh instance are the same, and the file's hash afterwards.
func newCall(m mode) *call {
	c := &call{mode: m, clock: clockInit}
	c.seed("")
	return c
}

func (c *call) seed(s string) {
	c.random = rand.NewChaCha8(sha256.Sum256([]byte("wayside random " + s)))
}

// start makes the state ready for a call after the initialisation.
func (c *call) start(m mode, seed string) {
	c.mode, c.clock = m, clockRun
	c.seed(seed)
}

// violate ends the instance: the guest broke the contract.
func (c *call) violate(format string, args ...any) {
	c.stop(errcode.ABIViolation, fmt.Sprintf(format, args...))
}

// stop ends the instance with a verdict.
func (c *call) stop(code errcode.Code, message string) {
	if c.end == nil {
		c.end = &wire.Verdict{Code: code, Message: message}
	}
	panic(errEnd)
}

// breakOff ends the instance without a verdict on the file.
func (c *call) breakOff(code errcode.Code, message string) {
	if c.broken == nil {
		c.broken = &wire.Verdict{Code: code, Message: message}
	}
	panic(errEnd)
}

// breakFor is breakOff for a failure to write.
func (c *call) breakFor(err error) {
	v := faultOf(err)
	c.breakOff(v.Code, v.Message)
}

// need ends the instance unless it was called for one of the modes.
func (c *call) need(name string, modes ...mode) {
	if slices.Contains(modes, c.mode) {
		return
	}
	c.violate("%s was called outside of its time", name)
}

// bytes gives guest memory and ends the instance where the pointer lies.
func (c *call) bytes(mem []byte, what string, ptr, n uint32) []byte {
	b := slice(mem, ptr, n)
	if b == nil {
		c.violate("%s: %d bytes at 0x%x are not in memory", what, n, ptr)
	}
	return b
}

// text gives a string of the guest, cut to maxMessage bytes and made valid UTF-8: it may quote a damaged file.
func (c *call) text(mem []byte, what string, ptr, n uint32) string {
	b := c.bytes(mem, what, ptr, n)
	if len(b) > maxMessage {
		b = b[:maxMessage]
		for len(b) > 0 && !utf8.RuneStart(b[len(b)-1]) {
			b = b[:len(b)-1]
		}
		if len(b) > 0 && b[len(b)-1] >= utf8.RuneSelf {
			b = b[:len(b)-1]
		}
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}

// code gives a code of the guest.
func (c *call) code(mem []byte, what string, ptr, n uint32) string {
	b := c.bytes(mem, what, ptr, n)
	if len(b) == 0 || len(b) > abi.MaxNameBytes {
		c.violate("%s: a code has 1 to %d bytes, not %d", what, abi.MaxNameBytes, len(b))
	}
	for _, x := range b {
		if (x < 'a' || x > 'z') && (x < '0' || x > '9') && x != '_' {
			c.violate("%s: code %q is not of the form [a-z0-9_]+", what, b)
		}
	}
	return string(b)
}

// verdictCode gives the code of a decode for a code of a decoder: one of the list, else what it most resembles.
func verdictCode(code string) errcode.Code {
	switch c := errcode.Code(code); c {
	case errcode.UnknownFormat, errcode.Truncated, errcode.CorruptRecord, errcode.Unsupported,
		errcode.Trap, errcode.OutputLimit, errcode.MemoryLimit, errcode.TableLimit: // these four are what an SDK finds by itself
		return c
	default:
		if strings.HasPrefix(code, string(errcode.Truncated)) {
			return errcode.Truncated
		}
		return errcode.CorruptRecord
	}
}

// output makes log lines of what the guest writes to stdout and stderr.
func (c *call) output(b []byte) {
	for len(b) > 0 && c.logLeft > 0 {
		line, rest, whole := bytes.Cut(b, []byte{'\n'})
		room := max(maxMessage-len(c.partial), 0)
		c.partial = append(c.partial, line[:min(len(line), room)]...)
		if !whole {
			return
		}
		c.flushLine()
		b = rest
	}
}

func (c *call) flushLine() {
	line := strings.ToValidUTF8(string(c.partial), "\uFFFD")
	c.partial = c.partial[:0]
	if line == "" {
		return
	}
	if c.lastWord == "" && (strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ")) {
		c.lastWord = line
	}
	c.line(0, line)
}

// line passes a log line on while the allowance lasts.
func (c *call) line(level int, text string) {
	if c.logLeft <= 0 || c.log == nil {
		return
	}
	if c.logLeft -= int64(len(text)) + wire.LogLine; c.logLeft <= 0 {
		text = "the decoder's log ends here: its allowance is used up"
	}
	c.log(level, text)
}

// parseParams makes the texts that param gives: strings as they are, everything else as JSON.
func parseParams(raw json.RawMessage) (map[string]string, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var vals map[string]json.RawMessage
	if err := json.Unmarshal(raw, &vals); err != nil {
		return nil, fmt.Errorf("parse parameters: %w", err)
	}
	out := make(map[string]string, len(vals))
	for k, v := range vals {
		var s string
		if json.Unmarshal(v, &s) != nil {
			s = string(v)
		}
		out[k] = s
	}
	return out, nil
}

// outcome decides why a call ended: nil where it ended well. err is what the engine reported, ret what the function
// returned, refused whether the memory limit refused a growth.
func (c *call) outcome(err error, ret int32, refused bool) *wire.Verdict {
	exitedBadly := c.exited && c.exitCode != 0
	var v *wire.Verdict
	switch {
	case c.end != nil:
		v = c.end
	case refused && c.failed == nil && (err != nil && !c.exited || exitedBadly || ret != abi.DecodeOK):
		v = &wire.Verdict{Code: errcode.MemoryLimit, Message: "the decoder needs more memory than its limit"}
	case exitedBadly && c.failed == nil:
		v = &wire.Verdict{Code: errcode.Trap, Message: c.dying(fmt.Sprintf("the decoder exited with code %d", c.exitCode))}
	case err != nil && !c.exited:
		v = &wire.Verdict{Code: errcode.Trap, Message: c.dying("the decoder trapped: " + firstLine(err))}
	case ret != abi.DecodeOK || exitedBadly:
		if v = c.failed; v == nil {
			v = c.fatal
		} else if c.fatal != nil { // says where
			v.Offset = c.fatal.Offset
		}
		if v == nil {
			v = &wire.Verdict{Code: errcode.CorruptRecord, Message: fmt.Sprintf("the decoder returned %d without a reason", ret)}
		}
	default:
		return c.fatal
	}
	if v.Offset == nil {
		at := c.in.reached()
		v.Offset = &at
	}
	return v
}

// dying adds what the guest said last.
func (c *call) dying(what string) string {
	if c.lastWord == "" {
		return what
	}
	return what + ": " + c.lastWord
}

func firstLine(err error) string {
	s, _, _ := strings.Cut(err.Error(), "\n")
	return strings.TrimSuffix(strings.TrimPrefix(s, "wasm error: "), " (recovered by wazero)")
}

// why says what ended a call: the host's own reason before the engine's.
func (c *call) why(err error) string {
	if c.end != nil {
		return c.end.Message
	}
	return firstLine(err)
}
