package httpapi

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/wayside-edge/wayside/internal/queue"
)

// Worker is who runs jobs, on the wire: a program outside, or the appliance itself.
type Worker struct {
	ID       string   `json:"id" doc:"its name"`
	External bool     `json:"external" doc:"it leases over this API"`
	Draining bool     `json:"draining" doc:"it is given no more jobs"`
	Queues   []string `json:"queues" doc:"that it asked for last; null: all"`
	Types    []string `json:"types" doc:"that it asked for last; null: all but the appliance's own"`
	Active   int      `json:"active" doc:"jobs it holds"`
	Done     int64    `json:"done" doc:"runs it has ended since then, without those it gave back"`
	Failed   int64    `json:"failed" doc:"of them with an error"`
	Since    Stamp    `json:"since" doc:"when it was first seen"`
	LastSeen Stamp    `json:"last_seen"`
}

func workerDTO(n *queue.Node) Worker {
	return Worker{
		ID: n.Name, External: n.External, Draining: n.Draining, Queues: n.Queues, Types: n.Types, Active: n.Active, Done: n.Done,
		Failed: n.Failed, Since: Stamp(n.Since), LastSeen: Stamp(n.LastSeen),
	}
}

type workersInput struct{ PageParams }

type workerInput struct {
	ID string `path:"id" maxLength:"128" doc:"name of a worker"`
}

type workersOutput struct{ Body List[Worker] }

type workerOutput struct{ Body Worker }

func (s *Server) routeWorkers(api huma.API) {
	register(s, api, operation{
		id: "list-workers", method: http.MethodGet, path: "/workers", scope: scopeRead,
		summary: "List the workers that were seen in the last ten minutes, or hold jobs",
	}, func(ctx context.Context, in *workersInput) (*workersOutput, error) {
		all, err := s.deps.Queue.Workers.Nodes(ctx)
		if err != nil {
			return nil, fmt.Errorf("list workers: %w", err)
		}
		list, err := listOf(all, in.PageParams, func(n *queue.Node) string { return n.Name }, workerDTO)
		return &workersOutput{Body: list}, err
	})
	for _, a := range []struct {
		name, summary, detail string
		drain                 bool
	}{
		{"drain", "Give a worker no more jobs", "It goes on with those it has, and is told at its next heartbeat. It stays so over a restart, until it is resumed or comes back after ten minutes' absence.", true},
		{"resume", "Give a worker jobs again", "", false},
	} {
		register(s, api, operation{
			id: a.name + "-worker", method: http.MethodPost, path: "/workers/{id}/" + a.name, scope: scopeAdmin, summary: a.summary, detail: a.detail,
		}, func(ctx context.Context, in *workerInput) (*workerOutput, error) {
			n, err := s.deps.Queue.Workers.DrainNode(ctx, in.ID, a.drain)
			if err != nil {
				return nil, fmt.Errorf("%s worker: %w", a.name, err)
			}
			return &workerOutput{Body: workerDTO(&n)}, nil
		})
	}
}
