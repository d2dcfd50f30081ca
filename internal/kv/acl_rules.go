package kv

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"github.com/wayside-edge/wayside/internal/kv/engine"
)

// ruleError is what is wrong with a word of ACL SETUSER, in the words that clients are told.
type ruleError string

func (e ruleError) Error() string { return string(e) }

// Errors of rules.
const (
	errRuleCommand  ruleError = "Unknown command or category name in ACL"
	errRuleSyntax   ruleError = "Syntax error"
	errRuleKey      ruleError = "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns"
	errRuleChannel  ruleError = "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try 'resetchannels' to start with an empty list of channels"
	errRulePassword ruleError = "The password you are trying to remove from the user does not exist"
	errRuleHash     ruleError = "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
	errRuleFirstArg ruleError = "Allowing first-arg of a subcommand is not supported"
)

func (s *selector) clone() *selector {
	c := *s
	c.commands, c.firstArgs = maps.Clone(s.commands), map[*engine.Command][]string{}
	for cmd, args := range s.firstArgs {
		c.firstArgs[cmd] = slices.Clone(args)
	}
	c.keys, c.channels = slices.Clone(s.keys), slices.Clone(s.channels)
	return &c
}

// newUser makes an account that may do nothing.
func (s *Server) newUser(name string) *user {
	u := &user{name: name}
	s.reset(u)
	return u
}

func (s *Server) reset(u *user) {
	sel := s.acl.selector()
	sel.allChannels = s.set.aclChannels
	*u = user{name: u.name, selectors: []*selector{sel}}
}

// rule changes an account as one word of ACL SETUSER says.
func (s *Server) rule(u *user, op string) error {
	switch strings.ToLower(op) {
	case "":
	case "on":
		u.enabled = true
	case "off":
		u.enabled = false
	case "skip-sanitize-payload", "sanitize-payload":
		u.payloads = strings.ToLower(op)
	case "nopass":
		u.passwords, u.nopass = nil, true
	case "resetpass":
		u.passwords, u.nopass = nil, false
	case "clearselectors":
		u.selectors = u.selectors[:1]
	case "reset":
		s.reset(u)
	default:
		switch {
		case strings.ContainsRune("><#!", rune(op[0])):
			return u.passwordRule(op)
		case op[0] == '(' && op[len(op)-1] == ')':
			return s.selectorRule(u, op[1:len(op)-1])
		}
		return s.acl.selectorRule(u.selectors[0], op)
	}
	return nil
}

// passwordRule adds or removes a password, by itself or by its hash.
func (u *user) passwordRule(op string) error {
	var sum [sha256.Size]byte
	if op[0] == '>' || op[0] == '<' {
		sum = sha256.Sum256([]byte(op[1:]))
	} else {
		raw, err := hex.DecodeString(op[1:])
		if err != nil || len(raw) != len(sum) || strings.ToLower(op) != op {
			return errRuleHash
		}
		copy(sum[:], raw)
	}
	i := slices.Index(u.passwords, sum)
	if op[0] == '>' || op[0] == '#' {
		if i < 0 {
			u.passwords = append(u.passwords, sum)
		}
		u.nopass = false
		return nil
	}
	if i < 0 {
		return errRulePassword
	}
	u.passwords = slices.Delete(u.passwords, i, i+1)
	return nil
}

// selectorRule adds a selector that is written in parentheses. A word in it does not end with one: the account's own
// description, which ACL LIST and the log of effects repeat, would end its selector there and give the rest to the account.
func (s *Server) selectorRule(u *user, rules string) error {
	sel := s.acl.selector()
	sel.allChannels = s.set.aclChannels
	for op := range strings.SplitSeq(rules, " ") {
		if op == "" {
			continue
		}
		if op[len(op)-1] == ')' {
			return errRuleSyntax
		}
		if err := s.acl.selectorRule(sel, op); err != nil {
			return err
		}
	}
	u.selectors = append(u.selectors, sel)
	return nil
}

// selectorRule changes a selector as one word says.
func (a *acl) selectorRule(s *selector, op string) error {
	switch strings.ToLower(op) {
	case "allkeys", "~*":
		s.allKeys, s.keys = true, nil
		return nil
	case "resetkeys":
		s.allKeys, s.keys = false, nil
		return nil
	case "allchannels", "&*":
		s.allChannels, s.channels = true, nil
		return nil
	case "resetchannels":
		s.allChannels, s.channels = false, nil
		return nil
	case "allcommands":
		a.allow(s, true)
		return nil
	case "nocommands":
		a.allow(s, false)
		return nil
	}
	switch {
	case op[0] == '~' || op[0] == '%':
		return s.keyRule(op)
	case op[0] == '&':
		return s.channelRule(op[1:])
	case strings.HasPrefix(op, "+@") || strings.HasPrefix(op, "-@"):
		if !a.setCategory(s, op[2:], op[0] == '+') {
			return errRuleCommand
		}
		return nil
	case op[0] == '+' || op[0] == '-':
		return a.commandRule(s, op[1:], op[0] == '+')
	}
	return errRuleSyntax
}

// keyRule adds keys: ~pattern, or %R~pattern and %W~pattern for those that may be read or written only.
func (s *selector) keyRule(op string) error {
	if s.allKeys {
		return errRuleKey
	}
	p := keyPattern{read: true, write: true, pattern: op[1:]}
	if op[0] == '%' {
		rights, pattern, ok := strings.Cut(op[1:], "~")
		p = keyPattern{pattern: pattern}
		for _, r := range strings.ToUpper(rights) {
			switch {
			case r == 'R' && !p.read:
				p.read = true
			case r == 'W' && !p.write:
				p.write = true
			default:
				return errRuleSyntax
			}
		}
		if !ok {
			return errRuleSyntax
		}
	}
	if hasSpaces(p.pattern) {
		return errRuleSyntax
	}
	if i := slices.IndexFunc(s.keys, func(k keyPattern) bool { return k.pattern == p.pattern }); i >= 0 {
		s.keys[i].read, s.keys[i].write = s.keys[i].read || p.read, s.keys[i].write || p.write
		return nil
	}
	s.keys = append(s.keys, p)
	return nil
}

func hasSpaces(s string) bool { return strings.ContainsAny(s, " \t\n\v\f\r\x00") }

func (s *selector) channelRule(pattern string) error {
	switch {
	case s.allChannels:
		return errRuleChannel
	case hasSpaces(pattern):
		return errRuleSyntax
	case !slices.Contains(s.channels, pattern):
		s.channels = append(s.channels, pattern)
	}
	return nil
}

// commandRule adds or removes a command, a subcommand, or a command with one first argument.
func (a *acl) commandRule(s *selector, name string, on bool) error {
	if cmd := a.lookup(name); cmd != nil {
		s.set(cmd, on)
		return nil
	}
	i := strings.LastIndexByte(name, '|')
	if !on || i < 0 {
		return errRuleCommand
	}
	cmd, arg := a.lookup(name[:i]), name[i+1:]
	switch {
	case cmd == nil:
		return errRuleCommand
	case strings.Contains(cmd.FullName(), "|"):
		return errRuleFirstArg
	case arg == "" || hasSpaces(arg):
		return errRuleSyntax
	case len(cmd.Subcommands()) > 0:
		return errRuleCommand
	}
	if arg = strings.ToLower(arg); !slices.Contains(s.firstArgs[cmd], arg) {
		s.firstArgs[cmd] = append(s.firstArgs[cmd], arg)
	}
	return nil
}

// rules changes an account as all the words say, or not at all.
func (s *Server) rules(u *user, ops []string) error {
	ops, err := joinSelectors(ops)
	if err != nil {
		return err
	}
	for _, op := range ops {
		if err := s.rule(u, op); err != nil {
			return ruleError("Error in ACL SETUSER modifier '" + op + "': " + err.Error())
		}
	}
	return nil
}

// joinSelectors puts words together that stand between parentheses.
func joinSelectors(ops []string) ([]string, error) {
	var out []string
	open := ""
	for _, op := range ops {
		switch {
		case open != "":
			open += " " + op
		case strings.HasPrefix(op, "("):
			open = op
		default:
			out = append(out, op)
			continue
		}
		if strings.HasSuffix(op, ")") {
			out = append(out, open)
			open = ""
		}
	}
	if open != "" {
		first, _, _ := strings.Cut(open, " ")
		return nil, ruleError("Unmatched parenthesis in acl selector starting at '" + first + "'.")
	}
	return out, nil
}
