package kv

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/kv/engine"
)

func newServer(tb testing.TB) *Server {
	tb.Helper()
	s, err := Open(Config{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

// sameRights compares what two selectors allow. First arguments of a command that is allowed say nothing.
func sameRights(a, b *selector) bool {
	for _, s := range []*selector{a, b} {
		maps.DeleteFunc(s.firstArgs, func(cmd *engine.Command, _ []string) bool { return s.commands[cmd] })
	}
	return a.future == b.future && a.allKeys == b.allKeys && a.allChannels == b.allChannels && maps.Equal(a.commands, b.commands) &&
		slices.Equal(a.keys, b.keys) && slices.Equal(a.channels, b.channels) &&
		maps.EqualFunc(a.firstArgs, b.firstArgs, slices.Equal)
}

// TestRulesMakeTheSameAgain describes selectors that random rules have made: the description makes them anew.
func TestRulesMakeTheSameAgain(t *testing.T) {
	s := newServer(t)
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		u := s.newUser("u")
		var said []string
		for range 1 + rng.IntN(12) {
			op := randomRule(s, rng)
			said = append(said, op)
			_ = s.rule(u, op) // what is refused changes nothing
		}
		again := s.newUser("u")
		if err := s.rules(again, strings.Fields(s.acl.describe(u))); err != nil {
			t.Fatalf("%q is described %s: %v", said, s.acl.describe(u), err)
		}
		if u.enabled != again.enabled || u.nopass != again.nopass || !slices.Equal(u.passwords, again.passwords) ||
			!slices.EqualFunc(u.selectors, again.selectors, sameRights) {
			t.Fatalf("%q is described %s, which makes %s", said, s.acl.describe(u), s.acl.describe(again))
		}
	}
}

func randomRule(s *Server, rng *rand.Rand) string {
	sign := []string{"+", "-"}[rng.IntN(2)]
	cmd := s.acl.table[rng.IntN(len(s.acl.table))].cmd.FullName()
	return []string{
		sign + "@" + categories[rng.IntN(len(categories))], sign + "@all", sign + cmd, "+" + cmd + "|arg", "on", "off", "nopass", "resetpass", ">pw", "<pw",
		"~k" + string(rune('a'+rng.IntN(3))), "%R~r*", "%W~r*", "allkeys", "resetkeys", "&c*", "allchannels", "resetchannels", "reset",
		"(" + sign + cmd + " +get ~x)", "clearselectors", "(+@read %R~*)", "nonsense",
	}[rng.IntN(23)]
}

// FuzzRules gives ACL SETUSER anything.
func FuzzRules(f *testing.F) {
	for _, rules := range []string{"on >pw ~* +@all", "%RW~a &* (+get ~b) -@dangerous", "(", ")", "()", "(+get", "%~", "+|", "-@", "#", "+select|0 +client|id|x", "(&a))", "(~a) -@all)", "+select|a\tb", "(~a\u00a0b)", "~a\u00a0b"} {
		f.Add(rules)
	}
	s := newServer(f)
	f.Fuzz(func(t *testing.T, rules string) {
		u := s.newUser("u")
		if s.rules(u, strings.Split(rules, " ")) != nil {
			return
		}
		text := s.acl.describe(u)
		again := s.newUser("u")
		if err := s.rules(again, strings.Split(text, " ")); err != nil || s.acl.describe(again) != text {
			t.Errorf("%q is described %q, which makes %q, %v", rules, text, s.acl.describe(again), err)
		}
	})
}

// TestSpecificationsFindTheKeysOfCommands calls every command with as many arguments as it takes and a few more: where
// the specifications say that its keys are, it must see them itself.
func TestSpecificationsFindTheKeysOfCommands(t *testing.T) {
	s := newServer(t)
	s.eachCommand(func(cmd *engine.Command) {
		specs := s.specs[cmd.FullName()]
		if len(specs) == 0 || slices.ContainsFunc(specs, func(k keySpec) bool { return k.unknown || k.word != "" }) {
			return
		}
		for more := range 4 {
			n := max(cmd.Arity, -cmd.Arity)
			if cmd.Arity < 0 {
				n += more
			}
			args := make([][]byte, n)
			for i := range args {
				args[i] = []byte(fmt.Sprintf("arg%d", i))
			}
			for _, k := range specs {
				if k.counted {
					args[k.index+k.last] = []byte("1")
				}
			}
			said := map[int]bool{}
			for i := range specs {
				for _, at := range specs[i].positions(args) {
					said[at] = true
				}
			}
			seen := map[int]bool{}
			for _, at := range cmd.Positions(args) {
				seen[at] = true
			}
			if !maps.Equal(said, seen) {
				t.Errorf("keys of %q: specified %v, seen %v", args, slices.Sorted(maps.Keys(said)), slices.Sorted(maps.Keys(seen)))
			}
		}
	})
}
