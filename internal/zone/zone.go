// Package zone owns the IANA time zone database inside the binary, and the parameter `timezone` that names one of its
// zones.
//
// It is apart from the standard library's time.LoadLocation, which looks into the files of the machine first: a decode
// would then depend on the machine it runs on, the serving process would accept names (posix/…, right/… with leap
// seconds) that a worker, which has no files, cannot load, and there is no list of names to check against. Here both
// processes read the same bytes, zoneinfo.zip, which is the archive of the Go distribution as it is (tz 2025c; the
// data is in the public domain). It owns no goroutine and takes no lock.
package zone

import (
	"archive/zip"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

//go:generate cp $GOROOT/lib/time/zoneinfo.zip zoneinfo.zip

// Param is the parameter of a decode that names the zone of the recording's clock.
const Param = "timezone"

const (
	maxName   = 64 // bytes: twice the longest name of the database; of a longer one no more is repeated or compared
	mostEdits = 3  // of a name that is still taken for a slip
)

// ErrUnknown reports a name that the database does not have.
var ErrUnknown = errors.New("unknown time zone")

//go:embed zoneinfo.zip
var archive string

// database opens the archive. Reading its directory takes 0.1 ms (BenchmarkLoad), a few
// times for a decode that names a zone: too little to keep it.
func database() (*zip.Reader, error) {
	r, err := zip.NewReader(strings.NewReader(archive), int64(len(archive)))
	if err != nil {
		return nil, fmt.Errorf("open time zone database: %w", err)
	}
	return r, nil
}

// Load gives the zone of a name in the spelling of the database, as Find gives it.
func Load(name string) (*time.Location, error) {
	db, err := database()
	if err != nil {
		return nil, err
	}
	for _, f := range db.File {
		if f.Name == name {
			return read(f)
		}
	}
	return nil, fmt.Errorf("load time zone %.*q: %w", maxName, name, ErrUnknown)
}

func read(f *zip.File) (*time.Location, error) {
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("load time zone %s: %w", f.Name, err)
	}
	data, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, fmt.Errorf("load time zone %s: %w", f.Name, err)
	}
	loc, err := time.LoadLocationFromTZData(f.Name, data)
	if err != nil {
		return nil, fmt.Errorf("load time zone %s: %w", f.Name, err)
	}
	return loc, nil
}

// Find gives the database's spelling of a name in any case. An error of ErrUnknown names the nearest zone, if one is
// near.
func Find(name string) (string, error) {
	db, err := database()
	if err != nil {
		return "", err
	}
	for _, f := range db.File {
		if strings.EqualFold(f.Name, name) {
			return f.Name, nil
		}
	}
	if near := nearest(db, name); near != "" {
		return "", fmt.Errorf("%w %q; did you mean %s?", ErrUnknown, name, near)
	}
	return "", fmt.Errorf("%w %.*q", ErrUnknown, maxName, name)
}

// nearest gives the name that differs the least, "" if none is similar.
func nearest(db *zip.Reader, name string) string {
	if len(name) > maxName {
		return ""
	}
	name = strings.ToLower(name)
	best, least := "", min(len(name)/3, mostEdits)+1
	for _, f := range db.File {
		if d := distance(name, strings.ToLower(f.Name)); d < least {
			best, least = f.Name, d
		}
	}
	return best
}

// distance is how many bytes must be added, removed or replaced to make b of a, or of its last part: people leave out
// the continent.
func distance(a, b string) int {
	d := edits(a, b)
	if i := strings.LastIndexByte(b, '/'); i >= 0 && !strings.Contains(a, "/") {
		d = min(d, edits(a, b[i+1:]))
	}
	return d
}

func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			corner, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, corner+cost)
		}
	}
	return row[len(b)]
}

// Given gives the zone that the canonical parameters of a decode name, "" where its times stay naive.
func Given(params json.RawMessage) string {
	var members map[string]json.RawMessage
	var name string
	if len(params) == 0 || json.Unmarshal(params, &members) != nil || json.Unmarshal(members[Param], &name) != nil {
		return ""
	}
	return name
}
