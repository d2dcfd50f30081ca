package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wayside-edge/wayside/internal/progress"
	"github.com/wayside-edge/wayside/sdk/client"
)

// eventsCmd shows what happens in an appliance.
func (r *root) eventsCmd() *cobra.Command {
	var topics []string
	var after string
	cmd := r.remoteCmd(&cobra.Command{
		Use: "events", Short: "Watch what happens in a running appliance", Args: cobra.NoArgs,
		Long: `Prints a line for each thing that happens: files, decodes, batches, jobs, queues, plugins. A connection
that breaks is opened again, and what happened meanwhile comes first. Ctrl-C ends it (exit code 0).

With --json a line is {"id", "event", "data"}, data being the thing as its own command shows it. The event
reset says that events were left out: what its data names as topics is to be looked up anew.`,
		Example: `  wayside events --topics file,decode
  wayside events --topics job --json | jq 'select(.data.status == "dead")'`,
	}, func(ctx context.Context, c *client.Client, f remoteFlags, _ []string) error {
		err := c.Events(ctx, topics, after, func(e client.Event) error {
			if f.json {
				return r.printEvent(e)
			}
			return r.print(time.Now().Format("15:04:05") + " " + eventLine(e) + "\n")
		}, func(err error) {
			_ = r.note("wayside: " + printable(err.Error()) + "; connecting again\n") // nobody is there to read it then
		})
		if errors.Is(err, errInterrupted) {
			return nil
		}
		return fmt.Errorf("watch events: %w", err)
	})
	cmd.Flags().StringSliceVar(&topics, "topics", nil, "only these: file, decode, batch, job, queue, plugin")
	cmd.Flags().StringVar(&after, "after", "", "id of an event: what happened since it comes first")
	_ = cmd.RegisterFlagCompletionFunc("topics", cobra.FixedCompletions([]string{"file", "decode", "batch", "job", "queue", "plugin"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (r *root) printEvent(e client.Event) error {
	data := e.Data
	if !json.Valid(data) {
		data = json.RawMessage("null")
	}
	b, err := json.Marshal(struct {
		ID    string          `json:"id"`
		Event string          `json:"event"`
		Data  json.RawMessage `json:"data"`
	}{e.ID, e.Topic, data})
	if err != nil {
		return fmt.Errorf("write json: %w", err)
	}
	return r.print(string(b) + "\n")
}

// eventLine says in a line what happened.
func eventLine(e client.Event) string {
	var d struct {
		ID       string   `json:"id"`
		Name     string   `json:"name"`
		Type     string   `json:"type"`
		Status   string   `json:"status"`
		State    string   `json:"state"`
		Deleted  bool     `json:"deleted"`
		Size     *int64   `json:"size"`
		Rows     *int64   `json:"rows"`
		Progress float64  `json:"progress"`
		Topics   []string `json:"topics"`
	}
	if json.Unmarshal(e.Data, &d) != nil {
		return printable(e.Topic + " " + string(e.Data))
	}
	parts := []string{e.Topic}
	add := func(s string) {
		if s != "" {
			parts = append(parts, s)
		}
	}
	add(d.ID)
	add(d.Name)
	add(d.Type)
	add(d.Status)
	add(d.State)
	switch {
	case e.Topic == "reset":
		add("events were left out: " + strings.Join(d.Topics, ", "))
	case d.Deleted:
		add("deleted")
	case d.Status == "running" || d.Status == "active":
		add(fmt.Sprintf("%.0f %%", 100*d.Progress))
	case d.Rows != nil:
		add(progress.Count(*d.Rows) + " rows")
	case d.Size != nil:
		add(progress.Size(*d.Size))
	}
	return printable(strings.Join(parts, " "))
}
