package zone

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestFind(t *testing.T) {
	for name, want := range map[string]string{
		"Europe/Berlin": "Europe/Berlin", "europe/berlin": "Europe/Berlin", "AMERICA/NEW_YORK": "America/New_York",
		"utc": "UTC", "GMT+0": "GMT+0", "America/Argentina/Buenos_Aires": "America/Argentina/Buenos_Aires",
	} {
		if got, err := Find(name); got != want || err != nil {
			t.Errorf("%s: %q %v, want %s", name, got, err, want)
		}
	}
}

func TestFindNamesTheNearest(t *testing.T) {
	for name, want := range map[string]string{
		"Europe/Berlin ": "Europe/Berlin", "America/New York": "America/New_York", "Berlin": "Europe/Berlin",
		"Kathmandoo": "Asia/Kathmandu", "Buenos Aires": "Buenos_Aires", "Local": "", "": "", "x": "", "Mars/Phobos": "",
		"/usr/share/zoneinfo/Europe/Berlin": "", "../../etc/passwd": "", "Europe": "", "Europe/": "", "posix/Europe/Berlin": "",
		"Europe/Berlin\x00": "Europe/Berlin", "\xff\xfe\xfd\xfc": "", strings.Repeat("Europe/Berlin", 1000): "",
	} {
		got, err := Find(name)
		if got != "" || !errors.Is(err, ErrUnknown) {
			t.Errorf("%.40q: %q %v", name, got, err)
			continue
		}
		if near := strings.Contains(err.Error(), "did you mean"); near != (want != "") || !strings.Contains(err.Error(), want) || len(err.Error()) > 200 {
			t.Errorf("%.40q: %.300v, want %q", name, err, want)
		}
	}
}

// TestEveryZoneLoads loads each name of the database, and no other.
func TestEveryZoneLoads(t *testing.T) {
	db, err := database()
	if err != nil {
		t.Fatal(err)
	}
	if len(db.File) < 500 {
		t.Errorf("%d zones", len(db.File))
	}
	for _, f := range db.File {
		if loc, err := Load(f.Name); err != nil || loc.String() != f.Name || len(f.Name) > maxName/2 {
			t.Errorf("%s: %v %v", f.Name, loc, err)
		}
	}
	for _, name := range []string{"", "Local", "europe/berlin", "Europe", "../zone.go"} {
		if loc, err := Load(name); !errors.Is(err, ErrUnknown) {
			t.Errorf("%q: %v %v", name, loc, err)
		}
	}
}

// TestTheMachineDoesNotMatter points the standard library's look-up to a database that says otherwise.
func TestTheMachineDoesNotMatter(t *testing.T) {
	t.Setenv("ZONEINFO", t.TempDir())
	t.Setenv("TZ", "Asia/Tokyo")
	loc, err := Load("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	if got := time.Date(2100, 7, 1, 12, 0, 0, 0, loc).UTC().Hour(); got != 10 {
		t.Errorf("noon in Berlin in July is %d h UTC", got)
	}
}

func TestGiven(t *testing.T) {
	for params, want := range map[string]string{
		``: "", `{}`: "", `null`: "", `[]`: "", `{"timezone":null}`: "", `{"timezone":1}`: "", `{"Timezone":"UTC"}`: "",
		`{"reveal":true,"timezone":"Europe/Berlin"}`: "Europe/Berlin",
	} {
		if got := Given(json.RawMessage(params)); got != want {
			t.Errorf("%s: %q, want %q", params, got, want)
		}
	}
}

func FuzzFind(f *testing.F) {
	for _, s := range []string{"Europe/Berlin", "berlin", "", "Local", "../x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got, err := Find(name)
		if err != nil {
			if !errors.Is(err, ErrUnknown) || got != "" {
				t.Errorf("%q: %q %v", name, got, err)
			}
			return
		}
		if _, err := Load(got); err != nil || !strings.EqualFold(got, name) {
			t.Errorf("%q became %q: %v", name, got, err)
		}
	})
}

// BenchmarkLoad is what a worker pays for a decode that names a zone.
func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, err := Load("Europe/Berlin"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFind is what the serving process pays for one.
func BenchmarkFind(b *testing.B) {
	for b.Loop() {
		if _, err := Find("europe/berlin"); err != nil {
			b.Fatal(err)
		}
	}
}
