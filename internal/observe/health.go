package observe

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// Status is how a part of the appliance does.
type Status string

// Statuses. A degraded part works with less; an unhealthy one does not work.
const (
	Healthy   Status = "healthy"
	Degraded  Status = "degraded"
	Unhealthy Status = "unhealthy"
)

func (s Status) rank() int {
	switch s {
	case Healthy:
		return 0
	case Degraded:
		return 1
	case Unhealthy:
	}
	return 2
}

// hold is how long a reason must be away before it is taken back: what comes and goes is there, and does not flap.
func (s Status) hold() time.Duration {
	switch s {
	case Healthy:
		return 0
	case Degraded:
		return 30 * time.Second
	case Unhealthy:
	}
	return 10 * time.Second
}

// Reason says why a part is as it is. One whose Status is Healthy is only noteworthy.
type Reason struct {
	Code   string // stable, lower case, of a set that is known: "disk_full"
	Text   string // a sentence for people; nothing private, no paths
	Status Status
	After  time.Duration // it counts when it has held this long
	Since  time.Time     // when it was first seen without a break; set by Health
}

// Codes of reasons that Health itself gives.
const (
	NoAnswer    = "no_answer"
	CheckFailed = "check_failed"
)

// Component is one part in a Report.
type Component struct {
	Name    string
	Status  Status
	Since   time.Time // of this status
	Reasons []Reason  // the worst first
}

// Detail gives the texts of the reasons in one line.
func (c Component) Detail() string {
	texts := make([]string, len(c.Reasons))
	for i, r := range c.Reasons {
		texts[i] = r.Text
	}
	return strings.Join(texts, "; ")
}

// Check says what is the matter with a part now; nothing: it is healthy. It is called by one goroutine at a time and may
// block: who asks for the Report never waits for it.
type Check func(ctx context.Context) []Reason

// Report is the state of the appliance and its parts.
type Report struct {
	Status     Status // the worst of the components
	Ready      bool   // it can take work: it has started, does not stop, and no essential part is unhealthy
	Components []Component
}

const (
	lookEvery  = time.Second     // between two looks at a part
	answerTime = 5 * time.Second // a check that takes longer has not answered
	joinTime   = time.Second     // how long Run waits for checks that do not heed their context
)

// Health looks at the parts in the background and remembers what it saw, so that a Report costs next to nothing and is
// given at once, whatever a part does. Each part has a goroutine of its own while Run runs: one that hangs keeps no
// other from being looked at, and is reported itself.
type Health struct {
	log   *slog.Logger
	looks sync.WaitGroup // goroutines of Look and Run

	mu    sync.Mutex // guards what follows; not held while a part is asked
	parts []*part
	phase phase
	moved time.Time // when phase changed
}

// part is what is known of a part.
type part struct {
	name      string
	essential bool
	check     Check
	asked     time.Time        // when the look that is under way began; zero: none is
	signs     map[string]*sign // by code
	status    Status           // by what was answered last
	since     time.Time        // of status
}

// sign is a reason over time.
type sign struct {
	Reason
	seen  time.Time // last
	shown bool
}

type phase int

const (
	starting phase = iota
	running
	stopping
)

// NewHealth returns one that knows no parts and is starting. It tells log of changes.
func NewHealth(log *slog.Logger) *Health { return &Health{log: log, moved: time.Now()} }

// Register adds a part, before Run. Without an essential part the appliance takes no work.
func (h *Health) Register(name string, essential bool, check Check) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.parts = append(h.parts, &part{name: name, essential: essential, check: check, signs: map[string]*sign{}, status: Healthy, since: time.Now()})
	slices.SortFunc(h.parts, func(a, b *part) int { return strings.Compare(a.name, b.name) })
}

// Started says that the appliance can take work from now on.
func (h *Health) Started() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.phase == starting {
		h.phase, h.moved = running, time.Now()
	}
}

// Stopping says that the appliance takes no more work.
func (h *Health) Stopping() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.phase != stopping {
		h.phase, h.moved = stopping, time.Now()
	}
}

// Run looks at every part each second until ctx ends. A check that the kernel does not give back, as on a dead disk, is
// not waited for longer than joinTime.
func (h *Health) Run(ctx context.Context) error {
	h.mu.Lock()
	for _, p := range h.parts {
		h.looks.Go(func() { h.follow(ctx, p) })
	}
	h.mu.Unlock()
	<-ctx.Done()
	if !h.join(joinTime) {
		h.log.WarnContext(ctx, "a part does not answer and is not waited for")
	}
	return context.Cause(ctx)
}

// join waits for the looks that are under way, for a while. It reports whether they ended.
func (h *Health) join(wait time.Duration) bool {
	joined := make(chan struct{})
	go func() { // ends with the last look
		h.looks.Wait()
		close(joined)
	}()
	late := time.NewTimer(wait)
	defer late.Stop()
	select {
	case <-joined:
		return true
	case <-late.C:
		return false
	}
}

func (h *Health) follow(ctx context.Context, p *part) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		h.look(ctx, p)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Look asks every part once and waits for the answers, as long as one may take: so that the first Report is not empty.
// It is called before Run.
func (h *Health) Look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	h.mu.Lock()
	for _, p := range h.parts {
		h.looks.Go(func() { h.look(ctx, p) })
	}
	h.mu.Unlock()
	h.join(answerTime)
}

// look asks one part, unless it is being asked.
func (h *Health) look(ctx context.Context, p *part) {
	began := time.Now()
	h.mu.Lock()
	busy := !p.asked.IsZero()
	if !busy {
		p.asked = began
	}
	h.mu.Unlock()
	if busy {
		return
	}
	late := time.AfterFunc(answerTime, func() {
		h.log.WarnContext(ctx, "component_changed", "component", p.name, "status", string(Unhealthy), "code", NoAnswer)
	})
	reasons := p.ask(ctx)
	late.Stop()
	now := time.Now()
	if now.Sub(began) >= answerTime {
		reasons = append(reasons, noAnswer(began))
	}
	h.mu.Lock()
	was := p.status
	p.asked = time.Time{}
	p.judge(now, reasons)
	c := p.component(now)
	h.mu.Unlock()
	if was == c.Status {
		return
	}
	level, code := slog.LevelWarn, ""
	if c.Status == Healthy {
		level = slog.LevelInfo
	} else {
		code = c.Reasons[0].Code
	}
	h.log.Log(ctx, level, "component_changed", "component", c.Name, "status", string(c.Status), "was", string(was), "code", code, "detail", c.Detail())
}

func noAnswer(began time.Time) Reason {
	return Reason{Code: NoAnswer, Text: "it did not answer within " + answerTime.String(), Status: Unhealthy, Since: began}
}

// ask asks a part; one that panics or answers nonsense is unhealthy.
func (p *part) ask(ctx context.Context) (reasons []Reason) {
	failed := func(text string) []Reason { return []Reason{{Code: CheckFailed, Text: text, Status: Unhealthy}} }
	defer func() {
		if recover() != nil {
			reasons = failed("its check failed")
		}
	}()
	reasons = p.check(ctx)
	for _, r := range reasons {
		if r.Code == "" || r.Status != Healthy && r.Status != Degraded && r.Status != Unhealthy {
			return failed("its check gave an answer without sense")
		}
	}
	return reasons
}

// judge notes what was seen now. A reason comes when it has held for its After without a break, and goes when it has been
// away for its status' hold without a break.
func (p *part) judge(now time.Time, reasons []Reason) {
	for _, r := range reasons {
		s := p.signs[r.Code]
		if s == nil {
			s = &sign{Reason: r}
			if s.Since.IsZero() {
				s.Since = now
			}
			p.signs[r.Code] = s
		}
		s.Text, s.Status, s.seen = text(r.Text), r.Status, now
		s.shown = s.shown || now.Sub(s.Since) >= r.After
	}
	status := Healthy
	for code, s := range p.signs {
		if away := now.Sub(s.seen); away > 0 && (!s.shown || away >= s.Status.hold()) {
			delete(p.signs, code)
			continue
		}
		if s.shown && s.Status.rank() > status.rank() {
			status = s.Status
		}
	}
	if status != p.status {
		p.status, p.since = status, now
	}
}

// component gives the part as it is reported.
func (p *part) component(now time.Time) Component {
	c := Component{Name: p.name, Status: p.status, Since: p.since}
	for _, s := range p.signs {
		if s.shown {
			c.Reasons = append(c.Reasons, s.Reason)
		}
	}
	if !p.asked.IsZero() && now.Sub(p.asked) >= answerTime && p.signs[NoAnswer] == nil {
		c.Reasons = append(c.Reasons, noAnswer(p.asked))
		if c.Status != Unhealthy {
			c.Status, c.Since = Unhealthy, p.asked.Add(answerTime)
		}
	}
	slices.SortFunc(c.Reasons, func(a, b Reason) int {
		return cmp.Or(cmp.Compare(b.Status.rank(), a.Status.rank()), strings.Compare(a.Code, b.Code))
	})
	return c
}

// Report gives what is known of the parts. It asks none and waits for none.
func (h *Health) Report() Report {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	whole := Component{Name: "appliance", Status: Healthy, Since: h.moved}
	switch h.phase {
	case starting:
		whole.Reasons = []Reason{{Code: "starting", Text: "it is starting", Status: Unhealthy, Since: h.moved}}
	case stopping:
		whole.Reasons = []Reason{{Code: "stopping", Text: "it is stopping", Status: Unhealthy, Since: h.moved}}
	case running:
	}
	if len(whole.Reasons) > 0 {
		whole.Status = Unhealthy
	}
	r := Report{Status: Healthy, Ready: true}
	r.add(whole, true)
	for _, p := range h.parts {
		r.add(p.component(now), p.essential)
	}
	return r
}

func (r *Report) add(c Component, essential bool) {
	r.Components = append(r.Components, c)
	status := c.Status
	if status == Unhealthy && !essential {
		status = Degraded // the appliance as a whole works with less
	}
	if status.rank() > r.Status.rank() {
		r.Status = status
	}
	if essential && c.Status == Unhealthy {
		r.Ready = false
	}
}
