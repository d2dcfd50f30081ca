package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// packet is a layout in text form.
type packet struct {
	major int // of the system version, 2 also for 1.x unless there is one of its own
	nid   int
	title string
	text  string
}

var packetLine = regexp.MustCompile(`^(\d+) (\S+) = (.+)$`)

// readPackets reads the text form of the layouts.
func readPackets(path string) ([]*packet, error) {
	lines, err := readLines(path)
	if err != nil {
		return nil, err
	}
	var out []*packet
	major := 2
	for i, l := range lines {
		if strings.HasPrefix(l, "##") {
			if strings.Contains(l, "1.x overrides") {
				major = 1
			}
			continue
		}
		m := packetLine.FindStringSubmatch(l)
		if m == nil {
			return nil, fmt.Errorf("packets, line %d: not a layout", i+1)
		}
		nid, err := strconv.Atoi(m[1])
		if err != nil {
			return nil, fmt.Errorf("packets, line %d: %w", i+1, err)
		}
		out = append(out, &packet{major: major, nid: nid, title: m[2], text: m[3]})
	}
	return out, nil
}

// node is an element of the JSON form.
type node struct {
	V      string `json:"v"`
	W      int    `json:"w"`
	Group  string `json:"group"`
	Repeat string `json:"repeat"`
	If     string `json:"if"`
	Then   []node `json:"then"`
	Else   []node `json:"else"`
	F      []node `json:"f"`
}

// compareJSON checks that the JSON form says the same as the text form.
func compareJSON(path string, packets []*packet) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the facts: %w", err)
	}
	var doc map[string]map[string]struct {
		Fields []node `json:"fields"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return fmt.Errorf("packets in JSON: %w", err)
	}
	if n := len(doc["v1"]) + len(doc["v2"]); n != len(packets) {
		return fmt.Errorf("%d packets in JSON, %d in text", n, len(packets))
	}
	for _, p := range packets {
		got := textOf(doc["v"+strconv.Itoa(p.major)][strconv.Itoa(p.nid)].Fields)
		if got != p.text {
			return fmt.Errorf("packet %d differs:\n%s\n%s", p.nid, got, p.text)
		}
	}
	return nil
}

// textOf writes JSON nodes in the text form. A condition on "r." is a remark of the JSON's source.
func textOf(nodes []node) string {
	var out []string
	for _, n := range nodes {
		switch {
		case n.V != "":
			out = append(out, n.V+":"+strconv.Itoa(n.W))
		case n.Group != "":
			out = append(out, textOf(n.F))
		case n.Repeat != "":
			out = append(out, "REPEAT "+n.Repeat+" {"+textOf(n.F)+"}")
		case strings.HasPrefix(n.If, "r."):
		default:
			s := "IF " + n.If + " {" + textOf(n.Then) + "}"
			if len(n.Else) > 0 {
				s += " ELSE {" + textOf(n.Else) + "}"
			}
			out = append(out, s)
		}
	}
	return strings.Join(out, " ")
}

// step and layout mirror the types of package balise.
type step struct {
	op                            string
	bits, slot, name, value, jump int
}

type layout struct{ major, nid, title, first, end int }

// program collects the steps of all layouts.
type program struct {
	names   *names      // of variables
	titles  *names      // of packets
	bits    map[int]int // of a variable, by index of its name
	steps   []step
	layouts []layout
	slots   int

	tokens []string       // of the layout in work
	slotOf map[string]int // of the layout in work
}

func newProgram() *program {
	return &program{names: newNames(), titles: newNames(), bits: make(map[int]int)}
}

var token = regexp.MustCompile(`[A-Z][A-Za-z0-9_]*:\d+|\w+|[{}]|==|!=`)

// addPacket compiles a layout.
func (p *program) addPacket(pk *packet) error {
	p.tokens = token.FindAllString(pk.text, -1)
	if rest := strings.TrimSpace(token.ReplaceAllString(pk.text, "")); rest != "" {
		return fmt.Errorf("unexpected %q", rest)
	}
	p.slotOf = make(map[string]int)
	l := layout{major: pk.major, nid: pk.nid, title: p.titles.of(pk.title), first: len(p.steps)}
	if err := p.block(0); err != nil {
		return err
	}
	l.end = len(p.steps)
	p.layouts = append(p.layouts, l)
	p.slots = max(p.slots, len(p.slotOf)+1)
	return nil
}

func (p *program) next() string {
	if len(p.tokens) == 0 {
		return ""
	}
	t := p.tokens[0]
	p.tokens = p.tokens[1:]
	return t
}

// block compiles up to the brace that closes it, or to the end at depth 0.
func (p *program) block(depth int) error {
	for {
		t := p.next()
		var err error
		switch {
		case t == "" && depth == 0, t == "}" && depth > 0:
			return nil
		case t == "IF":
			err = p.condition(depth)
		case t == "REPEAT":
			err = p.repeat(depth)
		case t == "REST":
			p.steps = append(p.steps, step{op: "opRest"})
		case strings.Contains(t, ":"):
			err = p.field(t)
		default:
			err = fmt.Errorf("unexpected %q", t)
		}
		if err != nil {
			return err
		}
	}
}

// field compiles NAME:bits.
func (p *program) field(t string) error {
	name, width, _ := strings.Cut(t, ":")
	bits, err := strconv.Atoi(width)
	if err != nil || bits < 1 || bits > 64 {
		return fmt.Errorf("field %q", t)
	}
	s := step{op: "opField", bits: bits, name: p.names.of(name)}
	p.bits[s.name] = max(p.bits[s.name], bits)
	if p.asked(name) {
		s.slot = p.slot(name)
	}
	p.steps = append(p.steps, s)
	return nil
}

// asked says whether a condition or a repetition further on looks at a variable.
func (p *program) asked(name string) bool {
	for i, t := range p.tokens {
		if (t == "IF" || t == "REPEAT") && base(p.tokens[i+1]) == name {
			return true
		}
	}
	_, ok := p.slotOf[name]
	return ok
}

var suffix = regexp.MustCompile(`(_[a-z]+|\d)$`)

// base takes the suffix off a name that tells instances of one variable apart. The latest one read is meant always.
func base(name string) string {
	if strings.HasPrefix(name, "N_ITER") || strings.HasPrefix(name, "M_LEVELTEXTDISPLAY") {
		return suffix.ReplaceAllString(name, "")
	}
	return name
}

func (p *program) slot(name string) int {
	i, ok := p.slotOf[name]
	if !ok {
		i = len(p.slotOf) + 1
		p.slotOf[name] = i
	}
	return i
}

// condition compiles IF NAME [==|!= n] {…} [ELSE {…}].
func (p *program) condition(depth int) error {
	s := step{op: "opUnless"}
	name := base(p.next())
	slot, ok := p.slotOf[name]
	if !ok {
		return fmt.Errorf("condition on %s, which was not read", name)
	}
	s.slot = slot
	t := p.next()
	if t == "==" || t == "!=" {
		v, err := strconv.Atoi(p.next())
		if err != nil {
			return fmt.Errorf("condition on %s: %w", name, err)
		}
		s.value = v
		if t == "!=" {
			s.op = "opIf"
		}
		t = p.next()
	} else {
		s.value = 1
	}
	if t != "{" {
		return fmt.Errorf("condition on %s: %q", name, t)
	}
	at := len(p.steps)
	p.steps = append(p.steps, s)
	if err := p.block(depth + 1); err != nil {
		return err
	}
	if len(p.tokens) > 0 && p.tokens[0] == "ELSE" {
		p.tokens = p.tokens[2:]
		over := len(p.steps)
		p.steps = append(p.steps, step{op: "opJump"})
		p.steps[at].jump = len(p.steps)
		if err := p.block(depth + 1); err != nil {
			return err
		}
		p.steps[over].jump = len(p.steps)
		return nil
	}
	p.steps[at].jump = len(p.steps)
	return nil
}

// repeat compiles REPEAT NAME {…}.
func (p *program) repeat(depth int) error {
	name := base(p.next())
	slot, ok := p.slotOf[name]
	if !ok || p.next() != "{" {
		return fmt.Errorf("repetition by %s", name)
	}
	at := len(p.steps)
	p.steps = append(p.steps, step{op: "opRepeat", slot: slot})
	if err := p.block(depth + 1); err != nil {
		return err
	}
	p.steps[at].jump = len(p.steps)
	return nil
}

// find gives a packet.
func find(packets []*packet, major, nid int) (*packet, error) {
	i := slices.IndexFunc(packets, func(p *packet) bool { return p.major == major && p.nid == nid })
	if i < 0 {
		return nil, fmt.Errorf("no packet %d of version %d.x", nid, major)
	}
	return packets[i], nil
}
