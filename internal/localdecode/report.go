package localdecode

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/wayside-edge/wayside/internal/progress"
	"github.com/wayside-edge/wayside/internal/runtime"
	"github.com/wayside-edge/wayside/internal/table"
)

// Limits of a summary, which is for eyes: everything is in the tables.
const (
	cellWidth    = 32  // a longer value is cut
	messageWidth = 100 // the same of an issue's message
	leastWidth   = 20  // below which a text at the end of a line is left out rather than cut
	pageWidth    = 120 // of a line where the terminal does not say
	issuesShown  = 5
	partsShown   = 30
	issuesRead   = 10_000 // to find the worst
	indent       = "  "
)

// summarySink prints a summary of each input for people.
type summarySink struct{ cfg *Config }

// form is Parquet: it is the smallest of them in the temporary folder, and its first rows are quick to read.
func (s *summarySink) form() table.Format { return table.Parquet }

func (s *summarySink) create(input, *table.Schema) (*os.File, error) { return unlinked() }

func (s *summarySink) total(scr *progress.Screen, t *tally) error { return printTotal(scr, t) }

func (s *summarySink) close() error { return nil }

func (s *summarySink) put(o *outcome, scr *progress.Screen) error {
	if o.text == "" {
		o.text = s.header(o) + "\n"
	}
	return scr.Print(o.text)
}

// finish renders the summary while other inputs are decoded, and lets go of the tables.
func (s *summarySink) finish(ctx context.Context, o *outcome) error {
	var b strings.Builder
	b.WriteString(s.header(o))
	tables := s.cfg.tables(o)
	b.WriteString(tableList(tables))
	for _, t := range tables {
		text, err := s.firstOf(ctx, o, t)
		if err != nil {
			return fmt.Errorf("read table %s: %w", t.Schema.Name, err)
		}
		b.WriteString(text)
	}
	b.WriteByte('\n')
	o.text = b.String()
	o.discard()
	return nil
}

func (s *summarySink) width() int {
	if s.cfg.Width > 0 {
		return max(s.cfg.Width, 40)
	}
	return pageWidth
}

// header gives the lines about the input and its decoder.
func (s *summarySink) header(o *outcome) string {
	var b strings.Builder
	size := o.size
	if o.wrapped != "" {
		size = o.stored
	}
	fmt.Fprintf(&b, "%s (%s)\n", printable(o.in.shown), plural(size, "byte"))
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%s%-8s  %s\n", indent, name, fmt.Sprintf(format, args...))
	}
	if o.wrapped != "" {
		line("wrapped", "%s, unwrapped %s", o.wrapped, plural(o.size, "byte"))
	}
	b.WriteString(partList(o.parts))
	b.WriteString(twinLines(o.in.twins))
	b.WriteString(childLines(o))
	if o.plugin.ID != "" {
		text := fmt.Sprintf("%s %s", o.plugin.ID, o.plugin.Version)
		if d := o.detection; d.Format != "" {
			text += fmt.Sprintf(", recognised as %s (confidence %.2f)", d.Format, d.Confidence)
		}
		line("decoder", "%s", printable(text))
	}
	if r := o.result; r != nil && o.status() != runtime.Failed {
		line("status", "%s, %s in %s", o.status(), plural(r.Rows, "row"), elapsed(r.Duration))
	} else {
		line("status", "%s", o.status())
	}
	if o.failure != nil {
		line("reason", "%s", failureText(o.failure))
	}
	if r := o.result; r != nil {
		line("issues", "%s, %s, %s", plural(r.Issues.Errors, "error"), plural(r.Issues.Warnings, "warning"), plural(r.Issues.Infos, "info"))
	}
	return b.String()
}

// partList gives the names and sizes of the parts of a recording, in their order.
func partList(parts []runtime.Part) string {
	var b strings.Builder
	shown := parts[:min(len(parts), partsShown)]
	width := 0
	for i := range shown {
		width = max(width, utf8.RuneCountInString(printable(shown[i].Name)))
	}
	for i := range shown {
		label := ""
		if i == 0 {
			label = "parts"
		}
		name := printable(shown[i].Name)
		pad := strings.Repeat(" ", width-utf8.RuneCountInString(name))
		fmt.Fprintf(&b, "%s%-8s  %s%s  %s\n", indent, label, name, pad, plural(shown[i].Size, "byte"))
	}
	if more := len(parts) - len(shown); more > 0 {
		fmt.Fprintf(&b, "%s%-8s  (and %s)\n", indent, "", plural(int64(more), "more part"))
	}
	return b.String()
}

// tableList gives the names, rows and columns of the tables, aligned.
func tableList(tables []runtime.TableResult) string {
	if len(tables) == 0 {
		return ""
	}
	name, rows := len("table"), len("rows")
	for _, t := range tables {
		name, rows = max(name, len(t.Schema.Name)), max(rows, len(progress.Count(t.Rows)))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s%-*s  %*s  columns\n", indent, name, "table", rows, "rows")
	for _, t := range tables {
		fmt.Fprintf(&b, "%s%-*s  %*s  %7d\n", indent, name, t.Schema.Name, rows, progress.Count(t.Rows), len(t.Schema.Columns))
	}
	return b.String()
}

// firstOf shows the first rows of a table, of issues the worst.
func (s *summarySink) firstOf(ctx context.Context, o *outcome, t runtime.TableResult) (string, error) {
	issues := t.Schema.Name == table.Issues().Name
	n := s.cfg.Preview
	if t.Rows == 0 || n < 0 {
		return "", nil
	}
	if issues {
		n = issuesRead
	}
	rows, err := firstRows(ctx, o.files[t.Schema.Name], t.Schema, n)
	if err != nil {
		return "", err
	}
	which, schema, cell := "first", t.Schema, cellWidth
	if issues {
		which, cell = "worst", messageWidth
		schema, rows = worstIssues(t.Schema, rows)
	}
	title := fmt.Sprintf("%s: %s", t.Schema.Name, plural(t.Rows, "row"))
	if int64(len(rows)) < t.Rows {
		title = fmt.Sprintf("%s: %s %d of %s rows", t.Schema.Name, which, len(rows), progress.Count(t.Rows))
	}
	return fmt.Sprintf("\n%s%s\n%s", indent, title, grid(schema, rows, s.width(), cell)), nil
}

// worstIssues gives the issues that matter most, in the order of the input among equals, and of their columns those
// that a person reads.
func worstIssues(s *table.Schema, rows [][]string) (*table.Schema, [][]string) {
	severity := s.Index("severity")
	rank := func(row []string) int { return slices.Index(s.Columns[severity].Labels, row[severity]) }
	slices.SortStableFunc(rows, func(a, b []string) int { return rank(b) - rank(a) })
	rows = rows[:min(len(rows), issuesShown)]
	shown := &table.Schema{Name: s.Name}
	cells := make([][]string, len(rows))
	for _, name := range []string{"offset", "severity", "code", "message"} {
		i := s.Index(name)
		shown.Columns = append(shown.Columns, s.Columns[i])
		for r, row := range rows {
			cells[r] = append(cells[r], row[i])
		}
	}
	return shown, cells
}

// grid lays rows out in aligned columns, numbers to the right, as many columns as fit into width. Values longer than
// cell are cut.
func grid(s *table.Schema, rows [][]string, width, cell int) string {
	type column struct {
		cells []string
		width int
		right bool
	}
	var columns []column
	used, left := len(indent), 0
	for i := range s.Columns {
		c := column{cells: []string{heading(&s.Columns[i])}, right: numeric(s.Columns[i].Type)}
		for _, row := range rows {
			if i < len(row) {
				c.cells = append(c.cells, cut(printable(row[i]), cell))
			}
		}
		for _, cell := range c.cells {
			c.width = max(c.width, utf8.RuneCountInString(cell))
		}
		room := width - used - 2
		if last := i == len(s.Columns)-1; c.width > room && last && !c.right && room >= leastWidth {
			for j := range c.cells { // a text at the end of the line takes what is left of it
				c.cells[j] = cut(c.cells[j], room)
			}
			c.width = room
		}
		if c.width > room && len(columns) > 0 {
			left = len(s.Columns) - i
			break
		}
		used += c.width + 2
		columns = append(columns, c)
	}
	var b strings.Builder
	for r := range len(rows) + 1 {
		var line strings.Builder
		line.WriteString(indent)
		for _, c := range columns {
			pad := strings.Repeat(" ", c.width-utf8.RuneCountInString(c.cells[r]))
			if c.right {
				line.WriteString(indent + pad + c.cells[r])
			} else {
				line.WriteString(indent + c.cells[r] + pad)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	if left > 0 {
		fmt.Fprintf(&b, "%s(and %s)\n", indent+indent, plural(int64(left), "more column"))
	}
	return b.String()
}

// heading is the column's name with its unit, where the name does not already end in it.
func heading(c *table.Column) string {
	if c.Unit == "" || c.Unit == "1" || strings.HasSuffix(c.Name, "_"+strings.ToLower(c.Unit)) ||
		(c.Unit == "km/h" && strings.HasSuffix(c.Name, "_kmh")) {
		return c.Name
	}
	return c.Name + " [" + printable(c.Unit) + "]"
}

// cut shortens a value of more than width characters.
func cut(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:width-1]) + "…"
}

// numeric reports whether values of the type are lined up at their right end.
func numeric(t table.Type) bool {
	switch t {
	case table.Bool, table.UTF8, table.Bin, table.Enum8, table.Enum16, table.TSus, table.TSns:
		return false
	default:
		return true
	}
}
