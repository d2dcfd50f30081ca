package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/table"
)

const (
	// exportRoute is what the router knows: it has no suffixes of parameters, so one parameter holds table and form.
	exportRoute = "/decodes/{id}/tables/{file}"
	// exportPath is what callers see.
	exportPath = "/decodes/{id}/tables/{table}.{format}"
)

// maxBooks is how many workbooks are written at a time. Each gathers its sheet in a temporary file, of up to 2 GiB, before
// its first byte is sent; who comes later waits.
const maxBooks = 2

type exportInput struct {
	IDParam
	File string `path:"file" maxLength:"80" hidden:"true"`
	FilterParams
	EncodeParams
}

func (s *Server) routeExport(api huma.API) {
	register(s, api, operation{
		id: "export-table", method: http.MethodGet, path: exportRoute, scope: scopeRead,
		summary: "Get a whole table in one of several forms",
		detail: "Takes the filters of rows. A workbook (xlsx) has a second sheet with the units of the columns and holds 1,048,575 rows; more are 422. An unfiltered Parquet table is the stored file, with Range, HEAD and a strong ETag, " +
			"so that DuckDB, pandas and polars read it remotely; everything else is streamed.",
		params: exportParams(),
		answers: map[string]*huma.Response{
			"200": streams("The table", append(mediaTypes(), table.XLSX.MediaType())...),
			"206": streams("A part of the stored Parquet file", table.Parquet.MediaType()),
			"304": {Description: "Not modified"},
		},
	}, s.exportTable)
}

// exportParams are what stands in the last element of the path of a whole table, as the document has it.
func exportParams() []*huma.Param {
	names := make([]any, 0, len(table.ExportFormats()))
	for _, f := range table.ExportFormats() {
		names = append(names, string(f))
	}
	return []*huma.Param{
		{Name: "table", In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}},
		{Name: "format", In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString, Enum: names}},
	}
}

func (s *Server) exportTable(ctx context.Context, in *exportInput) (*huma.StreamResponse, error) {
	name, form, err := splitExport(in.File)
	if err != nil {
		return nil, err
	}
	if form == table.Parquet && in.whole() {
		if done, err := s.exportStored(ctx, in.ID, name); done != nil || err != nil {
			return done, err
		}
	}
	t, err := s.openTable(ctx, in.ID, name)
	if err != nil {
		return nil, err
	}
	q, err := in.query(t.schema)
	if err != nil {
		t.close()
		return nil, err
	}
	stateOf(ctx).stream = true
	saveAs := attachment(s.fileName(ctx, t, form))
	return s.stream(func(c echo.Context) error { //nolint:contextcheck // the request in c carries it
		defer t.close()
		c.Response().Header().Set("Content-Disposition", saveAs)
		if form == table.Parquet && in.whole() {
			return s.serveParquet(c, t) //nolint:contextcheck // the request in c carries it
		}
		tag := s.exportTag(t, form, c.QueryString())
		c.Response().Header().Set("Etag", "W/"+quoteTag(tag, ""))
		if tagMatches(c.Request().Header.Values("If-None-Match"), tag, false) {
			return c.NoContent(http.StatusNotModified)
		}
		return s.sendTable(ctx, c, form, in.options(), func(w io.Writer, opt table.EncodeOptions) error {
			if err := t.reader.Export(ctx, w, form, q, opt); err != nil {
				return fmt.Errorf("export table %s of decode %s: %w", t.entry.Name, t.decode.ID, err)
			}
			return nil
		})
	}), nil
}

// exportStored gives the stored file of a table as it is: nothing of it is read, not even what its columns are. It is nil
// where there is no file.
func (s *Server) exportStored(ctx context.Context, id, name string) (*huma.StreamResponse, error) {
	d, err := s.decodeFor(ctx, id)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(d.Tables, func(e catalog.Table) bool { return e.Name == name })
	if i < 0 || d.Tables[i].Rows == 0 {
		return nil, nil //nolint:nilnil // as said
	}
	t := &stored{decode: d, entry: d.Tables[i]}
	if t.file, err = s.deps.Results.Open(d.ResultKey, name); err != nil {
		return nil, errcode.Wrap(errcode.Internal, err, "the stored table cannot be opened")
	}
	if t.info, err = t.file.Stat(); err != nil {
		t.close()
		return nil, fmt.Errorf("look at the stored table: %w", err)
	}
	stateOf(ctx).stream = true
	saveAs := attachment(s.fileName(ctx, t, table.Parquet))
	return s.stream(func(c echo.Context) error { //nolint:contextcheck // the request in c carries it
		defer t.close()
		c.Response().Header().Set("Content-Disposition", saveAs)
		return s.serveParquet(c, t)
	}), nil
}

// sendTable sends a whole table in a form, which write writes. HEAD gets what is known without that.
func (s *Server) sendTable(ctx context.Context, c echo.Context, form table.Format, opt table.EncodeOptions, write func(io.Writer, table.EncodeOptions) error) error {
	out := s.newTableWriter(c, form.MediaType())
	defer out.end()
	if c.Request().Method == http.MethodHead {
		return out.close()
	}
	if form == table.XLSX {
		select {
		case s.books <- struct{}{}:
			defer func() { <-s.books }()
		case <-ctx.Done():
			return fmt.Errorf("wait for other workbooks: %w", ctx.Err())
		}
	}
	opt.Temp = s.cfg.Temp
	if err := write(out, opt); err != nil {
		return err
	}
	return out.close()
}

// exportTag gives the entity tag, without quotes, of what is made of a stored table: to be sent as a weak one, for two
// makings of it may differ in their bytes.
func (s *Server) exportTag(t *stored, form table.Format, query string) string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n%s\n%s\n%s", s.cfg.Version, storedTag(t), form, query)
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// storedTag names the result, the table and the moment it was written: a forced decode replaces the file under the same
// key.
func storedTag(t *stored) string {
	if t.file == nil {
		return t.decode.ResultKey + "-" + t.entry.Name + "-empty"
	}
	return strings.Join([]string{
		t.decode.ResultKey, t.entry.Name, strconv.FormatInt(t.info.Size(), 36), strconv.FormatInt(t.info.ModTime().UnixNano(), 36),
	}, "-")
}

// splitExport splits {table}.{format}.
func splitExport(file string) (string, table.Format, error) {
	i := strings.LastIndexByte(file, '.')
	if i < 0 {
		return "", "", errcode.New(errcode.NotFound, "there is nothing at this path: a table is {table}.{format} or {table}/rows")
	}
	form, ok := table.ParseExportFormat(file[i+1:])
	if !ok {
		known := make([]string, 0, len(table.ExportFormats()))
		for _, f := range table.ExportFormats() {
			known = append(known, string(f))
		}
		return "", "", errcode.Invalid("format", "%.16q is not one of %s", file[i+1:], strings.Join(known, ", "))
	}
	return file[:i], form, nil
}

// serveParquet serves the stored file.
func (s *Server) serveParquet(c echo.Context, t *stored) error {
	h := c.Response().Header()
	h.Set("Content-Type", table.Parquet.MediaType())
	if t.file == nil {
		content, err := emptyParquet(t.schema)
		if err != nil {
			return err
		}
		size, err := content.Seek(0, io.SeekEnd)
		if err != nil {
			return fmt.Errorf("measure empty table: %w", err)
		}
		h.Set("Etag", strconv.Quote(storedTag(t)+"-"+strconv.FormatInt(size, 36)))
		s.serveRanges(c, time.Time{}, content)
		return nil
	}
	h.Set("Etag", strconv.Quote(storedTag(t)))
	s.serveRanges(c, t.info.ModTime(), t.file)
	return nil
}
