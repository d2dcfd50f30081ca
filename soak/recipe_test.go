package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/wayside-edge/wayside/plugins/rail/railtest"
	"github.com/wayside-edge/wayside/plugins/rail/recorder"
	"github.com/wayside-edge/wayside/sdk/go/sdktest"
)

// TestFactsAreRight compares what the runner expects of a recording with its bytes, and with what the decoder says.
func TestFactsAreRight(t *testing.T) {
	for _, r := range []recipe{
		{small, 5, 9000},
		{faults, 6, 12_000},
		{middle, 7, mib + 5000},
		{large, 8, 3 * mib},
		{cut, 9, 8000},
		{cut, 10, 20_000},
		{unknown, 11, 3000},
		{unknown, 12, 0},
		{misled, 13, 3000},
	} {
		f, err := r.measure()
		if err != nil {
			t.Fatal(err)
		}
		body, done := r.body()
		data, err := io.ReadAll(body)
		done()
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		if f.size != int64(len(data)) || f.sha != hex.EncodeToString(sum[:]) {
			t.Errorf("%+v: %+v is not what is sent", r, f)
		}
		if r.Kind == unknown {
			continue // no decoder gets to see it
		}
		res := sdktest.Run(recorder.Plugin(), bytes.NewReader(data), nil)
		rows := int64(0)
		if table := res.Tables["records"]; table != nil {
			rows = int64(table.Len)
		}
		if rows != f.records {
			t.Errorf("%+v: %d records, the decoder sees %d", r, f.records, rows)
		}
	}
}

// TestBodyIsLetGoOf leaves a large recording half read, as a request that is cut does.
func TestBodyIsLetGoOf(t *testing.T) {
	body, done := recipe{large, 1, 4 * mib}.body()
	if _, err := io.CopyN(io.Discard, body, 100_000); err != nil {
		t.Fatal(err)
	}
	done() // joins the writer
}

func TestRecordCounterTakesAnyParts(t *testing.T) {
	data := railtest.Recording(railtest.Options{Seed: 3, Bytes: 5000})
	whole := &recordCounter{}
	_, _ = whole.Write(data)
	rnd := rand.New(rand.NewPCG(3, 3))
	for range 50 {
		c := &recordCounter{}
		for rest := data; len(rest) > 0; {
			n := min(len(rest), 1+rnd.IntN(40))
			_, _ = c.Write(rest[:n])
			rest = rest[n:]
		}
		if *c != *whole {
			t.Fatalf("%+v, in one part %+v", c, whole)
		}
	}
}
