package httpapi

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/event"
	"github.com/wayside-edge/wayside/internal/ingest"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/runtime"
)

const (
	// keptFrames and keptFrame bound what is kept of rendered events: 2 MiB.
	keptFrames = 64
	keptFrame  = 32 << 10
	// eventPayload is the largest payload that an event of a job carries.
	eventPayload = 4 << 10
)

// frame is an event as it is sent.
type frame struct {
	seq   uint64
	data  []byte // shared by all streams
	admin bool   // for admins only
}

// frames keeps the last rendered events, so that a thousand streams render each of them once, not a thousand times.
type frames struct {
	mu   sync.Mutex // guards kept
	kept [keptFrames]frame
}

func (f *frames) get(seq uint64) (frame, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	kept := f.kept[seq%keptFrames]
	return kept, kept.seq == seq
}

func (f *frames) put(fr frame) {
	if len(fr.data) > keptFrame {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if slot := &f.kept[fr.seq%keptFrames]; slot.seq < fr.seq {
		*slot = fr
	}
}

// frame renders an event. One that cannot be rendered becomes a reset of its topic, for it is not to be lost silently.
func (s *Server) frame(ev event.Event) frame {
	if ev.Reset && ev.Topic == "" { // of this reader alone: it has the number of the event that the others get there
		return frame{data: appendFrame(nil, s.eventID(ev.Seq), "reset", resetData(""))}
	}
	if f, ok := s.events.frames.get(ev.Seq); ok {
		return f
	}
	f := frame{seq: ev.Seq}
	data, admin, err := s.eventData(s.drain, ev)
	name := ev.Topic
	switch {
	case ev.Reset:
		name, data = "reset", resetData(ev.Topic)
	case errcode.Is(err, errcode.NotFound): // deleted since
		data = goneData(ev)
	case err != nil:
		s.log.Warn("event not rendered", "topic", ev.Topic, "key", ev.Key, "error", causes(err))
		name, data = "reset", resetData(ev.Topic)
	}
	f.data, f.admin = appendFrame(nil, s.eventID(ev.Seq), name, data), admin
	s.events.frames.put(f)
	return f
}

// appendFrame appends one event. JSON as it is rendered here has no line breaks.
func appendFrame(out []byte, id, name string, data []byte) []byte {
	return fmt.Appendf(out, "id: %s\nevent: %s\ndata: %s\n\n", id, name, data)
}

// resetData names what is to be fetched anew: the things of a topic, or of all.
func resetData(topic string) []byte {
	which := topics()
	if topic != "" {
		which = []string{topic}
	}
	out := []byte(`{"topics":[`)
	for i, t := range which {
		if i > 0 {
			out = append(out, ',')
		}
		out = fmt.Appendf(out, "%q", t)
	}
	return append(out, ']', '}')
}

// goneData is the data of an event about a thing that is no more.
func goneData(ev event.Event) []byte {
	member := "id"
	if ev.Topic == queue.TopicQueue {
		member = "name"
	}
	out, err := jsonBytes(map[string]any{member: ev.Key, "deleted": true})
	if err != nil {
		return []byte(`{"deleted":true}`)
	}
	return out
}

// eventData gives the resource that an event is about, as GET shows it, and whether it is for admins only.
func (s *Server) eventData(ctx context.Context, ev event.Event) (data []byte, admin bool, err error) {
	if ev.Reset {
		return nil, false, nil
	}
	if ev.Gone {
		return goneData(ev), false, nil
	}
	var v any
	switch ev.Topic {
	case ingest.TopicFile:
		v, err = s.fileEvent(ctx, ev)
	case ingest.TopicDecode:
		v, admin, err = s.decodeEvent(ctx, ev)
	case queue.TopicJob:
		v, err = s.jobEvent(ctx, ev)
	case queue.TopicQueue:
		v, err = s.queueEvent(ctx, ev)
	case runtime.TopicPlugin:
		v, err = s.pluginEvent(ev)
	default:
		render := s.events.renderers[ev.Topic]
		if render == nil {
			return nil, false, fmt.Errorf("nobody renders events of topic %s", ev.Topic)
		}
		v, admin, err = render(ctx, ev)
	}
	if err != nil {
		return nil, admin, err
	}
	data, err = jsonBytes(v)
	return data, admin, err
}

// fileEvent looks up what is not in the event: a file's decodes.
func (s *Server) fileEvent(ctx context.Context, ev event.Event) (File, error) {
	f, ok := ev.Data.(catalog.File)
	if !ok {
		var err error
		if f, err = s.deps.Files.File(ctx, ev.Key); err != nil {
			return File{}, fmt.Errorf("get file: %w", err)
		}
	}
	return s.fileWithDecodes(ctx, f)
}

func (s *Server) decodeEvent(ctx context.Context, ev event.Event) (Decode, bool, error) {
	d, ok := ev.Data.(catalog.Decode)
	if !ok {
		var err error
		if d, err = s.deps.Decodes.Decode(ctx, ev.Key); err != nil {
			return Decode{}, true, fmt.Errorf("get decode: %w", err)
		}
	}
	return decodeDTO(d), d.Reveal, nil
}

// jobEvent gives a job as it is now, as lists show it. A large payload is left out: who wants it asks for the job.
func (s *Server) jobEvent(ctx context.Context, ev event.Event) (Job, error) {
	j, err := s.deps.Queue.Jobs.Get(ctx, queue.ID(ev.Key))
	if err != nil {
		return Job{}, fmt.Errorf("get job: %w", err)
	}
	if len(j.Payload) > eventPayload {
		j.Payload = nil
	}
	return jobLine(&j), nil
}

func (s *Server) queueEvent(ctx context.Context, ev event.Event) (QueueLine, error) {
	l, ok := ev.Data.(queue.Line)
	if !ok {
		var err error
		if l, err = s.deps.Queue.Queues.Line(ctx, ev.Key); err != nil {
			return QueueLine{}, fmt.Errorf("get queue: %w", err)
		}
	}
	return queueDTO(&l), nil
}

func (s *Server) pluginEvent(ev event.Event) (Plugin, error) {
	if p, ok := ev.Data.(runtime.Plugin); ok && p.State != runtime.Removed {
		return s.pluginDTO(&p), nil
	}
	all := s.deps.Plugins.Plugins()
	i := slices.IndexFunc(all, func(p runtime.Plugin) bool { return p.ID == ev.Key })
	if i < 0 {
		return Plugin{}, errcode.New(errcode.NotFound, "no such plugin")
	}
	return s.pluginDTO(&all[i]), nil
}
