package httpapi

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// place is an object or array on the way to a value.
type place struct {
	array bool
	index int
	name  string // of the member that is being read
	named bool   // its value comes next
}

// fieldAt gives the path of the value of a document that ends, or begins, at an offset at which encoding/json found it
// to be wrong, as "jobs[1].delay"; "" if there is none. Its own path has no indices, and names of types of Go where those
// are embedded. It is for what is wrong only: it reads the document once more.
func fieldAt(data []byte, offset int64) string {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var way []place
	for {
		tok, err := dec.Token()
		if err != nil {
			return ""
		}
		if tok == json.Delim('}') || tok == json.Delim(']') {
			if way = way[:len(way)-1]; len(way) == 0 {
				return ""
			}
			way[len(way)-1].next()
			continue
		}
		if top := len(way) - 1; top >= 0 && !way[top].array && !way[top].named {
			way[top].name, _ = tok.(string)
			way[top].named = true
			continue
		}
		if dec.InputOffset() >= offset {
			return pathOf(way)
		}
		switch {
		case tok == json.Delim('{') || tok == json.Delim('['):
			way = append(way, place{array: tok == json.Delim('[')})
		case len(way) > 0:
			way[len(way)-1].next()
		}
	}
}

// next goes on to the next value.
func (p *place) next() {
	p.named = false
	p.index++
}

func pathOf(way []place) string {
	var b strings.Builder
	for _, p := range way {
		switch {
		case p.array:
			b.WriteString("[" + strconv.Itoa(p.index) + "]")
		case b.Len() > 0:
			b.WriteString("." + p.name)
		default:
			b.WriteString(p.name)
		}
	}
	return b.String()
}
