package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/wayside-edge/wayside/sdk/client"
)

// style is how a cell of a sheet is shown where there are colours.
type style string

const (
	plain  style = ""
	good   style = "32"
	warned style = "33"
	bad    style = "31"
	faint  style = "2"
	bold   style = "1"
)

// cell is one value of a sheet.
type cell struct {
	text  string
	style style
}

// text makes a cell of what somebody else wrote.
func text(s string) cell { return cell{text: printable(s)} }

// sheet is a table for people that fits its terminal: columns give way, the widest first, and end in an ellipsis then;
// where that is not enough the last ones are left out, and the head says how many.
type sheet struct {
	head []string // a name that begins with > is of a column of numbers, which is set to the right
	rows [][]cell
}

func (s *sheet) add(cells ...cell) { s.rows = append(s.rows, cells) }

// narrowest is what a column is not made narrower than.
const narrowest = 12

// render lays the sheet out for a terminal of width columns, 0 = no terminal.
func (s *sheet) render(width int, colour bool) string {
	names := make([]string, len(s.head))
	widths := make([]int, len(s.head))
	for i, h := range s.head {
		names[i] = strings.TrimPrefix(h, ">")
		widths[i] = utf8.RuneCountInString(names[i])
	}
	for _, row := range s.rows {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	shown := len(names)
	if width > 0 {
		if n := squeeze(widths, width); n < len(widths) {
			left := fmt.Sprintf("+%d", len(widths)-n)
			names, widths = append(names[:n], left), append(widths[:n], len(left))
			shown = n
		}
	}
	var b strings.Builder
	line := make([]cell, len(names)) // with the mark, where columns are left out
	for i, n := range names {
		line[i] = cell{n, bold}
	}
	s.line(&b, line, widths, colour)
	for _, row := range s.rows {
		s.line(&b, row[:min(len(row), shown)], widths, colour)
	}
	return b.String()
}

// squeeze makes columns narrower until a line fits; gaps of two stand between them. It gives how many can be shown.
func squeeze(widths []int, width int) int {
	total := 2 * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	for ; total > width; total-- {
		widest := 0
		for i, w := range widths {
			if w > widths[widest] {
				widest = i
			}
		}
		if widths[widest] <= narrowest {
			return fitting(widths, width)
		}
		widths[widest]--
	}
	return len(widths)
}

// fitting gives how many columns fit together with the mark for the others.
func fitting(widths []int, width int) int {
	const mark = 2 + 4 // its gap, and "+999"
	used := mark
	for i, w := range widths {
		if used += w; used > width {
			return max(i, 1)
		}
		used += 2
	}
	return len(widths)
}

func (s *sheet) line(b *strings.Builder, cells []cell, widths []int, colour bool) {
	var line strings.Builder
	for i, c := range cells {
		shown := clip(c.text, widths[i])
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(shown))
		if colour && c.style != plain && shown != "" {
			shown = "\x1b[" + string(c.style) + "m" + shown + "\x1b[0m"
		}
		if strings.HasPrefix(s.head[i], ">") {
			shown, pad = pad+shown, ""
		}
		line.WriteString(shown + pad + "  ")
	}
	b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
}

// clip shortens a text to n characters.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	runes := []rune(s)
	return string(runes[:max(n-1, 0)]) + "…"
}

// coloured reports whether standard output takes colours: a terminal, and nobody has said no (no-color.org).
func (r *root) coloured() bool {
	return terminal(r.std.out) > 0 && r.getenv("NO_COLOR") == "" && r.getenv("TERM") != "dumb"
}

// printSheet prints a sheet for the terminal that standard output is.
func (r *root) printSheet(s *sheet) error {
	return r.print(s.render(terminal(r.std.out), r.coloured()))
}

// moment shows a time: on a terminal how long ago it was, for anything else the time itself.
func (r *root) moment(t time.Time) cell {
	if terminal(r.std.out) == 0 || t.IsZero() {
		return cell{text: when(t)}
	}
	return cell{ago(time.Since(t)), plain}
}

// ago says how long ago something was.
func ago(d time.Duration) string {
	switch {
	case d < -time.Minute:
		return "in " + strings.TrimSuffix(ago(-d), " ago")
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", max(int(d.Seconds()), 0))
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	}
	return fmt.Sprintf("%d days ago", int(d.Hours()/24))
}

// took shows a duration in seconds.
func took(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case seconds == 0:
		return "-"
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// statusCell colours a status of a decode, a job or a batch.
func statusCell(status string) cell {
	c := text(status)
	switch status {
	case "done", "completed":
		c.style = good
	case "partial", "retry":
		c.style = warned
	case "failed", "dead":
		c.style = bad
	case "cancelled", "queued", "waiting":
		c.style = faint
	}
	return c
}

// printFields prints members of documents, as they are, in the columns that were asked for.
func (r *root) printFields(docs []json.RawMessage, fields []string) error {
	s := &sheet{head: make([]string, len(fields))}
	for i, f := range fields {
		s.head[i] = strings.ToUpper(printable(f))
	}
	for _, doc := range docs {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(doc, &members); err != nil {
			return fmt.Errorf("read answer: %w", err)
		}
		row := make([]cell, len(fields))
		for i, f := range fields {
			row[i] = valueCell(members[f])
		}
		s.rows = append(s.rows, row)
	}
	return r.printSheet(s)
}

// valueCell shows a JSON value: a text as it is, null as a dash, everything else as JSON.
func valueCell(raw json.RawMessage) cell {
	var s string
	switch {
	case len(raw) == 0, bytes.Equal(raw, []byte("null")):
		return cell{"-", faint}
	case raw[0] == '"' && json.Unmarshal(raw, &s) == nil:
		return text(s)
	}
	return text(string(raw))
}

// printRaw prints documents of the appliance as they are.
func (r *root) printRaw(raw json.RawMessage) error {
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return fmt.Errorf("write json: %w", err)
	}
	b.WriteByte('\n')
	return r.print(b.String())
}

// printRawList prints the documents of a list.
func (r *root) printRawList(docs []json.RawMessage) error {
	if docs == nil {
		docs = []json.RawMessage{}
	}
	b, err := json.Marshal(docs)
	if err != nil {
		return fmt.Errorf("write json: %w", err)
	}
	return r.printRaw(b)
}

// page is what lists are asked for on the command line.
type page struct {
	client.Page
	all bool
}

// collect gets one page of a list, or all of them from there on; next is the cursor of what was not asked for.
func collect[T any](p page, get func(client.Page) ([]T, string, error)) (items []T, next string, err error) {
	at := p.Page
	if p.all {
		at.Limit = 1000
	}
	for {
		got, next, err := get(at)
		if err != nil {
			return nil, "", err
		}
		items = append(items, got...)
		if next == "" || !p.all {
			return items, next, nil
		}
		at.Cursor = next
	}
}
