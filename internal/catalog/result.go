package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// resultKeyLength is the number of base32 characters kept of a result's digest: 130 bits.
const resultKeyLength = 26

// ResultKey names the result of one decoder version on one recording with one set of parameters: the first 26
// characters, in lower-case base32, of SHA-256 over the two digests (32 bytes each) and the canonical JSON of the
// parameters. fileSHA and decoderSHA are hex.
func ResultKey(fileSHA, decoderSHA string, params json.RawMessage) string {
	h := sha256.New()
	for _, s := range []string{fileSHA, decoderSHA} {
		raw, err := hex.DecodeString(s)
		if err != nil {
			raw = []byte(s) // a digest is always hex; anything else still gives one name
		}
		h.Write(raw)
	}
	h.Write(params)
	return strings.ToLower(base32.StdEncoding.EncodeToString(h.Sum(nil)))[:resultKeyLength]
}

// Reveals reports whether parameters ask for sensitive values.
func Reveals(params json.RawMessage) bool {
	var p struct {
		Reveal bool `json:"reveal"`
	}
	return json.Unmarshal(params, &p) == nil && p.Reveal
}

// HasFiles reports whether the decode's result is a folder: a result without rows has none.
func (d *Decode) HasFiles() bool {
	for _, t := range d.Tables {
		if t.Rows > 0 {
			return true
		}
	}
	return false
}

// CopyResult takes over what another decode with the same result key found.
func (d *Decode) CopyResult(from Decode) {
	d.Status, d.Progress, d.BytesRead, d.Rows = from.Status, from.Progress, from.BytesRead, from.Rows
	d.Tables, d.Issues, d.Error = from.Tables, from.Issues, from.Error
}

// FinishedTwin finds a decode with the same result key that ended with tables, done or partial.
func (c *Catalog) FinishedTwin(ctx context.Context, d Decode) (Decode, bool, error) {
	ids, err := c.DecodesOfResult(ctx, d.ResultKey)
	if err != nil {
		return Decode{}, false, err
	}
	for _, id := range ids {
		if id == d.ID {
			continue
		}
		twin, err := c.Decode(ctx, id)
		if errcode.Is(err, errcode.NotFound) {
			continue // deleted since the index was read
		}
		if err != nil {
			return Decode{}, false, fmt.Errorf("read decode with the same result: %w", err)
		}
		if twin.Status == Done || twin.Status == Partial {
			return twin, true, nil
		}
	}
	return Decode{}, false, nil
}
