package httpapi

import (
	"bytes"
	"encoding/json"
	"io"

	"github.com/danielgtaylor/huma/v2"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// maxDepth is how deep a document may be nested. What is taken in is given out again, to readers with limits of their
// own: many give up at some hundreds.
const maxDepth = 100

// checkDepth refuses a document that is nested too deeply, before anything is made of it. Whether it is JSON is for its
// decoder to say.
func checkDepth(data []byte) error {
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch b := data[i]; {
		case quoted && b == '\\':
			i++
		case b == '"':
			quoted = !quoted
		case quoted:
		case b == '{' || b == '[':
			if depth++; depth > maxDepth {
				return errcode.Newf(errcode.Malformed, "the document is nested deeper than %d", maxDepth)
			}
		case b == '}' || b == ']':
			depth--
		}
	}
	return nil
}

// limitedJSON is huma's JSON, with the depth of what is read limited, and with types that write themselves.
func limitedJSON() huma.Format {
	f := huma.DefaultJSONFormat
	f.Marshal = func(w io.Writer, v any) error {
		if own, ok := v.(interface{ render(b *bytes.Buffer) error }); ok {
			if b, ok := w.(*bytes.Buffer); ok {
				return own.render(b)
			}
		}
		return huma.DefaultJSONFormat.Marshal(w, v) //nolint:wrapcheck // as if it were not in between
	}
	f.Unmarshal = func(data []byte, v any) error {
		if err := checkDepth(data); err != nil {
			return err
		}
		return json.Unmarshal(data, v) //nolint:wrapcheck // huma shows this text to the caller
	}
	return f
}
