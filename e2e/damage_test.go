//go:build e2e

package e2e

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

// headerLength is the length of a record's header; its last byte is the length of the body.
const headerLength = 16

// boundaries gives the offsets at which records of a recording end, and its beginning.
func boundaries(data []byte) []int {
	ends := []int{0}
	for off := 0; off+headerLength <= len(data); {
		off += headerLength + int(data[off+headerLength-1])
		ends = append(ends, off)
	}
	return ends
}

// each calls fn for 0 to n-1 from a few goroutines until the test has failed.
func each(t *testing.T, n int, fn func(i int)) {
	t.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && !t.Failed(); i = int(next.Add(1)) - 1 {
				fn(i)
			}
		})
	}
	wg.Wait()
}

// TestTruncationAtEveryByte cuts the example at every byte and decodes what is left through the real worker: rows of
// whole records are kept, and nothing ends in any other way than it should.
func TestTruncationAtEveryByte(t *testing.T) {
	a := start(t, t.TempDir())
	data := example(t)
	ends := boundaries(data)
	whole := make([]int, len(data)+1) // records that end at or before a byte
	for i, n := 0, 0; i <= len(data); i++ {
		for n+1 < len(ends) && ends[n+1] <= i {
			n++
		}
		whole[i] = n
	}
	each(t, len(data), func(cut int) {
		status, rows, p := a.count(data[:cut])
		switch {
		case whole[cut] == 0:
			if p == nil && cut > 0 {
				t.Errorf("cut at %d: %d with %d rows, but no record is whole", cut, status, rows)
			}
		case p != nil || rows != whole[cut]:
			t.Errorf("cut at %d: %d %+v, %d rows of %d", cut, status, p, rows, whole[cut])
		}
	})
}

// TestRandomDamage changes single bytes and decodes: every answer is a table or a documented problem, and the
// appliance goes on.
func TestRandomDamage(t *testing.T) {
	a := start(t, t.TempDir())
	data := example(t)
	ends := boundaries(data)
	rng := rand.New(rand.NewPCG(7, 7))
	type damage struct {
		at    int
		value byte
	}
	damages := make([]damage, 10_000)
	for i := range damages {
		damages[i] = damage{rng.IntN(len(data)), byte(1 + rng.IntN(255))}
	}
	each(t, len(damages), func(i int) {
		d := damages[i]
		broken := bytes.Clone(data)
		broken[d.at] ^= d.value
		before := 0
		for before+1 < len(ends) && ends[before+1] <= d.at {
			before++
		}
		status, rows, p := a.count(broken)
		if p == nil && rows < before || p != nil && status != http.StatusUnprocessableEntity {
			t.Errorf("byte %d xor %#x: %d %+v, %d rows, %d records lie before", d.at, d.value, status, p, rows, before)
		}
	})
	a.get("/health/ready", nil)
}

// count decodes a recording without storing it and gives the number of records, or the problem.
func (a *appliance) count(data []byte) (status, rows int, p *Problem) {
	a.t.Helper()
	ctx := a.t.Context()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost,
		a.url+"/api/v1/decode?to=ndjson&table=records&decoder=rail", bytes.NewReader(data))
	if err != nil {
		a.t.Error(err)
		return 0, 0, nil
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		a.t.Error(err)
		return 0, 0, nil
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil {
		a.t.Error(err)
	}
	if resp.StatusCode >= 400 {
		return resp.StatusCode, 0, &Problem{Status: resp.StatusCode, Detail: body.String()}
	}
	return resp.StatusCode, bytes.Count(body.Bytes(), []byte("\n")), nil
}
