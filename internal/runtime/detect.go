package runtime

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

const (
	extensionBonus  = 0.04 // added to a match by content when the name fits too
	extensionAlone  = 0.3  // a name that fits, where nothing says what the content is
	confidenceTop   = 0.99
	sniffWeight     = 0.9 // a guest's certainty, in terms of a rule's
	sniffCandidates = 4   // plugins asked for one file
	sniffFree       = time.Second
)

// Detect recognises a file by its first bytes (64 KiB, or all it has), its size (-1 = unknown) and its name (may be
// empty). Content goes before the name: the rules of the manifests run here, in this process; a plugin's own
// wayside_sniff is asked, in a worker, only to break a tie or where a plugin has no rules. A name alone is an answer
// only where no content was recognised. The confidence is comparable between answers, no more.
func (r *Registry) Detect(ctx context.Context, head []byte, size int64, name string) (Detection, bool) {
	return r.detect(ctx, head, size, name, true)
}

// detect is Detect; ask says whether plugins' own wayside_sniff may be asked.
func (r *Registry) detect(ctx context.Context, head []byte, size int64, name string, ask bool) (Detection, bool) {
	head = head[:min(len(head), abi.SniffHead)]
	if size < 0 {
		size = math.MaxInt64
	}
	if size == 0 || len(head) == 0 {
		return Detection{}, false
	}
	v := r.now.Load()
	found, silent := v.match(head, size, name)
	if asked := r.toAsk(found, silent, v); ask && len(asked) > 0 {
		found = r.ask(ctx, asked, found, head, size)
	}
	byName := len(found) == 0
	if byName {
		found = v.byExtension(name)
	}
	if len(found) == 0 {
		return Detection{}, false
	}
	rank(found)
	d := Detection{Format: found[0].Format, Decoder: found[0].Decoder, Confidence: found[0].Confidence, ByName: byName}
	d.Candidates = found
	return d, true
}

func rank(found []Candidate) {
	slices.SortStableFunc(found, func(a, b Candidate) int { return cmp.Compare(b.Confidence, a.Confidence) })
}

// match runs the rules of all plugins. silent are the formats that have none, by index of the plugin.
func (v *view) match(head []byte, size int64, name string) (found []Candidate, silent map[int]string) {
	silent = map[int]string{}
	for _, i := range v.order {
		m := v.entries[i].manifest.Load()
		if m == nil || !usable(v.plugins[i].State) {
			continue
		}
		for j := range m.Formats {
			if len(m.Rules[j]) == 0 {
				if _, ok := silent[i]; !ok {
					silent[i] = m.Formats[j].ID
				}
				continue
			}
			best := 0.0
			for k := range m.Rules[j] {
				best = max(best, m.Rules[j][k].Match(head, size))
			}
			if best == 0 {
				continue
			}
			if hasExtension(name, m.Formats[j].Extensions) {
				best = min(best+extensionBonus, confidenceTop)
			}
			found = append(found, Candidate{Format: m.Formats[j].ID, Decoder: m.ID, Confidence: best})
		}
	}
	rank(found)
	return found, silent
}

func usable(s State) bool { return s == Active || s == Compiling }

func hasExtension(name string, extensions []string) bool {
	ext := filepath.Ext(name)
	return ext != "" && slices.ContainsFunc(extensions, func(e string) bool { return strings.EqualFold(e, ext) })
}

// byExtension gives the formats whose extension the name has.
func (v *view) byExtension(name string) []Candidate {
	var out []Candidate
	for _, i := range v.order {
		p := v.plugins[i]
		if !usable(p.State) {
			continue
		}
		for _, f := range p.Formats {
			if hasExtension(name, f.Extensions) {
				out = append(out, Candidate{Format: f.ID, Decoder: p.ID, Confidence: extensionAlone})
			}
		}
	}
	return out
}

// question is a plugin to ask about a format.
type question struct {
	e      *entry
	format string
}

// toAsk chooses the plugins whose wayside_sniff is asked: those of the best candidates when they are equal, or, where
// no rule matched, those with a format that has no rules.
func (r *Registry) toAsk(found []Candidate, silent map[int]string, v *view) []question {
	var out []question
	add := func(i int, format string) {
		e := v.entries[i]
		r.mu.Lock()
		able := e.state == Active && e.record != nil && e.record.Sniff
		r.mu.Unlock()
		if able && len(out) < sniffCandidates {
			out = append(out, question{e, format})
		}
	}
	switch {
	case len(found) == 0:
		for _, i := range v.order {
			if format, ok := silent[i]; ok {
				add(i, format)
			}
		}
	case len(found) > 1 && found[0].Confidence == found[1].Confidence:
		for _, c := range found {
			if c.Confidence == found[0].Confidence {
				add(v.byID[c.Decoder], c.Format)
			}
		}
	}
	return out
}

// ask adds the plugins' own answers to what was found.
func (r *Registry) ask(ctx context.Context, asked []question, found []Candidate, head []byte, size int64) []Candidate {
	r.mu.Lock()
	s := r.sniffer
	r.mu.Unlock()
	if s == nil {
		return found
	}
	for _, q := range asked {
		score, err := s.sniff(ctx, q.e, head, size)
		if err != nil {
			r.cfg.Logger.DebugContext(ctx, "decoder was not asked about a file", "plugin", q.e.id(), "error", err)
			continue
		}
		i := slices.IndexFunc(found, func(c Candidate) bool { return c.Decoder == q.e.id() && c.Format == q.format })
		switch {
		case i >= 0:
			found[i].Confidence = min(found[i].Confidence+score*extensionBonus, confidenceTop)
		case score > 0:
			found = append(found, Candidate{Format: q.format, Decoder: q.e.id(), Confidence: score * sniffWeight})
		}
	}
	return found
}

// sniff runs wayside_sniff on the head of a file and gives its answer, 0–1. It waits only shortly for a worker.
func (p *Pool) sniff(ctx context.Context, e *entry, head []byte, size int64) (float64, error) {
	if err := p.enter(); err != nil {
		return 0, err
	}
	defer p.active.Done()
	f, err := wire.MemFile("wayside-head", head)
	if err != nil {
		return 0, fmt.Errorf("sniff: %w", err)
	}
	defer f.Close()
	waiting, cancel := context.WithTimeout(ctx, sniffFree)
	defer cancel()
	w, err := p.acquire(waiting, e, false)
	if err != nil {
		return 0, fmt.Errorf("sniff: %w", err)
	}
	said, err := w.sniff(f, min(size, int64(len(head))), p.cfg.Limits.Sniff)
	switch {
	case err != nil:
		p.release(w, "sniff")
		return 0, fmt.Errorf("sniff: %w", err)
	case said.Recycle:
		p.release(w, "trapped")
	default:
		p.release(w, "")
	}
	return float64(min(max(said.Score, 0), 100)) / 100, nil
}

func (w *proc) sniff(f *os.File, size int64, limit time.Duration) (said wire.Sniffed, err error) {
	if err := w.sock.SetDeadline(time.Now().Add(limit)); err != nil {
		return said, fmt.Errorf("ask: %w", err)
	}
	if err := w.sock.Send(wire.KindSniff, wire.Sniff{Size: size}, f); err != nil {
		return said, fmt.Errorf("ask: %w", err)
	}
	m, err := w.sock.Recv()
	if err != nil {
		return said, fmt.Errorf("ask: %w", err)
	}
	defer m.Close()
	if m.Kind != wire.KindSniffed {
		return said, fmt.Errorf("ask: %w", wire.ErrProtocol)
	}
	if err := m.Decode(&said); err != nil {
		return said, fmt.Errorf("ask: %w", err)
	}
	return said, nil
}
