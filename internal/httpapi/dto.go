package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/wayside-edge/wayside/internal/catalog"
)

// Stamp is a time on the wire: RFC 3339, UTC, microseconds; the zero time is null.
type Stamp time.Time

// MarshalJSON writes the time.
func (t Stamp) MarshalJSON() ([]byte, error) {
	if time.Time(t).IsZero() {
		return []byte("null"), nil
	}
	return time.Time(t).UTC().AppendFormat(nil, stampLayout), nil
}

const stampLayout = `"2006-01-02T15:04:05.000000Z"`

// Schema describes the time.
func (Stamp) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time", Nullable: true}
}

// text is a string that is null when empty.
type text string

// MarshalJSON writes the string.
func (t text) MarshalJSON() ([]byte, error) {
	return appendText(make([]byte, 0, len(t)+4), string(t)), nil
}

// Schema describes the string.
func (text) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Nullable: true}
}

// object is a JSON object that was rendered before; none is {}.
type object json.RawMessage

// MarshalJSON writes the object.
func (o object) MarshalJSON() ([]byte, error) {
	if len(o) == 0 {
		return []byte("{}"), nil
	}
	return o, nil
}

// Schema describes the object.
func (object) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
}

// maybe is a T or null.
type maybe[T any] struct{ v *T }

// MarshalJSON writes the value.
func (m maybe[T]) MarshalJSON() ([]byte, error) {
	if m.v == nil {
		return []byte("null"), nil
	}
	return jsonBytes(m.v)
}

// Schema describes the value.
func (maybe[T]) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{r.Schema(reflect.TypeFor[T](), true, ""), {Type: "null"}}}
}

func jsonBytes(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("render json: %w", err)
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// File is a file on the wire.
type File struct {
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	Size      int64    `json:"size" doc:"bytes"`
	SHA256    string   `json:"sha256"`
	MediaType string   `json:"media_type"`
	Format    text     `json:"format" doc:"format id; null if no decoder knows it"`
	CreatedAt Stamp    `json:"created_at"`
	Source    string   `json:"source" enum:"api,tus,watch,child,cli"`
	Wrapped   text     `json:"wrapped" doc:"gzip, zstd, zip, tar (also a compressed one); null if it is as it is"`
	Parts     []Part   `json:"parts" nullable:"false" doc:"what its decoder gets of a bundle, in that order; a list of files shows the first 64"`
	PartCount int      `json:"part_count" doc:"of all parts, also where fewer are listed"`
	Decodes   []string `json:"decodes" nullable:"false" doc:"ids of its decodes, the oldest first"`

	Parent maybe[Parent] `json:"parent" doc:"where it was found; null of a file that was delivered"`
}

// Part is a part of a bundle on the wire.
type Part struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

func fileDTO(f catalog.File, decodes []string) File {
	out := File{
		ID: f.ID, Name: f.Name, Size: f.Size, SHA256: f.SHA256, MediaType: f.MediaType, Format: text(f.Format),
		CreatedAt: Stamp(f.CreatedAt), Source: string(f.Source), Wrapped: text(f.Wrapped),
		Parts: make([]Part, 0, len(f.Parts)), Decodes: append([]string{}, decodes...),
	}
	out.Parent.v = parentDTO(f.Parent)
	out.PartCount = max(f.PartCount, len(f.Parts))
	for _, p := range f.Parts {
		out.Parts = append(out.Parts, Part(p))
	}
	return out
}

// Decode is a decode on the wire.
type Decode struct {
	ID         string         `json:"id"`
	FileID     string         `json:"file_id"`
	Decoder    maybe[Decoder] `json:"decoder" doc:"null if no decoder knew the format"`
	Format     text           `json:"format"`
	Params     object         `json:"params"`
	Status     string         `json:"status" enum:"queued,running,done,partial,failed,cancelled"`
	Progress   float64        `json:"progress" minimum:"0" maximum:"1"`
	BytesRead  int64          `json:"bytes_read"`
	Rows       int64          `json:"rows"`
	Tables     []TableCount   `json:"tables" nullable:"false"`
	Issues     Issues         `json:"issues"`
	Error      maybe[Failure] `json:"error" doc:"why it failed or is partial"`
	Children   []string       `json:"children" nullable:"false" doc:"ids of the files it found inside its file; some may be deleted by now"`
	JobID      text           `json:"job_id"`
	Cached     bool           `json:"cached" doc:"the result was there already"`
	CreatedAt  Stamp          `json:"created_at"`
	StartedAt  Stamp          `json:"started_at"`
	FinishedAt Stamp          `json:"finished_at"`
	Duration   *float64       `json:"duration" doc:"seconds from start to end; null until then"`
}

// Decoder names a plugin version on the wire.
type Decoder struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	SHA256  string `json:"sha256"`
}

// TableCount is a table of a decode on the wire.
type TableCount struct {
	Name    string `json:"name"`
	Rows    int64  `json:"rows"`
	Bytes   int64  `json:"bytes"`
	Columns int    `json:"columns"`
}

// Issues counts issues on the wire.
type Issues struct {
	Infos    int64 `json:"infos"`
	Warnings int64 `json:"warnings"`
	Errors   int64 `json:"errors"`
}

// Failure is why a decode failed, on the wire.
type Failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Offset  *int64 `json:"offset"`
}

func decodeDTO(d catalog.Decode) Decode {
	out := Decode{
		ID: d.ID, FileID: d.FileID, Format: text(d.Format), Params: object(d.Params), Status: string(d.Status),
		Progress: d.Progress, BytesRead: d.BytesRead, Rows: d.Rows, Tables: make([]TableCount, 0, len(d.Tables)),
		Issues: Issues(d.Issues), Children: append([]string{}, d.Children...), JobID: text(d.JobID), Cached: d.Cached, CreatedAt: Stamp(d.CreatedAt),
		StartedAt: Stamp(d.StartedAt), FinishedAt: Stamp(d.FinishedAt),
	}
	if d.Decoder != nil {
		dec := Decoder(*d.Decoder)
		out.Decoder.v = &dec
	}
	if d.Error != nil {
		out.Error.v = &Failure{Code: string(d.Error.Code), Message: d.Error.Message, Offset: d.Error.Offset}
	}
	for _, t := range d.Tables {
		out.Tables = append(out.Tables, TableCount{Name: t.Name, Rows: t.Rows, Bytes: t.Bytes, Columns: t.Columns})
	}
	if !d.StartedAt.IsZero() && !d.FinishedAt.IsZero() {
		took := max(0, d.FinishedAt.Sub(d.StartedAt).Seconds())
		out.Duration = &took
	}
	return out
}

// List is one answer of a list.
type List[T any] struct {
	Items      []T    `json:"items" nullable:"false"`
	NextCursor text   `json:"next_cursor" doc:"give it as cursor for what follows; null at the end"`
	Total      *int64 `json:"total" doc:"null where counting would cost a walk over everything"`

	fields []string // of the items; nil = all
}

// MarshalJSON writes the list, with the wanted members of its items.
func (l List[T]) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	err := l.render(&b)
	return b.Bytes(), err
}

// render writes the list. encoding/json would go over what MarshalJSON gives twice more, which is most of the time that a
// list takes.
func (l List[T]) render(b *bytes.Buffer) error {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	b.WriteString(`{"items":[`)
	for i := range l.Items {
		if i > 0 {
			b.WriteByte(',')
		}
		at := b.Len()
		if err := enc.Encode(&l.Items[i]); err != nil {
			return fmt.Errorf("render item: %w", err)
		}
		b.Truncate(b.Len() - 1) // the encoder ends each with a new line
		if l.fields == nil {
			continue
		}
		short, err := trim(nil, b.Bytes()[at:], l.fields)
		if err != nil {
			return err
		}
		b.Truncate(at)
		b.Write(short)
	}
	next, err := l.NextCursor.MarshalJSON()
	if err != nil {
		return err
	}
	b.WriteString(`],"next_cursor":`)
	b.Write(next)
	b.WriteString(`,"total":`)
	b.Write(numberOrNull(l.Total))
	b.WriteByte('}')
	return nil
}

func numberOrNull(n *int64) []byte {
	if n == nil {
		return []byte("null")
	}
	return strconv.AppendInt(nil, *n, 10)
}

// checkFields checks the names that ?fields= gave against the members of T.
func checkFields[T any](fields []string) error { return checkNames(fields, jsonNames[T]()) }

// PageParams are the parameters of every list. Exported for the same reason as IDParam.
type PageParams struct {
	Limit  int      `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"most items of the answer"`
	Cursor string   `query:"cursor" maxLength:"256" doc:"next_cursor of the answer before"`
	Fields []string `query:"fields" nullable:"false" doc:"only these members of the items, separated by commas"`
}
