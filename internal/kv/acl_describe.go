package kv

import (
	"encoding/hex"
	"slices"
	"strings"

	"github.com/wayside-edge/wayside/internal/kv/engine"
)

// categories are all there are, in the order that COMMAND lists them.
var categories = [...]string{
	"keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap", "hyperloglog", "geo", "stream", "pubsub", "admin",
	"fast", "slow", "blocking", "dangerous", "connection", "transaction", "scripting",
}

// categoriesOf are a command's, with those that its flags imply.
func categoriesOf(cmd *engine.Command) []string {
	has := map[string]bool{}
	for _, c := range cmd.Categories {
		has[string(c)] = true
	}
	f := cmd.Flags
	has["write"] = has["write"] || f&engine.Write != 0
	has["read"] = has["read"] || f&engine.ReadOnly != 0 && !has["scripting"]
	has["admin"] = has["admin"] || f&engine.Admin != 0
	has["dangerous"] = has["dangerous"] || f&engine.Admin != 0
	has["pubsub"] = has["pubsub"] || f&engine.PubSub != 0
	has["blocking"] = has["blocking"] || f&engine.Blocking != 0
	has["fast"] = f&engine.Fast != 0
	has["slow"] = !has["fast"]
	var list []string
	for _, c := range categories {
		if has[c] {
			list = append(list, c)
		}
	}
	return list
}

// flags are the words of an account that are no rights.
func (u *user) flags() []string {
	list := []string{"off"}
	if u.enabled {
		list[0] = "on"
	}
	if u.nopass {
		list = append(list, "nopass")
	}
	if u.payloads != "" {
		list = append(list, u.payloads)
	}
	return list
}

// describe gives the rules that make the account anew.
func (a *acl) describe(u *user) string {
	words := u.flags()
	for _, p := range u.passwords {
		words = append(words, "#"+hex.EncodeToString(p[:]))
	}
	for i, s := range u.selectors {
		text := a.describeSelector(s)
		if i > 0 {
			text = "(" + text + ")"
		}
		words = append(words, text)
	}
	return strings.Join(words, " ")
}

func (a *acl) describeSelector(s *selector) string {
	var words []string
	if keys := s.keyRules(); keys != "" {
		words = append(words, keys)
	}
	if s.allChannels {
		words = append(words, "&*")
	} else {
		words = append(words, "resetchannels")
		if channels := s.channelRules(); channels != "" {
			words = append(words, channels)
		}
	}
	return strings.Join(append(words, a.commandRules(s)), " ")
}

func (s *selector) keyRules() string {
	if s.allKeys {
		return "~*"
	}
	var words []string
	for _, k := range s.keys {
		switch {
		case k.read && k.write:
			words = append(words, "~"+k.pattern)
		case k.read:
			words = append(words, "%R~"+k.pattern)
		case k.write:
			words = append(words, "%W~"+k.pattern)
		default:
			words = append(words, "%~"+k.pattern)
		}
	}
	return strings.Join(words, " ")
}

func (s *selector) channelRules() string {
	if s.allChannels {
		return "&*"
	}
	words := slices.Clone(s.channels)
	for i := range words {
		words[i] = "&" + words[i]
	}
	return strings.Join(words, " ")
}

// commandRules gives rules that amount to the commands a selector has: categories as long as one fits better than not,
// then single commands for what differs.
func (a *acl) commandRules(s *selector) string {
	words := []string{"-@all"}
	sign, other := "+@", false
	if s.future {
		words[0], sign, other = "+@all", "-@", true
	}
	so := a.selector() // what the words so far amount to
	a.allow(so, s.future)
	rest := s.clone() // what they have not said yet
	used := map[string]bool{}
	for {
		best := a.bestCategory(rest, used, !s.future)
		if best == "" {
			break
		}
		used[best] = true
		words = append(words, sign+best)
		a.setCategory(so, best, !other)
		a.setCategory(rest, best, other)
	}
	for _, c := range a.table {
		if has := s.commands[c.cmd]; has != so.commands[c.cmd] {
			so.set(c.cmd, has)
			words = append(words, map[bool]string{true: "+", false: "-"}[has]+c.cmd.FullName())
		}
		if !s.commands[c.cmd] {
			for _, arg := range s.firstArgs[c.cmd] {
				words = append(words, "+"+c.cmd.FullName()+"|"+arg)
			}
		}
	}
	return strings.Join(words, " ")
}

// bestCategory is the one with the fewest commands that would be wrong, if more are right than wrong.
func (a *acl) bestCategory(rest *selector, used map[string]bool, adding bool) (best string) {
	fewest, most := len(a.table)+1, 0
	for _, name := range categories {
		if used[name] {
			continue
		}
		on, off := 0, 0
		for _, c := range a.table {
			if slices.Contains(c.categories, name) {
				if rest.commands[c.cmd] {
					on++
				} else {
					off++
				}
			}
		}
		same, diff := on, off
		if !adding {
			same, diff = off, on
		}
		if same > diff && (diff < fewest || diff == fewest && same > most) {
			best, fewest, most = name, diff, same
		}
	}
	return best
}
