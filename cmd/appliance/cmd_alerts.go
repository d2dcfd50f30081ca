package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wayside-edge/wayside/sdk/client"
)

// alertsCmd holds what is done with alerts.
func (r *root) alertsCmd() *cobra.Command {
	return group(&cobra.Command{
		Use:   "alerts",
		Short: "See which figures of a running appliance are beyond their limits",
		Long: `An appliance watches its load, memory, disk, times, errors, queues and plugins. What is beyond its limit for
long enough is an alert, told in the log and as an event. docs/observability.md lists the rules.`,
	}, r.alertsListCmd(), r.alertsRulesCmd(), r.alertsSilencesCmd(), r.alertsSilenceCmd(), r.alertsUnsilenceCmd(), r.alertsWatchCmd())
}

func (r *root) alertsListCmd() *cobra.Command {
	var filter client.AlertFilter
	var everything bool
	cmd := r.remoteCmd(&cobra.Command{
		Use: "list", Short: "List the alerts that fire; with --all those that are resolved too", Args: cobra.NoArgs,
		Example: `  wayside alerts list
  wayside alerts list --all --rule queue_age --json`,
	}, func(ctx context.Context, c *client.Client, f remoteFlags, _ []string) error {
		if filter.State = "firing"; everything {
			filter.State = ""
		}
		list, err := c.Alerts(ctx, filter)
		switch {
		case err != nil:
			return fmt.Errorf("list alerts: %w", err)
		case f.json:
			return r.printJSON(list)
		case len(list) == 0 && everything:
			return r.print("no alerts\n")
		case len(list) == 0:
			return r.print("no alert fires\n")
		}
		return r.print(columns("ID\tRULE\tSUBJECT\tSTATE\tLEVEL\tSINCE\tTEXT", func(w io.Writer) {
			for _, a := range list {
				state, since := a.State, a.StartedAt
				if a.ResolvedAt != nil {
					since = *a.ResolvedAt
				}
				if a.Silenced {
					state += ", silenced"
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", a.ID, a.Rule, orAll(a.Subject, "-"), state, a.Level, when(since), printable(a.Text))
			}
		}))
	})
	fl := cmd.Flags()
	fl.BoolVar(&everything, "all", false, "also the last thousand that are resolved")
	fl.StringVar(&filter.Level, "level", "", "only these: warning, critical")
	fl.StringVar(&filter.Rule, "rule", "", "only of this rule")
	_ = cmd.RegisterFlagCompletionFunc("level", cobra.FixedCompletions([]string{"warning", "critical"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("rule", r.completeAlertRules)
	return cmd
}

// orAll prints a text that may not be there.
func orAll(s *string, none string) string {
	if s == nil || *s == "" {
		return none
	}
	return printable(*s)
}

// completeAlertRules offers the rules of the appliance.
func (r *root) completeAlertRules(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return r.completed(cmd, func(ctx context.Context, c *client.Client) ([]cobra.Completion, error) {
		rules, err := c.AlertRules(ctx)
		out := make([]cobra.Completion, len(rules))
		for i, rule := range rules {
			out[i] = cobra.CompletionWithDesc(rule.Name, rule.Text)
		}
		return out, err //nolint:wrapcheck // nobody reads it
	})
}

func (r *root) alertsRulesCmd() *cobra.Command {
	return r.remoteCmd(&cobra.Command{
		Use: "rules", Short: "List what is watched, and its limits", Args: cobra.NoArgs, Example: "  wayside alerts rules",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, _ []string) error {
		rules, err := c.AlertRules(ctx)
		switch {
		case err != nil:
			return fmt.Errorf("list rules of alerts: %w", err)
		case f.json:
			return r.printJSON(rules)
		}
		return r.print(columns("RULE\tWARNING\tCRITICAL\tAFTER\tOF", func(w io.Writer) {
			for _, rule := range rules {
				after := "at once"
				if rule.For > 0 {
					after = seconds(rule.For)
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", rule.Name, limitText(rule, rule.Warning), limitText(rule, rule.Critical), after, printable(rule.Text))
			}
		}))
	})
}

// limitText prints a limit with its unit.
func limitText(rule client.AlertRule, limit *float64) string {
	if limit == nil {
		return "-"
	}
	text := strconv.FormatFloat(*limit, 'f', -1, 64)
	if unit := orAll(rule.Unit, ""); unit == "s" {
		text = seconds(*limit)
	} else if unit != "" {
		text += " " + unit
	}
	if rule.Below {
		text = "below " + text
	}
	return text
}

// seconds prints a length of time.
func seconds(s float64) string { return time.Duration(s * float64(time.Second)).String() }

func (r *root) alertsSilencesCmd() *cobra.Command {
	return r.remoteCmd(&cobra.Command{
		Use: "silences", Short: "List the silences that hold", Args: cobra.NoArgs, Example: "  wayside alerts silences",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, _ []string) error {
		list, err := c.Silences(ctx)
		switch {
		case err != nil:
			return fmt.Errorf("list silences: %w", err)
		case f.json:
			return r.printJSON(list)
		case len(list) == 0:
			return r.print("no silences\n")
		}
		return r.print(columns("ID\tRULE\tSUBJECT\tUNTIL\tBY\tCOMMENT", func(w io.Writer) {
			for _, s := range list {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", s.ID, orAll(s.Rule, "all"), orAll(s.Subject, "all"), when(s.Until), orAll(s.CreatedBy, "-"), orAll(s.Comment, ""))
			}
		}))
	})
}

func (r *root) alertsSilenceCmd() *cobra.Command {
	var subject, comment, how string
	var everything bool
	cmd := r.remoteCmd(&cobra.Command{
		Use: "silence RULE --for TIME", Short: "Be told of no alerts of a rule for a while", Args: cobra.MaximumNArgs(1),
		Long: "The alerts are listed all the same. What still fires when the silence ends is told then.",
		Example: `  wayside alerts silence cpu --for 2h --comment "a long decode"
  wayside alerts silence queue_age --subject email --for 2026-01-02T06:00:00Z
  wayside alerts silence --all --for 30m`,
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		n, err := newSilence(args, everything, how, time.Now())
		if err != nil {
			return &usageError{command: "wayside alerts silence", err: err}
		}
		n.Subject, n.Comment = subject, comment
		s, err := c.CreateSilence(ctx, n)
		switch {
		case err != nil:
			return fmt.Errorf("silence alerts: %w", err)
		case f.json:
			return r.printJSON(s)
		}
		return r.print(s.ID + " holds until " + when(s.Until) + "\n")
	})
	fl := cmd.Flags()
	fl.StringVar(&how, "for", "", "for how long (30m, 7d), or until when (2026-01-02T03:04:05Z); required, a year at most")
	fl.StringVar(&subject, "subject", "", "only of this queue or plugin")
	fl.StringVar(&comment, "comment", "", "why, for others")
	fl.BoolVar(&everything, "all", false, "of every rule")
	cmd.ValidArgsFunction = r.completeAlertRules
	return cmd
}

// newSilence reads which rule is to be silent and for how long.
func newSilence(args []string, everything bool, how string, now time.Time) (client.NewSilence, error) {
	var n client.NewSilence
	switch {
	case len(args) == 0 && !everything:
		return n, errors.New("name a rule, or say --all")
	case len(args) > 0 && everything:
		return n, errors.New("name a rule or say --all, not both")
	case how == "":
		return n, errors.New("--for is required: 30m, 7d, 2026-01-02T03:04:05Z")
	}
	if len(args) > 0 {
		n.Rule = args[0]
	}
	at, err := expiry(how, now)
	if err != nil {
		return n, errors.New(strings.Replace(err.Error(), "--expires", "--for", 1))
	}
	if _, err := time.Parse(time.RFC3339, how); err == nil {
		n.Until = at
	} else {
		n.For = at.Sub(now) // by the clock of the appliance, which may be another
	}
	return n, nil
}

func (r *root) alertsUnsilenceCmd() *cobra.Command {
	var everything bool
	cmd := r.remoteCmd(&cobra.Command{
		Use: "unsilence ID…", Short: "End silences: what still fires is told", Example: `  wayside alerts unsilence a0000000001
  wayside alerts unsilence --all`,
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		if (len(args) == 0) != everything {
			return &usageError{command: "wayside alerts unsilence", err: errors.New("name silences, or say --all")}
		}
		if everything {
			list, err := c.Silences(ctx)
			if err != nil {
				return fmt.Errorf("list silences: %w", err)
			}
			for _, s := range list {
				args = append(args, s.ID)
			}
		}
		for _, id := range args {
			if err := c.DeleteSilence(ctx, id); err != nil {
				return fmt.Errorf("end silence %s: %w", id, err)
			}
			if !f.json {
				if err := r.print(id + " ended\n"); err != nil {
					return err
				}
			}
		}
		if f.json {
			return r.printJSON(map[string][]string{"ended": args})
		}
		return nil
	})
	cmd.Flags().BoolVar(&everything, "all", false, "all of them")
	return cmd
}

func (r *root) alertsWatchCmd() *cobra.Command {
	return r.remoteCmd(&cobra.Command{
		Use: "watch", Short: "Print the alerts that fire, then each change", Args: cobra.NoArgs,
		Long: `A connection that breaks is opened again, and what happened meanwhile comes first. Ctrl-C ends it (exit code 0).
Changes are told here also of alerts that are silenced or came again within the time of de-duplication.`,
		Example: `  wayside alerts watch
  wayside alerts watch --json | jq 'select(.level == "critical")'`,
	}, func(ctx context.Context, c *client.Client, f remoteFlags, _ []string) error {
		show := func(a client.Alert) error {
			if f.json {
				b, err := json.Marshal(a)
				if err != nil {
					return fmt.Errorf("write json: %w", err)
				}
				return r.print(string(b) + "\n")
			}
			return r.print(printable(fmt.Sprintf("%s %s %s %s", a.ChangedAt.Local().Format("15:04:05"), a.State, a.Level, a.Text)) + "\n")
		}
		firing, err := c.Alerts(ctx, client.AlertFilter{State: "firing"})
		for i := len(firing) - 1; i >= 0 && err == nil; i-- {
			err = show(firing[i])
		}
		if err != nil {
			return fmt.Errorf("list alerts: %w", err)
		}
		err = c.Events(ctx, []string{client.AlertTopic}, "", func(e client.Event) error {
			if e.Topic != client.AlertTopic {
				return r.note("wayside: changes were left out; \"wayside alerts list\" has what fires\n")
			}
			var a client.Alert
			if err := json.Unmarshal(e.Data, &a); err != nil {
				return fmt.Errorf("read alert %s: %w", e.ID, err)
			}
			return show(a)
		}, func(err error) {
			_ = r.note("wayside: " + printable(err.Error()) + "; connecting again\n") // nobody is there to read it then
		})
		if errors.Is(err, errInterrupted) {
			return nil
		}
		return fmt.Errorf("watch alerts: %w", err)
	})
}
