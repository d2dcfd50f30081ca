package engine

import (
	"iter"
	"maps"
	"slices"
	"strings"
)

// Flags say what a command does, as COMMAND INFO lists it.
type Flags uint32

// Flags of commands.
const (
	Write           Flags = 1 << iota // may change the keyspace
	ReadOnly                          // looks at keys only
	DenyOOM                           // may need memory: refused where there is none
	Admin                             // of the server, not of data
	PubSub                            // about messages
	NoScript                          // not from a script
	Blocking                          // may wait
	Loading                           // allowed while the log is read
	Stale                             // for Redis's own replicas; listed by COMMAND
	SkipMonitor                       // not shown by MONITOR
	SkipSlowLog                       // not in the slow log
	NoAuth                            // allowed before AUTH
	Fast                              // O(1) or O(log n)
	MayReplicate                      // has effects that are no writes: PUBLISH
	NoMulti                           // not within a transaction
	AllowBusy                         // allowed while a script runs too long
	Random                            // answers differ between calls
	MovableKeys                       // where keys lie is told by Find only
	NoMandatoryKeys                   // may be called without a key
)

// Category is one of ACL's, without the @.
type Category string

// Keys says where the keys of a command are: first and last argument and the step between them; a last below zero counts
// from the end. Zero is a command without keys.
type Keys struct{ First, Last, Step int }

// Command is a row of the command table. The table drives dispatch, arity, permissions, COMMAND and the documentation.
type Command struct {
	Name       string // lower case; of a subcommand its own word
	Arity      int    // arguments with the name; below zero: at least so many
	Flags      Flags
	Keys       Keys
	Find       func(args [][]byte) []int // positions of keys where Keys cannot say; nil = Keys
	Reads      func(args [][]byte) bool  // whether a call changes nothing although the flags let it; nil = never
	Categories []Category                // beside those that the flags imply
	Group      string                    // chapter of the documentation: string, list, …
	Since      string                    // version of Redis that had it first
	Complexity string
	Summary    string
	Run        func(c *Ctx) // nil of a command that has subcommands only
	Sub        []*Command

	sub    map[string]*Command
	parent *Command
	stats  CommandStats
	times  *Histogram
}

// CommandStats are counts since the start or CONFIG RESETSTAT.
type CommandStats struct {
	Calls, Rejected, Failed int64
	Nanos                   int64
}

// Stats gives the counts so far.
func (c *Command) Stats() CommandStats { return c.stats }

// ResetStats begins the counts anew.
func (c *Command) ResetStats() { c.stats, c.times = CommandStats{}, nil }

// writes says whether a call may change something.
func (c *Command) writes(args [][]byte) bool {
	return c.Flags&(Write|MayReplicate) != 0 && (c.Reads == nil || !c.Reads(args))
}

// FullName is the name with that of the command it belongs to: "client|list".
func (c *Command) FullName() string {
	if c.parent != nil {
		return c.parent.Name + "|" + c.Name
	}
	return c.Name
}

// Subcommands are those of a command, by name.
func (c *Command) Subcommands() []*Command { return c.Sub }

// Positions gives where the keys of a call are. The call has the right number of arguments.
func (c *Command) Positions(args [][]byte) []int {
	if c.Find != nil {
		return c.Find(args)
	}
	if c.Keys.First == 0 {
		return nil
	}
	last := c.Keys.Last
	if last < 0 {
		last += len(args)
	}
	var at []int
	for i := c.Keys.First; i <= last && i < len(args); i += c.Keys.Step {
		at = append(at, i)
	}
	return at
}

// table finds commands by name.
type table map[string]*Command

// newTable puts commands together. Subcommands of one name may come from several packages: MEMORY USAGE is about a value,
// MEMORY STATS about the process. Any other name that is there twice is a mistake of the program.
func newTable(lists ...[]*Command) table {
	t := table{}
	for _, list := range lists {
		for _, c := range list {
			if t[c.Name] == nil {
				t[c.Name] = c
				c.sub = make(map[string]*Command, len(c.Sub))
				c.adopt(c.Sub)
				continue
			}
			if len(c.Sub) == 0 || len(t[c.Name].Sub) == 0 {
				panic("engine: two commands are called " + c.Name)
			}
			t[c.Name].adopt(c.Sub)
		}
	}
	for _, c := range t {
		c.Sub = slices.SortedFunc(maps.Values(c.sub), func(a, b *Command) int { return strings.Compare(a.Name, b.Name) })
	}
	return t
}

// adopt gives a command subcommands. The last one of a name stays: who knows more than the engine says it better.
func (c *Command) adopt(list []*Command) {
	for _, s := range list {
		s.parent = c
		c.sub[s.Name] = s
	}
}

// longestName is more than that of any command.
const longestName = 32

// find looks up what a client named; nil if there is none. A subcommand that is not there gives its parent and false.
func (t table) find(args [][]byte) (cmd *Command, ok bool) {
	cmd = t.byName(args[0])
	if cmd == nil || len(cmd.sub) == 0 || len(args) == 1 {
		return cmd, cmd != nil
	}
	var low [longestName]byte
	if len(args[1]) <= longestName {
		if s := cmd.sub[string(lower(low[:0], args[1]))]; s != nil {
			return s, true
		}
	}
	return cmd, cmd.Run != nil
}

func (t table) byName(name []byte) *Command {
	if len(name) > longestName {
		return nil
	}
	var low [longestName]byte
	return t[string(lower(low[:0], name))]
}

func lower(to, b []byte) []byte {
	for _, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		to = append(to, c)
	}
	return to
}

// all gives the commands by name.
func (t table) all() iter.Seq[*Command] {
	return func(yield func(*Command) bool) {
		for _, name := range slices.Sorted(maps.Keys(t)) {
			if !yield(t[name]) {
				return
			}
		}
	}
}

// quoteArgs is how an error repeats what a client sent: the first arguments, each cut.
func quoteArgs(args [][]byte) string {
	const most = 128
	var b strings.Builder
	for _, a := range args {
		if b.Len() >= most {
			break
		}
		b.WriteByte('\'')
		b.Write(a[:min(len(a), most-min(b.Len(), most))])
		b.WriteString("' ")
	}
	return b.String()
}
