package boardtest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// shipped is where the dashboards and rules are.
const shipped = "../../../packaging"

func boards(t *testing.T) []Board {
	t.Helper()
	list, err := Boards(filepath.Join(shipped, "grafana"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestBoards: what is shipped can be imported into any Grafana, and has all that a reader wants to see.
func TestBoards(t *testing.T) {
	list := boards(t)
	var files, uids []string
	for i := range list {
		files, uids = append(files, list[i].File), append(uids, list[i].UID)
		for _, problem := range problems(&list[i]) {
			t.Errorf("%s: %s", list[i].File, problem)
		}
	}
	if want := []string{"cache.json", "decode.json", "overview.json", "queue.json", "system.json"}; !slices.Equal(files, want) {
		t.Errorf("dashboards %v, want %v", files, want)
	}
	slices.Sort(uids)
	if len(slices.Compact(uids)) != len(list) {
		t.Errorf("uids %v", uids)
	}
}

// TestProblemsAreFound breaks a dashboard in every way that is looked for.
func TestProblemsAreFound(t *testing.T) {
	for what, spoil := range map[string]func(b *Board){
		"id of an instance":  func(b *Board) { b.ID = new(int) },
		"no uid":             func(b *Board) { b.UID = "x" },
		"no description":     func(b *Board) { b.Description = "" },
		"schema":             func(b *Board) { b.SchemaVersion = 16 },
		"no variable":        func(b *Board) { b.Templating.List = b.Templating.List[:2] },
		"fixed data source":  func(b *Board) { b.Panels[0].Datasource = &Datasource{"prometheus", "P1809F7CD0C75ACF3"} },
		"no data source":     func(b *Board) { b.Panels[0].Datasource = nil },
		"its variable":       func(b *Board) { b.Templating.List[0].Type = "custom" },
		"variable's source":  func(b *Board) { b.Templating.List[1].Datasource.UID = "x" },
		"annotation":         func(b *Board) { b.Annotations.List[0].Datasource = nil },
		"id twice":           func(b *Board) { b.Panels[1].ID = b.Panels[0].ID },
		"id 0":               func(b *Board) { b.Panels[1].ID = 0 },
		"panel without text": func(b *Board) { b.Panels[0].Description = "Why" },
		"no title":           func(b *Board) { b.Panels[0].Title = "" },
		"unit":               func(b *Board) { b.Panels[0].FieldConfig.Defaults.Unit = "" },
		"thresholds":         func(b *Board) { b.Panels[0].FieldConfig.Defaults.Thresholds.Steps = nil },
		"threshold order":    func(b *Board) { slices.Reverse(b.Panels[0].FieldConfig.Defaults.Thresholds.Steps) },
		"no question":        func(b *Board) { b.Panels[0].Targets = nil },
		"question twice":     func(b *Board) { b.Panels[0].Targets = append(b.Panels[0].Targets, b.Panels[0].Targets[0]) },
		"no legend":          func(b *Board) { b.Panels[0].Targets[0].Legend = "" },
		"unknown variable":   func(b *Board) { b.Panels[0].Targets[0].Expr = "up{job=~\"$job\", instance=~\"$node\"}" },
		"not of the chosen":  func(b *Board) { b.Panels[0].Targets[0].Expr = "up" },
		"instance":           func(b *Board) { b.Panels[0].Targets[0].Expr = "up{job=~\"$job\", instance=\"localhost:8000\"}" },
		"syntax":             func(b *Board) { b.Panels[0].Targets[0].Expr = "(up{job=~\"$job\", instance=~\"$instance\"}" },
		"overlap":            func(b *Board) { b.Panels[1].GridPos = b.Panels[0].GridPos },
		"too wide":           func(b *Board) { b.Panels[0].GridPos.W = 25 },
		"flat":               func(b *Board) { b.Panels[0].GridPos.H = 0 },
	} {
		list := boards(t)
		if spoil(&list[0]); len(problems(&list[0])) == 0 {
			t.Errorf("%s: not found", what)
		}
	}
}

func TestBadFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if _, err := Boards(dir); err == nil {
		t.Error("an empty folder is taken")
	}
	for _, text := range []string{"", "{", `{"uid": "x"} {}`, `{"iteration": 1}`, `{"panels": [{"text": "x"}]}`} {
		write("a.json", text)
		if _, err := Boards(dir); err == nil {
			t.Errorf("%s: taken", text)
		}
	}
	for _, text := range []string{"", "groups: []", "groups: [{name: a, rules: [{alert: b, expression: c}]}]", "groups: ["} {
		if _, err := Rules(write("rules.yml", text)); err == nil {
			t.Errorf("%s: taken", text)
		}
	}
	if _, err := Rules(filepath.Join(dir, "none")); err == nil {
		t.Error("no file is taken")
	}
}

// problems lists what is wrong with a dashboard.
func problems(b *Board) []string {
	var out []string
	fail := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if b.ID != nil || !strings.HasPrefix(b.UID, "wayside-") || b.Title == "" || b.Description == "" || b.SchemaVersion < 39 || !slices.Contains(b.Tags, "wayside") {
		fail("id %v, uid %q, title %q, description %q, schema %d, tags %v", b.ID, b.UID, b.Title, b.Description, b.SchemaVersion, b.Tags)
	}
	// What Grafana itself fills in, and what the reader chooses.
	values := map[string]string{"__rate_interval": "1m", "__range": "1h", "__interval": "1m"}
	sources := map[string]*Datasource{}
	for i, v := range b.Templating.List {
		values[v.Name] = ".+"
		if v.Type == "datasource" && v.Name == "datasource" && i == 0 {
			continue
		}
		sources["variable "+v.Name] = v.Datasource
	}
	if len(b.Templating.List) == 0 || b.Templating.List[0].Type != "datasource" || values["job"] == "" || values["instance"] == "" {
		fail("variables %+v", b.Templating.List)
	}
	for _, a := range b.Annotations.List {
		sources["annotation "+a.Name] = a.Datasource
	}
	for _, p := range b.All() {
		sources[fmt.Sprintf("panel %d", p.ID)] = p.Datasource
		for _, problem := range panelProblems(&p) {
			fail("panel %d %q: %s", p.ID, p.Title, problem)
		}
	}
	for what, d := range sources {
		if d == nil || *d != (Datasource{"prometheus", "${datasource}"}) {
			fail("%s: data source %v", what, d)
		}
	}
	for _, q := range b.Queries() {
		if problem := queryProblem(q, values); problem != "" {
			fail("%s: %s", q.Where, problem)
		}
	}
	return append(out, placeProblems(b)...)
}

// queryProblem reads an expression: every series is of the appliances that are chosen.
func queryProblem(q Query, values map[string]string) string {
	filled, err := Fill(q.Expr, values)
	if err != nil {
		return err.Error()
	}
	parsed, err := Parse(filled)
	if err != nil {
		return err.Error()
	}
	if chosen := strings.Count(q.Expr, `{job=~"$job", instance=~"$instance"`); chosen != len(parsed.Selectors) {
		return fmt.Sprintf("%d of %d selectors are of the chosen appliances", chosen, len(parsed.Selectors))
	}
	if q.Legend == "" {
		return "no legend"
	}
	return ""
}

func panelProblems(p *Panel) []string {
	var out []string
	if p.Title == "" || len(p.Description) < 20 || !strings.HasSuffix(p.Description, ".") {
		out = append(out, fmt.Sprintf("description %q", p.Description))
	}
	if p.FieldConfig.Defaults.Unit == "" {
		out = append(out, "no unit")
	}
	last := -1e300
	steps := p.FieldConfig.Defaults.Thresholds.Steps
	if len(steps) == 0 || steps[0].Value != nil || p.FieldConfig.Defaults.Thresholds.Mode != "absolute" {
		out = append(out, "no thresholds that begin with a color for all")
	}
	for i, s := range steps {
		if s.Color == "" || (i > 0 && (s.Value == nil || *s.Value <= last)) {
			out = append(out, "thresholds do not grow")
		} else if i > 0 {
			last = *s.Value
		}
	}
	ids := map[string]bool{}
	for _, q := range p.Targets {
		if q.RefID == "" || ids[q.RefID] || q.Instant == q.Range {
			out = append(out, fmt.Sprintf("question %q", q.RefID))
		}
		ids[q.RefID] = true
	}
	if len(ids) == 0 {
		out = append(out, "asks nothing")
	}
	return out
}

// placeProblems looks at ids and places: one panel a cell of the 24 columns.
func placeProblems(b *Board) []string {
	var out []string
	all := slices.Clone(b.Panels)
	for _, p := range b.Panels {
		all = append(all, p.Panels...)
	}
	ids := map[int]bool{}
	for _, p := range all {
		if g := p.GridPos; g.W < 1 || g.H < 1 || g.X < 0 || g.X+g.W > 24 || g.Y < 0 || p.ID < 1 || ids[p.ID] {
			out = append(out, fmt.Sprintf("panel %d at %+v", p.ID, g))
		}
		ids[p.ID] = true
	}
	taken := map[[2]int]int{}
	for _, p := range b.Panels {
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok {
					return append(out, fmt.Sprintf("panels %d and %d are both at %d, %d", other, p.ID, x, y))
				}
				taken[[2]int{x, y}] = p.ID
			}
		}
	}
	return out
}

// TestRules: every rule says how grave it is and what is wrong, has a test, and is in the documentation.
func TestRules(t *testing.T) {
	list, err := Rules(filepath.Join(shipped, "prometheus", "rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile(filepath.Join(shipped, "prometheus", "rules_test.yml"))
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../../docs/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, r := range list {
		if !strings.Contains(string(page), "`"+r.Alert+"`") {
			t.Errorf("rule %s is not in docs/observability.md", r.Alert)
		}
		if !regexp.MustCompile(`^Wayside[A-Za-z]+$`).MatchString(r.Alert) || names[r.Alert] {
			t.Errorf("rule %q", r.Alert)
		}
		names[r.Alert] = true
		if s := r.Labels["severity"]; !slices.Contains([]string{"critical", "warning", "info"}, s) || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("rule %s: severity %q, %v", r.Alert, s, r.Annotations)
		}
		if !strings.Contains(r.Annotations["summary"], "$labels.instance") {
			t.Errorf("rule %s does not say of which appliance it is", r.Alert)
		}
		if _, err := Operands(r.Expr); err != nil {
			t.Errorf("rule %s: %v", r.Alert, err)
		}
		if fires := regexp.MustCompile(`(?s)alertname: ` + r.Alert + `\b[^\n]*\n\s*exp_alerts:\s*\n\s*- exp_labels`); !fires.Match(tests) {
			t.Errorf("no test in which %s fires", r.Alert)
		}
		if silent := regexp.MustCompile(`(?s)alertname: ` + r.Alert + `\b[^\n]*\n\s*exp_alerts: \[\]`); !silent.Match(tests) {
			t.Errorf("no test in which %s does not fire", r.Alert)
		}
	}
	for _, name := range regexp.MustCompile("`(Wayside[A-Za-z]+)`").FindAllStringSubmatch(string(page), -1) {
		if !names[name[1]] {
			t.Errorf("docs/observability.md has a rule %s, which is none", name[1])
		}
	}
}
