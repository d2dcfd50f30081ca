package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/wayside-edge/wayside/internal/queue"
)

// QueueMode is how queues take turns, on the wire.
type QueueMode struct {
	Mode       string            `json:"mode" enum:"weighted,strict" doc:"in effect: in proportion to the weights, or the largest weight first"`
	Ageing     float64           `json:"ageing" doc:"in effect: seconds after which mode strict puts a job before all others"`
	Set        QueueModeSet      `json:"set" doc:"over this API: it holds over reloads and restarts, whatever the configuration says"`
	Configured QueueModeSettings `json:"configured" doc:"what holds where set is null"`
}

// QueueModeSettings are a mode and what belongs to it.
type QueueModeSettings struct {
	Mode   string  `json:"mode" enum:"weighted,strict"`
	Ageing float64 `json:"ageing" doc:"seconds"`
}

// QueueModeSet is what was set of the mode.
type QueueModeSet struct {
	Mode   text           `json:"mode" doc:"null: as configured"`
	Ageing maybe[float64] `json:"ageing" doc:"seconds; null: as configured"`
}

// QueueModePatch is the body of PATCH /queue-mode: what it leaves out stays as it is, null is as configured again.
type QueueModePatch struct {
	Mode   change[queueModeName] `json:"mode,omitzero"`
	Ageing change[ageingSeconds] `json:"ageing,omitzero"`
}

type queueModeName string

// Schema names the modes.
func (queueModeName) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Enum: []any{string(queue.Weighted), string(queue.Strict), nil}}
}

type ageingSeconds float64

// Schema bounds the seconds.
func (ageingSeconds) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeNumber, Minimum: new(1.0), Maximum: new(86400.0)}
}

func (q *QueueModePatch) patch() (p queue.ModePatch) {
	if q.Mode.given {
		p.Mode = new(queue.Mode)
		if v := q.Mode.v; v != nil {
			*p.Mode = queue.Mode(*v)
		}
	}
	if q.Ageing.given {
		p.Ageing = new(time.Duration)
		if v := q.Ageing.v; v != nil {
			*p.Ageing = span(float64(*v))
		}
	}
	return p
}

type queueModeOutput struct{ Body QueueMode }

func queueMode(what string) func(queue.ModeLine, error) (*queueModeOutput, error) {
	return func(l queue.ModeLine, err error) (*queueModeOutput, error) {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		out := QueueMode{
			Mode: string(l.Mode), Ageing: l.Ageing.Seconds(), Set: QueueModeSet{Mode: text(l.Set.Mode)},
			Configured: QueueModeSettings{Mode: string(l.Configured.Mode), Ageing: l.Configured.Ageing.Seconds()},
		}
		if l.Set.Ageing != 0 {
			out.Set.Ageing = maybe[float64]{new(l.Set.Ageing.Seconds())}
		}
		return &queueModeOutput{Body: out}, nil
	}
}

func (s *Server) routeQueueMode(api huma.API) {
	q := s.deps.Queue.Queues
	register(s, api, operation{
		id: "get-queue-mode", method: http.MethodGet, path: "/queue-mode", scope: scopeRead, summary: "Get how queues take turns",
	}, func(ctx context.Context, _ *struct{}) (*queueModeOutput, error) {
		return queueMode("get mode of the queues")(q.Mode(ctx))
	})
	register(s, api, operation{
		id: "change-queue-mode", method: http.MethodPatch, path: "/queue-mode", scope: scopeAdmin, summary: "Change how queues take turns",
		detail: "It holds from the next job on, over reloads and restarts, whatever the configuration says, until null takes it back. Weights are " +
			"settings of the queues.",
	}, func(ctx context.Context, in *struct{ Body QueueModePatch }) (*queueModeOutput, error) {
		return queueMode("set mode of the queues")(q.SetMode(ctx, in.Body.patch()))
	})
}
