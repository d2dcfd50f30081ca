package runtime

import (
	"context"
	"io/fs"
	"log/slog"
	goruntime "runtime"
	"time"
)

// Config says where plugins are and how workers run. The zero value of a field is its default.
type Config struct {
	Self        string        // program executed as `<self> worker`, default /proc/self/exe
	Builtin     fs.FS         // *.wasm inside the binary; nil = none
	Dirs        []Dir         // folders of dropped plugins, later ones win over earlier ones of the same version
	CompiledDir string        // compiled plugins, made with mode 0700
	Workers     int           // decode workers at a time, default min(cores, 4)
	Idle        time.Duration // after which an idle worker ends, but for the last one; default 60 s
	Recycle     int           // files after which a worker is replaced, default 1,000
	MaxRSS      int64         // resident bytes after a file beyond which a worker is replaced, default 224 MiB
	Limits      Limits
	Rules                     // they can change later: Registry.SetRules
	Watch       bool          // follow what happens in Dirs while the registry runs
	Debounce    time.Duration // how long a file must not have changed before it is read, default 500 ms; a tenth of it once its writer is done
	InstallDir  string        // the one of Dirs that Install writes into, "" = none
	States      States        // nil = nothing is kept for the next start
	Interpreter bool          // decode workers interpret instead of running compiled code: slow, for tests of decoders on both engines
	Sandbox     Sandbox
	Logger      *slog.Logger // nil = discard
	Recorder    Recorder     // nil = none

	plainInit bool                     // tests: do not store modules initialised
	notify    func() (notifier, error) // default newInotify
	room      func() bool              // whether there is memory for two compile workers, default roomForTwo
}

// Dir is a folder of dropped plugins.
type Dir struct {
	Path   string
	Source Source
}

// Sandbox says what of a worker's confinement is left out; the zero value leaves out nothing.
type Sandbox struct {
	Off         bool // neither Landlock nor seccomp
	NoDataLimit bool // no RLIMIT_DATA: a race detector needs more address space than any sensible limit
}

// Recorder takes what happens in the runtime, for metrics. Its methods are called from many goroutines and must not
// block.
type Recorder interface {
	// DecodeEnded tells of a verdict, with the context of the decode.
	DecodeEnded(ctx context.Context, plugin string, r *Result)
	WorkerStarted(plugin, role string)
	WorkerEnded(plugin, reason string)
	PluginChanged(p Plugin)
}

// noRecorder is the Recorder of a Config without one.
type noRecorder struct{}

func (noRecorder) DecodeEnded(context.Context, string, *Result) {}
func (noRecorder) WorkerStarted(string, string)                 {}
func (noRecorder) WorkerEnded(string, string)                   {}
func (noRecorder) PluginChanged(Plugin)                         {}

func withDefaults(c Config) Config {
	if c.Self == "" {
		c.Self = "/proc/self/exe"
	}
	if c.Workers <= 0 {
		c.Workers = min(goruntime.GOMAXPROCS(0), 4)
	}
	if c.Idle <= 0 {
		c.Idle = 60 * time.Second
	}
	if c.Debounce <= 0 {
		c.Debounce = 500 * time.Millisecond
	}
	if c.Recycle <= 0 {
		c.Recycle = 1000
	}
	if c.MaxRSS <= 0 {
		c.MaxRSS = 224 << 20
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Recorder == nil {
		c.Recorder = noRecorder{}
	}
	c.Limits = c.Limits.withDefaults()
	if c.notify == nil {
		c.notify = newInotify
	}
	if c.room == nil {
		c.room = func() bool { return roomForTwo(c.Limits.CompileMiB) }
	}
	return c
}
