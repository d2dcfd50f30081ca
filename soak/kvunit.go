package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// kvForm is how a unit of commands is sent.
type kvForm int

// Forms.
const (
	kvPlain  kvForm = iota // one command
	kvMulti                // MULTI … EXEC
	kvScript               // within a script
	kvFailed               // within a script that ends in an error: what it did before stays done
)

// kvRunAll is a script that runs the commands it is given.
const kvRunAll = "local out = {} for i, c in ipairs(cjson.decode(ARGV[1])) do out[i] = redis.pcall(unpack(c)) end "

// kvUnit is what happens whole or not at all, and what became of it.
type kvUnit struct {
	steps  []kvStep
	form   kvForm
	skip   int   // answers in front of its own
	at     []int // by step: where its answer is in that of the unit
	answer any
	heard  time.Time // zero = no answer came
}

// put collects a unit to be sent over a connection on which db is selected.
func (u *kvUnit) put(c *kvConn, db *int) {
	u.at = u.at[:0]
	use := func(want int) bool {
		if *db == want {
			return false
		}
		c.put("SELECT", strconv.Itoa(want))
		*db = want
		return true
	}
	switch u.form {
	case kvPlain:
		if use(u.steps[0].db) {
			u.skip = 1
		}
		c.put(u.steps[0].args...)
	case kvMulti:
		c.put("MULTI")
		n := 0
		for _, s := range u.steps {
			if use(s.db) {
				n++
			}
			u.at = append(u.at, n)
			n++
			c.put(s.args...)
		}
		c.put("EXEC")
		u.skip = n + 1
	default:
		var all [][]string
		for _, s := range u.steps {
			all = append(all, []string{"SELECT", strconv.Itoa(s.db)}, s.args)
			u.at = append(u.at, len(all)-1)
		}
		text, _ := json.Marshal(all) // strings always can be
		end := "return out"
		if u.form == kvFailed {
			end = "return redis.call('SET')"
		}
		c.put("EVAL", kvRunAll+end, "0", string(text))
	}
}

// read reads what a unit is answered.
func (u *kvUnit) read(c *kvConn) error {
	for range u.skip {
		v, err := c.read()
		if err != nil {
			return err
		}
		if e, is := v.(kvError); is && !strings.Contains(string(e), "MISCONF") {
			return fmt.Errorf("%s: %w", u, e)
		}
	}
	v, err := c.read()
	if err != nil {
		return err
	}
	u.answer, u.heard = v, time.Now()
	return nil
}

// refused says that nothing of the unit was done, since nothing could be kept.
func (u *kvUnit) refused() bool {
	text := kvText(u.answer)
	return strings.Contains(text, "MISCONF") || strings.HasPrefix(text, "-EXECABORT")
}

// apply does to a model what the unit does to the server. It gives the first answer that is not what it has to be.
func (u *kvUnit) apply(m *kvSpace, found *kvView) (wrong string) {
	if u.heard.IsZero() && found == nil || !u.heard.IsZero() && u.refused() {
		return ""
	}
	list, _ := u.answer.([]any)
	for i, s := range u.steps {
		h := kvHint{heard: !u.heard.IsZero(), found: found}
		switch {
		case u.form == kvPlain:
			h.answer = u.answer
		case u.at[i] < len(list):
			h.answer = list[u.at[i]]
		}
		want := s.apply(m, h)
		if u.form == kvFailed || !h.heard || want == "" {
			continue
		}
		got := kvText(h.answer)
		if _, failed := h.answer.(kvError); failed && strings.HasPrefix(want, "-") {
			continue
		}
		if got != want && wrong == "" {
			wrong = fmt.Sprintf("%.200q was answered %.200q, not %.200q", s.args, got, want)
		}
	}
	if _, failed := u.answer.(kvError); u.form == kvFailed && !u.heard.IsZero() && !failed {
		return fmt.Sprintf("a script that fails was answered %.200q", kvText(u.answer))
	}
	return wrong
}

// String shows a unit in a report.
func (u *kvUnit) String() string {
	var list []string
	for _, s := range u.steps {
		list = append(list, fmt.Sprintf("%d %.100q", s.db, s.args))
	}
	return fmt.Sprintf("%s{%s}", [...]string{"", "MULTI", "script", "failing script"}[u.form], strings.Join(list, "; "))
}
