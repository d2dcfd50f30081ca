package app

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/wayside-edge/wayside/internal/kv"
	"github.com/wayside-edge/wayside/internal/kv/aof"
)

// kvParameters are the log's, of CONFIG GET and CONFIG SET. Clients, who may ask for them, come when the log is open.
func (a *appliance) kvParameters() []kv.Parameter {
	change := func(f func(*aof.Settings)) {
		s := a.kvLog.Settings()
		f(&s)
		a.kvLog.Set(s)
	}
	return []kv.Parameter{
		{Name: "appendfsync", Get: func() string { return a.kvLog.Settings().Policy.String() }, Set: func(v string) error {
			p, ok := aof.ParsePolicy(strings.ToLower(v))
			if !ok {
				return errors.New("argument(s) must be one of the following: " + strings.Join(aof.PolicyNames(), ", "))
			}
			change(func(s *aof.Settings) { s.Policy = p })
			return nil
		}},
		{Name: "auto-aof-rewrite-min-size", Get: func() string { return strconv.FormatInt(a.kvLog.Settings().RewriteSize, 10) }, Set: func(v string) error {
			n, ok := kv.ParseMemory(v)
			if !ok {
				return errors.New("argument must be a memory value")
			}
			change(func(s *aof.Settings) { s.RewriteSize = n })
			return nil
		}},
		{Name: "auto-aof-rewrite-percentage", Get: func() string { return strconv.Itoa(a.kvLog.Settings().RewriteGrowth) }, Set: func(v string) error {
			n, err := strconv.ParseUint(v, 10, 64)
			if err != nil || n > math.MaxInt32 {
				return errors.New("argument must be between 0 and 2147483647 inclusive")
			}
			change(func(s *aof.Settings) { s.RewriteGrowth = int(n) })
			return nil
		}},
	}
}
