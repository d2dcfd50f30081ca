package runtime

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

type childGuest = runtimetest.ChildGuest

// familyCase is a guest that makes sub-files and what is to come of them.
type familyCase struct {
	code   func(g *childGuest) [][]byte // of wayside_decode, which returns 0 after it
	refuse string
	status Status
	end    errcode.Code
	whole  string // name=content of each, in their order
	issues string // codes
}

func familyCases() map[string]familyCase {
	forever := runtimetest.Loop(runtimetest.Br(0))
	trap := runtimetest.Op(runtimetest.Unreachable)
	one := func(codes ...[]byte) [][]byte { return codes }
	return map[string]familyCase{
		"whole": {func(g *childGuest) [][]byte {
			return one(g.Whole("a.toy", "first"), g.Rows(1), g.Whole("dir/b.toy", ""), g.Whole("a.toy", "third"))
		}, "", Done, "", "a.toy=first b.toy= a.toy=third", ""},
		"left open, good end": {func(g *childGuest) [][]byte {
			return one(g.Begin("open"), g.Write("all"), g.Write(" of it"))
		}, "", Done, "", "open=all of it", ""},
		"left open, trap": {func(g *childGuest) [][]byte {
			return one(g.Whole("kept", "k"), g.Begin("half"), g.Write("h"), trap)
		}, "", Partial, errcode.Trap, "kept=k", "child_dropped"},
		"left open, fatal issue": {func(g *childGuest) [][]byte {
			return one(g.Begin("half"), g.Write("h"), i32(3), runtimetest.Const64(9), g.Text("truncated"), g.Text("cut"), runtimetest.Call(g.Issue))
		}, "", Failed, errcode.Truncated, "", "truncated child_dropped"},
		"stall after children": {func(g *childGuest) [][]byte {
			return one(g.Whole("a", "1"), g.Rows(2), g.Whole("b", "2"), g.Begin("c"), g.Write("3"), forever)
		}, "", Partial, errcode.Stalled, "a=1 b=2", ""}, // the second run ends with b
		"stall with children alone": {func(g *childGuest) [][]byte {
			return one(g.Whole("a", "1"), g.Whole("b", "2"), forever)
		}, "", Partial, errcode.Stalled, "a=1 b=2", ""},
		"refused for depth": {func(g *childGuest) [][]byte {
			return one(g.Rows(1), g.Begin("a"), g.Begin("b"))
		}, ChildDepth, Done, "", "", "child_depth"},
		"too many": {func(g *childGuest) [][]byte {
			return one(g.Whole("a", "1"), g.Whole("b", "2"), g.Whole("c", "3"), g.Begin("d"), g.Begin("e"))
		}, "", Done, "", "a=1 b=2 c=3", "child_limit"},
		"too large": {func(g *childGuest) [][]byte {
			return one(g.Begin("big"), g.WriteMemory(0, 0x8000), g.WriteMemory(0, 0x8000), g.WriteMemory(0, 1), g.Close(), g.Whole("small", "s"))
		}, "", Done, "", "small=s", "child_size"},
		"bomb": {func(g *childGuest) [][]byte {
			return one(g.Begin("big"), runtimetest.Loop(g.WriteMemory(0, 0x8000), runtimetest.Br(0)))
		}, "", Failed, errcode.Stalled, "", ""},
		"no name": {func(g *childGuest) [][]byte {
			return one(i32(0), i32(0), runtimetest.Call(g.Child), runtimetest.Set(1))
		}, "", Failed, errcode.ABIViolation, "", ""},
		"long name": {func(g *childGuest) [][]byte {
			return one(i32(0), i32(256), runtimetest.Call(g.Child), runtimetest.Set(1))
		}, "", Failed, errcode.ABIViolation, "", ""},
		"lying name": {func(g *childGuest) [][]byte {
			return one(i32(-1), i32(200), runtimetest.Call(g.Child), runtimetest.Set(1))
		}, "", Failed, errcode.ABIViolation, "", ""},
		"lying bytes":     {func(g *childGuest) [][]byte { return one(g.Begin("a"), g.WriteMemory(-1, 200)) }, "", Failed, errcode.ABIViolation, "", "child_dropped"},
		"unknown handle":  {func(g *childGuest) [][]byte { return one(i32(7), runtimetest.Set(1), g.Write("x")) }, "", Failed, errcode.ABIViolation, "", ""},
		"negative handle": {func(g *childGuest) [][]byte { return one(i32(-1), runtimetest.Set(1), g.Close()) }, "", Failed, errcode.ABIViolation, "", ""},
		"closed twice":    {func(g *childGuest) [][]byte { return one(g.Whole("a", "1"), g.Close()) }, "", Partial, errcode.ABIViolation, "a=1", ""},
		"after the end":   {func(g *childGuest) [][]byte { return one(g.Whole("a", "1"), g.Write("2")) }, "", Partial, errcode.ABIViolation, "a=1", ""},
	}
}

// smallFamily are limits of sub-files that a test can reach.
func smallFamily(c *Config) {
	short(c)
	c.Limits.Children, c.Limits.ChildBytes = 3, 0x10000
}

// family makes a request keep sub-files in the folder of its tables.
func (j *job) family() *job {
	j.CreateChild = func(i int) (*os.File, error) {
		return os.OpenFile(filepath.Join(j.dir, fmt.Sprint("child-", i)), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	}
	return j
}

// members gives the sub-files of a result, name=content.
func (j *job) members(t *testing.T, res Result) string {
	t.Helper()
	var out []string
	for _, c := range res.Children {
		b, err := os.ReadFile(filepath.Join(j.dir, fmt.Sprint("child-", c.Index)))
		if err != nil || int64(len(b)) != c.Size {
			t.Errorf("sub-file %+v: %d bytes, %v", c, len(b), err)
		}
		out = append(out, c.Name+"="+string(b))
	}
	return strings.Join(out, " ")
}

// codes gives the codes of the issues, in their order.
func (j *job) codes() string {
	var out []string
	for line := range strings.Lines(j.file("issues")) {
		_, rest, _ := strings.Cut(line, `"code":"`)
		code, _, _ := strings.Cut(rest, `"`)
		out = append(out, code)
	}
	return strings.Join(out, " ")
}

func TestSubFiles(t *testing.T) {
	cases := familyCases()
	modules := map[string][]byte{}
	ids := map[string]string{}
	for name, tc := range cases {
		ids[name] = fmt.Sprintf("child%d", len(ids))
		g := runtimetest.NewChildGuest(ids[name])
		g.Decode(append(tc.code(g), i32(0))...)
		modules[ids[name]] = g.Wasm()
	}
	r := newRig(t, smallFamily, modules)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			j := r.request(ids[name], []byte("input")).family()
			j.RefuseChildren = tc.refuse
			res := r.decode(j)
			code := errcode.Code("")
			if res.Failure != nil {
				code = res.Failure.Code
			}
			if res.Status != tc.status || code != tc.end {
				t.Errorf("%s %+v, want %s %s", res.Status, res.Failure, tc.status, tc.end)
			}
			if got := j.members(t, res); got != tc.whole {
				t.Errorf("sub-files %q, want %q", got, tc.whole)
			}
			if st, err := os.Stat(filepath.Join(j.dir, "child-0")); name == "too large" && (err != nil || st.Size() != 0) {
				t.Errorf("what was left out still takes %v bytes: %v", st.Size(), err)
			}
			if got := j.codes(); name != "bomb" && got != tc.issues {
				t.Errorf("issues %q, want %q", got, tc.issues)
			}
		})
	}
}

func TestSubFilesOpenAtATime(t *testing.T) {
	g := runtimetest.NewChildGuest("opens")
	g.Decode(runtimetest.Loop(g.Begin("x"), runtimetest.Br(0)), i32(0))
	r := newRig(t, short, map[string][]byte{"opens": g.Wasm()})
	j := r.request("opens", []byte("input")).family()
	begun, create := 0, j.CreateChild
	j.CreateChild = func(i int) (*os.File, error) { begun++; return create(i) }
	if res := r.decode(j); res.Status != Failed || res.Failure.Code != errcode.ABIViolation || begun != abi.MaxOpenChildren {
		t.Errorf("%s %+v after %d sub-files", res.Status, res.Failure, begun)
	}
}

// TestSubFilesAreOutput: the bytes of sub-files count towards the limit of output, whatever their own limit.
func TestSubFilesAreOutput(t *testing.T) {
	g := runtimetest.NewChildGuest("many")
	g.Decode(g.Whole("first", "f"), g.Begin("big"), runtimetest.Loop(g.WriteMemory(0, 0x8000), runtimetest.Br(0)), i32(0))
	r := newRig(t, short, map[string][]byte{"many": g.Wasm()})
	j := r.request("many", []byte("input")).family()
	res := r.decode(j)
	if res.Status != Partial || res.Failure.Code != errcode.OutputLimit || j.members(t, res) != "first=f" {
		t.Errorf("%s %+v %+v", res.Status, res.Failure, res.Children)
	}
}

// TestSubFilesWithoutTheCapability: nobody is asked for a file, and nothing is noted: the manifest said so.
func TestSubFilesWithoutTheCapability(t *testing.T) {
	g := runtimetest.NewChildGuest("none")
	g.Change(func(m *abi.Manifest) { m.Capabilities = nil })
	refused := []byte{0x04, 0x40} // unless refused, trap
	check := join(runtimetest.Const(int(abi.Refused)), runtimetest.Op(runtimetest.Eq, runtimetest.Eqz), refused, runtimetest.Op(runtimetest.Unreachable, 0x0b))
	g.Decode(
		g.Text("a"), runtimetest.Call(g.Child), check,
		i32(0), g.Text("x"), runtimetest.Call(g.ChildWrite), check,
		i32(0), runtimetest.Call(g.ChildClose), g.Rows(1), i32(0))
	r := newRig(t, short, map[string][]byte{"none": g.Wasm()})
	j := r.request("none", []byte("input"))
	j.CreateChild = func(int) (*os.File, error) { t.Error("a file was asked for"); return nil, os.ErrInvalid }
	if res := r.decode(j); res.Status != Done || res.Rows != 1 || res.Issues != (IssueCounts{}) {
		t.Errorf("%+v %+v", res, res.Failure)
	}
}

func TestSubFilesOfARequestWithoutThem(t *testing.T) {
	g := runtimetest.NewChildGuest("makes")
	g.Decode(g.Begin("a"), g.Rows(1), i32(0))
	r := newRig(t, nil, map[string][]byte{"makes": g.Wasm()})
	j := r.request("makes", []byte("input"))
	if res := r.decode(j); res.Status != Done || res.Issues.Warnings != 1 || j.codes() != ChildLimit {
		t.Errorf("%+v %s", res, j.codes())
	}
}

func TestSubFilesOnAFullDisk(t *testing.T) {
	g := runtimetest.NewChildGuest("makes")
	g.Decode(g.Begin("a"), g.WriteMemory(0, 0xffff), g.Close(), g.Rows(1), i32(0))
	r := newRig(t, nil, map[string][]byte{"makes": g.Wasm()})
	j := r.request("makes", []byte("input"))
	for name, create := range map[string]func(int) (*os.File, error){
		"writing": func(int) (*os.File, error) { return os.OpenFile("/dev/full", os.O_WRONLY, 0) },
		"making":  func(int) (*os.File, error) { return nil, &os.PathError{Op: "open", Err: syscall.ENOSPC} },
	} {
		j.CreateChild = create
		if _, err := r.pool.Decode(t.Context(), j.Request); !errcode.Is(err, errcode.DiskFull) {
			t.Errorf("%s: %v", name, err)
		}
	}
	j.family()
	if res := r.decode(j); res.Status != Done || len(res.Children) != 1 {
		t.Errorf("afterwards: %+v", res)
	}
}

// TestHostileWorkersTalkOfSubFiles: what a worker says is checked, whatever it is.
func TestHostileWorkersTalkOfSubFiles(t *testing.T) {
	limits := Limits{Children: 2}
	begin := func() *attempt {
		return &attempt{limits: &limits, req: &Request{CreateChild: func(int) (*os.File, error) { return os.Open(os.DevNull) }}}
	}
	sock, peer := socketPair(t)
	w := &proc{sock: sock}
	say := func(a *attempt, kind wire.Kind, body string) error {
		t.Helper()
		err := a.child(w, &wire.Message{Kind: kind, Body: []byte(body)})
		if err == nil && kind == wire.KindChild {
			m, err := peer.Recv()
			if err != nil {
				t.Fatal(err)
			}
			m.Close()
		}
		return err
	}
	for name, tc := range map[string]struct {
		kind wire.Kind
		body string
	}{
		"index ahead":    {wire.KindChild, `{"index":2,"name":"a"}`},
		"index again":    {wire.KindChild, `{"index":0,"name":"a"}`},
		"negative":       {wire.KindChild, `{"index":-1,"name":"a"}`},
		"end of none":    {wire.KindChildEnd, `{"index":1}`},
		"negative end":   {wire.KindChildEnd, `{"index":-1}`},
		"negative size":  {wire.KindChildEnd, `{"index":0,"size":-5}`},
		"not a document": {wire.KindChild, `{`},
		"no end":         {wire.KindChildEnd, `{`},
	} {
		a := begin()
		if err := say(a, wire.KindChild, `{"index":0,"name":"a"}`); err != nil {
			t.Fatal(err)
		}
		if err := say(a, tc.kind, tc.body); !errors.Is(err, wire.ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
	}
	a := begin()
	for i := range 3 {
		if err := say(a, wire.KindChild, fmt.Sprintf(`{"index":%d,"name":"a"}`, i)); (err == nil) != (i < 2) {
			t.Errorf("sub-file %d of 2: %v", i, err)
		}
	}
	if err := errors.Join(say(a, wire.KindChildEnd, `{"index":1}`), say(a, wire.KindChildEnd, `{"index":1}`)); !errors.Is(err, wire.ErrProtocol) {
		t.Errorf("ended twice: %v", err)
	}
	a.req.RefuseChildren = ChildDepth
	a.children = children{}
	if err := say(a, wire.KindChild, `{"index":0,"name":"a"}`); !errors.Is(err, wire.ErrProtocol) {
		t.Errorf("refused: %v", err)
	}
}

func TestChildName(t *testing.T) {
	for in, want := range map[string]string{
		"a.ru": "a.ru", "x/y\\z.ru": "z.ru", "../../etc/passwd": "passwd", "..": "unnamed", "a/..": "unnamed", "": "unnamed",
		"  ": "unnamed", "a\x00b\x1b[2Jc": "ab[2Jc", "\u202egnp.exe": "gnp.exe", "\xff": "\uFFFD", "C:\\a\\": "unnamed",
		strings.Repeat("ä", 200): strings.Repeat("ä", 127),
	} {
		if got := ChildName(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

func FuzzChildName(f *testing.F) {
	f.Add("a/b")
	f.Add(strings.Repeat("\xff ", 300))
	f.Fuzz(func(t *testing.T, s string) {
		n := ChildName(s)
		if n == "" || n == "." || n == ".." || len(n) > abi.MaxChildName || strings.ContainsAny(n, "/\\\x00\n") || !utf8.ValidString(n) || ChildName(n) != n {
			t.Errorf("%q becomes %q", s, n)
		}
	})
}

// socketPair gives both ends of a worker's socket.
func socketPair(t *testing.T) (parent, child *wire.Conn) {
	t.Helper()
	parent, f, err := wire.Pair()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	child = wire.Inherited(fd)
	t.Cleanup(func() { _, _ = parent.Close(), child.Close() })
	return parent, child
}
