package runtime

import (
	"context"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/internal/table"
)

// A rogue is a decode worker that a guest has taken over: it says and does whatever it can with its socket and its page.
// The test binary is one where the plugin's id says so; the name of the input says what it does. Compile workers are rogues
// by the rest of their plugin's id.
const rogueID = "rogue"

func isRogue(args []string) bool {
	if len(args) < 4 {
		return false
	}
	return args[2] == string(wire.RoleDecode) && args[3] == rogueID || rogueCompilers()[args[3]] != nil
}

// talker is the rogue's side of the socket.
type talker struct {
	*wire.Conn
	page *wire.Page
}

func (t *talker) say(kind wire.Kind, v any, files ...*os.File) { _ = t.Send(kind, v, files...) }

// raw sends a packet as it is.
func (t *talker) raw(b []byte, fds ...int) {
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	_ = unix.Sendmsg(wire.SocketFD, b, oob, nil, unix.MSG_NOSIGNAL)
}

// done ends the decode as a good worker would, but for what change does.
func (t *talker) done(change func(d *wire.Done)) {
	d := wire.Done{}
	change(&d)
	t.say(wire.KindDone, d)
}

// rogueCase is what a rogue does after it was given a decode, and what is to come of it: a code of the verdict, or of the
// error; "" = the decode is done.
type rogueCase struct {
	does func(t *talker)
	code errcode.Code
}

func rogueCases() map[string]rogueCase {
	crash := errcode.WorkerCrashed
	schema := func(name string) *table.Schema {
		return &table.Schema{Name: name, Columns: []table.Column{{Name: "a", Type: table.I8}}}
	}
	off := int64(-7)
	ends := func(change func(d *wire.Done)) func(t *talker) { return func(t *talker) { t.done(change) } }
	verdict := func(v wire.Verdict) func(t *talker) {
		return ends(func(d *wire.Done) { d.Verdict = &v })
	}
	return map[string]rogueCase{
		"dies":      {func(*talker) { os.Exit(7) }, crash},
		"kills":     {func(*talker) { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) }, crash},
		"garbage":   {func(t *talker) { t.raw([]byte("no message")) }, crash},
		"half":      {func(t *talker) { t.raw([]byte{1, byte(wire.KindDone), 0, '{', '"'}) }, crash},
		"spilled":   {func(t *talker) { t.raw([]byte{1, byte(wire.KindDone), 1}) }, crash},
		"toparent":  {func(t *talker) { t.say(wire.KindDecode, wire.Decode{}) }, crash},
		"ready":     {func(t *talker) { t.say(wire.KindReady, wire.Ready{}) }, crash},
		"compiled":  {func(t *talker) { t.say(wire.KindCompiled, wire.Compiled{}) }, crash},
		"opensany":  {func(t *talker) { t.say(wire.KindOpen, wire.Open{Indexes: []int{99}}) }, crash},
		"opensnone": {func(t *talker) { t.say(wire.KindOpen, wire.Open{}) }, crash},
		"openstwo":  {func(t *talker) { t.say(wire.KindOpen, wire.Open{Indexes: []int{0, 0}}) }, crash},
		"opensmore": {func(t *talker) { t.say(wire.KindOpen, wire.Open{Indexes: make([]int, 1<<17)}) }, crash},
		"neverreads": {func(t *talker) {
			for {
				t.say(wire.KindOpen, wire.Open{Indexes: []int{0}})
			}
		}, crash},
		"neverreadschild": {func(t *talker) {
			for i := 0; ; i++ {
				t.say(wire.KindChild, wire.Child{Index: i, Name: "x"})
			}
		}, crash},
		"closessooner": {func(t *talker) { t.say(wire.KindChildEnd, wire.ChildEnd{Index: 0}) }, crash},
		"longname":     {func(t *talker) { t.say(wire.KindChild, wire.Child{Name: strings.Repeat("x", 1<<20)}) }, crash},
		"logs": {func(t *talker) {
			for {
				t.say(wire.KindLog, wire.Log{Level: 1000, Text: strings.Repeat("rogue", 10_000)})
			}
		}, crash},
		"logsmuch":     {func(t *talker) { t.say(wire.KindLog, wire.Log{Text: strings.Repeat("rogue", 2<<20)}) }, crash},
		"declarestwo":  {func(t *talker) { t.say(wire.KindDeclare, wire.Declare{Index: 1, Schema: schema("rows")}) }, crash},
		"declareshost": {func(t *talker) { t.say(wire.KindDeclare, wire.Declare{Index: 1, Schema: schema("issues")}) }, crash},
		"declarespath": {func(t *talker) { t.say(wire.KindDeclare, wire.Declare{Index: 1, Schema: schema("../x")}) }, crash},
		"declaresnil":  {func(t *talker) { t.say(wire.KindDeclare, wire.Declare{Index: 1}) }, crash},
		"declaresfar":  {func(t *talker) { t.say(wire.KindDeclare, wire.Declare{Index: 1 << 40, Schema: schema("x")}) }, crash},
		"declareslong": {func(t *talker) {
			for i := 1; i < 250; i++ {
				s := schema("x" + itoa(i))
				s.Description = strings.Repeat("x", 4<<20)
				t.say(wire.KindDeclare, wire.Declare{Index: i, Schema: s})
			}
		}, crash},
		"silent": {func(*talker) {}, errcode.Stalled},
		"moves": {func(t *talker) {
			for {
				t.page.Read(1 << 62)
				t.page.Accepted(1 << 62)
			}
		}, errcode.Deadline},
		"phase":        {func(t *talker) { t.page.SetPhase(1 << 40) }, errcode.Deadline},
		"steps":        {func(t *talker) { t.page.Accepted(5) }, errcode.Stalled},
		"lessthanno":   {ends(func(d *wire.Done) { d.Tables = []wire.Counts{{Rows: -5}} }), crash},
		"lessbytes":    {ends(func(d *wire.Done) { d.Tables = []wire.Counts{{Rows: 1, Bytes: -5}} }), crash},
		"muchtoomuch":  {ends(func(d *wire.Done) { d.Tables = []wire.Counts{{Rows: 1 << 62}, {Index: -1, Rows: 1 << 62}} }), crash},
		"twicetwice":   {ends(func(d *wire.Done) { d.Tables = []wire.Counts{{Rows: 1}, {Rows: 1}} }), crash},
		"unknowntable": {ends(func(d *wire.Done) { d.Tables = []wire.Counts{{Index: 5, Rows: 1}} }), crash},
		"negativeread": {ends(func(d *wire.Done) { d.Read = -1 }), crash},
		"readsbeyond":  {ends(func(d *wire.Done) { d.Read = 1 << 60 }), crash},
		"lessissues":   {ends(func(d *wire.Done) { d.Warnings = -1 }), crash},
		"owncode":      {verdict(wire.Verdict{Code: "made_up", Message: "x"}), crash},
		"hostscode":    {verdict(wire.Verdict{Code: errcode.Stalled, Message: "x"}), crash},
		"negativeoff":  {verdict(wire.Verdict{Code: errcode.Trap, Message: "x", Offset: &off}), crash},
		"longmessage":  {verdict(wire.Verdict{Code: errcode.Trap, Message: strings.Repeat("rogue", 1<<20)}), errcode.Trap},
		"failscode":    {ends(func(d *wire.Done) { d.Failed = &wire.Verdict{Code: "made_up", Message: "x"} }), errcode.Internal},
		"keepsstderr": {func(t *talker) { // its parent waits until nobody has the other end of this pipe any more
			t.raw([]byte("no message"))
			for range 100 {
				t.raw([]byte{1, byte(wire.KindLog), 0, '{', '}'}, 2)
			}
		}, crash},
		"keepssocket": {func(t *talker) { // which does not end while it is on its way through itself
			t.raw([]byte("no message"))
			for range 100 {
				t.raw([]byte{1, byte(wire.KindLog), 0, '{', '}'}, wire.SocketFD, 2)
			}
		}, crash},
		"manyfiles": {func(t *talker) {
			fds := make([]int, wire.MaxFiles)
			for i := range fds {
				fds[i] = wire.PageFD
			}
			for range 1000 {
				t.raw([]byte{1, byte(wire.KindLog), 0, '{', '}'}, fds...)
			}
			t.done(func(*wire.Done) {})
		}, crash},
	}
}

// rogueCompilers are compile workers that a guest has taken over: the code that they make of it runs in them too.
func rogueCompilers() map[string]func(t *talker) {
	return map[string]func(t *talker){
		"rogue-asksagain": func(t *talker) {
			for range 2 {
				t.say(wire.KindVectors, wire.Vectors{})
				_, _ = t.Recv()
			}
		},
		"rogue-tellsmuch": func(t *talker) {
			for {
				t.say(wire.KindLog, wire.Log{Text: strings.Repeat("rogue", 10_000)})
			}
		},
		"rogue-rejectslong": func(t *talker) { t.say(wire.KindCompiled, wire.Compiled{Rejected: strings.Repeat("rogue", 1<<20)}) },
		"rogue-hasnothing":  func(t *talker) { t.say(wire.KindCompiled, wire.Compiled{}) },
	}
}

// TestRogueCompilers: none of them makes its module a plugin, and what they say stays small.
func TestRogueCompilers(t *testing.T) {
	modules := map[string][]byte{"lines": runtimetest.Lines("lines").Wasm()}
	for name := range rogueCompilers() {
		modules[name] = runtimetest.NewGuest(name, 1, 16).Decode(i32(0)).Wasm()
	}
	r := newRig(t, nil, modules)
	for name := range rogueCompilers() {
		sha := module.Hash(modules[name])
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		_, err := r.reg.compiled(ctx, r.entry(name))
		cancel()
		if err == nil || ctx.Err() == context.DeadlineExceeded || len(err.Error()) > 2*maxReason {
			t.Errorf("%s: %.500v", name, err)
		}
		if p, _ := r.reg.Get(name); p.State == Active || p.SHA256 != sha {
			t.Errorf("%s: %+v", name, p)
		}
	}
	r.stillDecodes("beside rogue compilers")
	if n := len(r.log.take()); n > 1<<20 {
		t.Errorf("the log has %d bytes", n)
	}
}

// rogue is the process.
func rogue(id string) int {
	page, err := wire.MapPage(wire.PageFD)
	if err != nil {
		return 1
	}
	t := &talker{wire.Inherited(wire.SocketFD), page}
	if _, err := t.Recv(); err != nil {
		return 1
	}
	if compiler := rogueCompilers()[id]; compiler != nil {
		compiler(t)
		_, _ = t.Recv() // until it is killed
		return 0
	}
	t.say(wire.KindReady, wire.Ready{})
	for {
		m, err := t.Recv()
		if err != nil {
			return 1
		}
		var job wire.Decode
		if m.Decode(&job) != nil {
			return 1
		}
		page.Begin()
		rogueCases()[job.Name].does(t)
	}
}

// TestRogueWorkers has workers lie, flood, fall silent and hold on to what they have. Every decode ends, in time and by
// name, and the appliance has its place and its descriptors back.
func TestRogueWorkers(t *testing.T) {
	modules := map[string][]byte{
		"lines": runtimetest.Lines("lines").Wasm(), rogueID: runtimetest.NewChildGuest(rogueID).Decode(i32(0)).Wasm(),
	}
	r := newRig(t, func(c *Config) {
		short(c)
		c.Workers, c.Limits.Total = 1, time.Second
		if raceEnabled {
			c.Limits.Stall, c.Limits.Total = 2*time.Second, 4*time.Second
		}
	}, modules)
	r.stillDecodes("before all rogues")
	if err := waitFor(r, module.Hash(modules[rogueID])); err != nil {
		t.Fatal(err)
	}
	cases := rogueCases()
	if raceEnabled { // there is nothing to race in waiting for them, and it takes long
		for _, name := range []string{"moves", "phase", "steps"} {
			delete(cases, name)
		}
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) { r.rogueEnds(t, name, c) })
	}
}

// rogueEnds runs one of them.
func (r *rig) rogueEnds(t *testing.T, name string, c rogueCase) {
	t.Helper()
	before, began := openFiles(t), time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	j := r.request(rogueID, make([]byte, 4096)).family()
	j.Name = name
	ended := make(chan struct{})
	var res Result
	var err error
	go func() {
		defer close(ended)
		res, err = r.pool.Decode(ctx, j.Request)
	}()
	select {
	case <-ended:
	case <-time.After(25 * time.Second):
		t.Fatalf("%s: the decode does not end", name)
	}
	code := errcode.Code("")
	switch {
	case err != nil:
		code = errcode.Of(err)
	case res.Failure != nil:
		code = res.Failure.Code
	}
	if code != c.code || ctx.Err() != nil {
		t.Errorf("%s: %v %+v %+v, want %s", name, err, res, res.Failure, c.code)
	}
	if res.Failure != nil && len(res.Failure.Message) > 64<<10 {
		t.Errorf("%s: a message of %d bytes", name, len(res.Failure.Message))
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("%s: ended after %v", name, took)
	}
	_ = j.Input.Close()
	r.stillDecodes("after " + name)
	if after := openFiles(t); after > before+8 { // the worker of the good file has a socket, a page and a pipe
		t.Errorf("%s: %d descriptors before, %d after", name, before, after)
	}
	if n := len(r.log.take()); n > 1<<20 {
		t.Errorf("%s: the log has %d bytes", name, n)
	}
}
