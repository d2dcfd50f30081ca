package client

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// File is a recording that an appliance keeps.
type File struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Size      int64     `json:"size"` // bytes
	SHA256    string    `json:"sha256"`
	MediaType string    `json:"media_type"`
	Format    string    `json:"format"` // "" = no decoder knows it
	CreatedAt time.Time `json:"created_at,omitzero"`
	Source    string    `json:"source"`     // api, tus, watch, child or cli
	Wrapped   string    `json:"wrapped"`    // gzip, zstd, zip, tar; "" = it is as it is
	Parts     []Part    `json:"parts"`      // of a bundle; the first 64 in lists
	PartCount int       `json:"part_count"` // of all parts
	Decodes   []string  `json:"decodes"`    // ids, the oldest first
	Parent    *Parent   `json:"parent"`     // nil = it was delivered

	// Raw is the answer of the appliance, with what this version of the client does not know.
	Raw json.RawMessage `json:"-"`
}

// Part is a part of a bundle.
type Part struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Parent says where a file was found: inside another one.
type Parent struct {
	FileID   string `json:"file_id"`
	DecodeID string `json:"decode_id"` // it may be deleted by now
	Depth    int    `json:"depth"`     // 1 = found in a file that was delivered
}

// UnmarshalJSON reads the file and keeps the document.
func (f *File) UnmarshalJSON(b []byte) error {
	type plain File
	return keepRaw(b, (*plain)(f), &f.Raw)
}

// keepRaw reads a document into v, and the document itself into raw.
func keepRaw(b []byte, v any, raw *json.RawMessage) error {
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("read document: %w", err)
	}
	*raw = append(json.RawMessage(nil), b...)
	return nil
}

// Upload is a recording that is to be stored.
type Upload struct {
	Name    string            // file name; the appliance keeps its last element
	Body    io.Reader         // read once, never held in memory
	Size    int64             // of Body; -1 = not known
	Decoder string            // plugin or format id, "" = the content decides
	Params  map[string]string // of the decoder
	Store   bool              // store only, decode nothing
	Force   bool              // decode anew even where a result exists
	Wait    time.Duration     // for the end of the decode, at most 30 s

	// Key (may be empty) makes a call that is made again within 24 h give the same answer.
	Key string
}

// Accepted is a file that was taken in, and its decode.
type Accepted struct {
	File     File    `json:"file"`
	Decode   *Decode `json:"decode"` // nil = none was asked for
	Existing bool    `json:"-"`      // file and decode were there already

	Raw json.RawMessage `json:"-"` // the answer of the appliance
}

// UnmarshalJSON reads the answer and keeps the document.
func (a *Accepted) UnmarshalJSON(b []byte) error {
	type plain Accepted
	return keepRaw(b, (*plain)(a), &a.Raw)
}

// query gives the parameters that say how a recording is decoded.
func (u *Upload) query() url.Values {
	q := decodeQuery(u.Name, u.Decoder, u.Params)
	if u.Store {
		q.Set("decode", "false")
	}
	if u.Force {
		q.Set("force", "true")
	}
	if u.Wait > 0 {
		q.Set("wait", seconds(u.Wait))
	}
	return q
}

func decodeQuery(name, decoder string, params map[string]string) url.Values {
	q := url.Values{}
	if name != "" {
		q.Set("name", name)
	}
	if decoder != "" {
		q.Set("decoder", decoder)
	}
	for k, v := range params {
		q.Set("param."+k, v)
	}
	return q
}

// Upload stores a recording. It is durable when this returns; the decode goes on by itself.
func (c *Client) Upload(ctx context.Context, u Upload) (a Accepted, err error) {
	r := bytesRequest("/files", u.query(), u.Body, u.Size)
	r.header = keyHeader(u.Key)
	status, err := c.do(ctx, r, &a)
	a.Existing = status == http.StatusOK
	return a, err
}

// bytesRequest makes a call with a recording as its body.
func bytesRequest(path string, q url.Values, body io.Reader, size int64) request {
	if size == 0 {
		body = http.NoBody // else net/http takes the size for unknown
	}
	return request{method: http.MethodPost, path: path, query: q, body: body, size: size, mediaType: "application/octet-stream"}
}

// FileList asks for a page of files. Zero fields select all.
type FileList struct {
	Name   string // contained in the name, whatever the case
	Format string
	SHA256 string
	Source string
	Parent string // id of the file in which they were found
	Page
}

// Page says which part of a list is wanted.
type Page struct {
	Limit  int // 0 = 100, at most 1,000
	Cursor string
	Fields []string // only these members of Raw; nil = all
}

func (p Page) query(filter map[string]string) url.Values {
	q := url.Values{}
	for name, v := range filter {
		if v != "" {
			q.Set(name, v)
		}
	}
	if p.Limit > 0 {
		q.Set("limit", strconv.Itoa(p.Limit))
	}
	if p.Cursor != "" {
		q.Set("cursor", p.Cursor)
	}
	if len(p.Fields) > 0 {
		q.Set("fields", joinNames(p.Fields))
	}
	return q
}

// Files lists files, the newest first; next is the cursor of the page that follows, "" at the end.
func (c *Client) Files(ctx context.Context, l FileList) (files []File, next string, err error) {
	return getPage[File](ctx, c, "/files", l.query(map[string]string{
		"name": l.Name, "format": l.Format, "sha256": l.SHA256, "source": l.Source, "parent": l.Parent,
	}))
}

// getPage asks for one page of a list.
func getPage[T any](ctx context.Context, c *Client, path string, q url.Values) (items []T, next string, err error) {
	var out struct {
		Items []T    `json:"items"`
		Next  string `json:"next_cursor"`
	}
	err = c.get(ctx, path, q, &out)
	return out.Items, out.Next, err
}

// File gives a file.
func (c *Client) File(ctx context.Context, id string) (f File, err error) {
	err = c.get(ctx, filePath(id), nil, &f)
	return f, err
}

// DeleteFile deletes a file with its decodes, their tables and the files found inside.
func (c *Client) DeleteFile(ctx context.Context, id string) error {
	return c.act(ctx, http.MethodDelete, filePath(id), nil)
}

// Content opens the bytes of a file from an offset on; the caller closes them.
func (c *Client) Content(ctx context.Context, id string, offset int64) (io.ReadCloser, error) {
	r := request{method: http.MethodGet, path: filePath(id) + "/content"}
	if offset > 0 {
		r.header = http.Header{"Range": {"bytes=" + strconv.FormatInt(offset, 10) + "-"}}
	}
	res, err := c.stream(ctx, r)
	if err != nil {
		return nil, err
	}
	if offset > 0 && res.StatusCode != http.StatusPartialContent {
		_ = res.Body.Close()
		return nil, fmt.Errorf("read the bytes of file %s: the server answers %d where a part was asked for", id, res.StatusCode)
	}
	return whole(res), nil
}

// Bytes is a piece of a file.
type Bytes struct {
	Offset int64
	Size   int64 // of the whole, without its wrapping
	Data   []byte
	Raw    json.RawMessage // the answer of the appliance
}

// UnmarshalJSON reads the hexadecimal digits.
func (b *Bytes) UnmarshalJSON(data []byte) error {
	var p struct {
		Offset int64  `json:"offset"`
		Size   int64  `json:"size"`
		Hex    string `json:"hex"`
	}
	if err := keepRaw(data, &p, &b.Raw); err != nil {
		return err
	}
	raw, err := hex.DecodeString(p.Hex)
	if err != nil {
		return fmt.Errorf("read bytes: %w", err)
	}
	b.Offset, b.Size, b.Data = p.Offset, p.Size, raw
	return nil
}

// Hex gives bytes of a file as its decoder sees them, at most 1 MiB; raw: as they are stored.
func (c *Client) Hex(ctx context.Context, id string, offset, length int64, raw bool) (b Bytes, err error) {
	q := url.Values{"offset": {strconv.FormatInt(offset, 10)}, "length": {strconv.FormatInt(length, 10)}}
	if raw {
		q.Set("raw", "true")
	}
	err = c.get(ctx, filePath(id)+"/hex", q, &b)
	return b, err
}

// Detection is what a recording was recognised as.
type Detection struct {
	Format     string      `json:"format"`
	Decoder    string      `json:"decoder"`    // plugin id
	Confidence float64     `json:"confidence"` // 0–1
	Candidates []Candidate `json:"candidates"` // the best first

	Raw json.RawMessage `json:"-"` // the answer of the appliance
}

// Candidate is one thing that a recording may be.
type Candidate struct {
	Format     string  `json:"format"`
	Decoder    string  `json:"decoder"`
	Confidence float64 `json:"confidence"`
}

// UnmarshalJSON reads the answer and keeps the document.
func (d *Detection) UnmarshalJSON(b []byte) error {
	type plain Detection
	return keepRaw(b, (*plain)(d), &d.Raw)
}

// Detect finds out what a recording is; nothing is stored. All of it is to be given, since its size counts, and what it
// is wrapped in is looked into. What no decoder knows is an *Error with code unknown_format.
func (c *Client) Detect(ctx context.Context, name string, body io.Reader, size int64) (d Detection, err error) {
	_, err = c.do(ctx, bytesRequest("/detect", decodeQuery(name, "", nil), body, size), &d)
	return d, err
}

func filePath(id string) string { return "/files/" + url.PathEscape(id) }
