package httpapi

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"hash/crc32"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// trimmable gives the members of a resource that ?fields= chooses among: those of the body O answers with, or of the
// items of a plain array. Lists trim their items themselves; what is written as a stream has no members.
func trimmable[O any]() []string {
	body, ok := reflect.TypeFor[O]().FieldByName("Body")
	if reflect.TypeFor[O]().Kind() != reflect.Struct || !ok {
		return nil
	}
	t := body.Type
	if t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t.Implements(reflect.TypeFor[json.Marshaler]()) {
		return nil
	}
	return membersOf(t)
}

// membersOf gives the names of the members of a type, in their order.
func membersOf(t reflect.Type) []string {
	var names []string
	for f := range t.Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			names = append(names, name)
		}
	}
	return names
}

// fieldsParam documents ?fields=.
func fieldsParam() *huma.Param {
	no := false
	return &huma.Param{
		Name: "fields", In: "query", Explode: &no, Description: "only these members, separated by commas",
		Schema: &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeString}},
	}
}

// wantedFields gives the members that a request asks for, nil for all.
func wantedFields(r *http.Request, known []string) ([]string, error) {
	given := r.URL.Query().Get("fields")
	if given == "" || known == nil {
		return nil, nil
	}
	fields := strings.Split(given, ",")
	return fields, checkNames(fields, known)
}

// checkNames checks the names that ?fields= gave against those there are.
func checkNames(fields, known []string) error {
	seen := map[string]bool{}
	for _, f := range fields {
		if !slices.Contains(known, f) || seen[f] {
			return errcode.Invalid("fields", "%.64q is not one of %s, or there twice", f, strings.Join(known, ", "))
		}
		seen[f] = true
	}
	return nil
}

// trimBody keeps the given members of an object, or of the objects of an array.
func trimBody(body []byte, fields []string) ([]byte, error) {
	if len(body) == 0 || body[0] != '[' {
		return trim(nil, body, fields)
	}
	out := []byte{'['}
	for rest := body[1:]; len(rest) > 0 && rest[0] != ']'; {
		item := valueAt(rest)
		var err error
		if out, err = trim(out, item, fields); err != nil {
			return nil, err
		}
		if rest = rest[len(item):]; len(rest) > 0 && rest[0] == ',' {
			out, rest = append(out, ','), rest[1:]
		}
	}
	return append(out, ']'), nil
}

var errTrim = errors.New("trim: not an object as it is rendered here")

// trim appends an object with only the given members of another, in the order they were asked for. It reads what was
// rendered a moment ago, so it takes JSON without white space, and only that.
func trim(out, object []byte, fields []string) ([]byte, error) {
	if len(object) < 2 || object[0] != '{' {
		return nil, errTrim
	}
	values := make([][]byte, len(fields))
	for rest := object[1:]; rest[0] != '}'; {
		name := valueAt(rest)
		if len(name) < 2 || len(rest) < len(name)+2 || rest[len(name)] != ':' {
			return nil, errTrim
		}
		rest = rest[len(name)+1:]
		value := valueAt(rest)
		if i := slices.Index(fields, string(name[1:len(name)-1])); i >= 0 {
			values[i] = value
		}
		if rest = rest[len(value):]; len(rest) > 0 && rest[0] == ',' {
			rest = rest[1:]
		}
		if len(rest) == 0 || len(value) == 0 {
			return nil, errTrim
		}
	}
	open := byte('{')
	for i, f := range fields {
		if values[i] == nil {
			continue // left out where it is empty
		}
		out = append(append(append(out, open, '"'), f...), '"', ':')
		out = append(out, values[i]...)
		open = ','
	}
	if open == '{' {
		out = append(out, '{')
	}
	return append(out, '}'), nil
}

// valueAt gives the value that JSON without white space begins with.
func valueAt(doc []byte) []byte {
	depth, quoted := 0, false
	for i := 0; i < len(doc); i++ {
		switch b := doc[i]; {
		case quoted && b == '\\':
			i++
		case b == '"':
			if quoted = !quoted; !quoted && depth == 0 {
				return doc[:i+1]
			}
		case quoted:
		case b == '{' || b == '[':
			depth++
		case b == '}' || b == ']':
			if depth--; depth < 0 {
				return doc[:i]
			}
			if depth == 0 {
				return doc[:i+1]
			}
		case (b == ',' || b == ':') && depth == 0:
			return doc[:i]
		}
	}
	return doc
}

// listOf makes one answer of a list that is known as a whole, in the order of its keys.
func listOf[T, D any](all []T, in PageParams, key func(*T) string, dto func(*T) D) (List[D], error) {
	if err := checkFields[D](in.Fields); err != nil {
		return List[D]{}, err
	}
	total := int64(len(all))
	out := List[D]{Items: []D{}, Total: &total, fields: in.Fields}
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b T) int { return strings.Compare(key(&a), key(&b)) })
	if in.Cursor != "" {
		last, err := keyOfCursor(in.Cursor)
		if err != nil {
			return out, err
		}
		i, _ := slices.BinarySearchFunc(all, last, func(t T, last string) int { return strings.Compare(key(&t), last) })
		for i < len(all) && key(&all[i]) == last {
			i++
		}
		all = all[i:]
	}
	if len(all) > in.Limit {
		all = all[:in.Limit]
		out.NextCursor = text(cursorOfKey(key(&all[in.Limit-1])))
	}
	for i := range all {
		out.Items = append(out.Items, dto(&all[i]))
	}
	return out, nil
}

// cursorOfKey gives the cursor of the page after the item of that key.
func cursorOfKey(key string) string {
	sum := crc32.ChecksumIEEE([]byte(key))
	return base64.RawURLEncoding.EncodeToString([]byte{byte(sum >> 8), byte(sum)}) + base64.RawURLEncoding.EncodeToString([]byte(key))
}

// keyOfCursor gives the key of the item that a page ended with. It need not be there any more.
func keyOfCursor(cursor string) (string, error) {
	const sum = 3 // two bytes
	if len(cursor) >= sum {
		if key, err := base64.RawURLEncoding.Strict().DecodeString(cursor[sum:]); err == nil && cursorOfKey(string(key)) == cursor {
			return string(key), nil
		}
	}
	return "", errcode.New(errcode.Malformed, "cursor is not one that this list gave")
}
