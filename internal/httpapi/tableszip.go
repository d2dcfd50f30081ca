package httpapi

import (
	"archive/zip"
	"context"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/table"
)

const zipType = "application/zip"

type tablesZipInput struct {
	IDParam
	Format string `query:"format" enum:"parquet,csv,ndjson,json,arrow" default:"csv" doc:"form of each table"`
}

func (s *Server) routeTablesZip(api huma.API) {
	register(s, api, operation{
		id: "export-tables", method: http.MethodGet, path: "/decodes/{id}/tables.zip", scope: scopeRead,
		summary: "Get all tables of a decode as one zip archive",
		detail:  "One file a table, also of those without rows. It is made while it is sent; memory does not grow with the tables.",
		answers: map[string]*huma.Response{"200": streams("The archive", zipType)},
	}, s.exportTables)
}

func (s *Server) exportTables(ctx context.Context, in *tablesZipInput) (*huma.StreamResponse, error) {
	d, err := s.decodeFor(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	schemas, err := s.deps.Decodes.Schemas(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("get schemas of decode %s: %w", in.ID, err)
	}
	base := d.ID
	if file, err := s.deps.Files.File(ctx, d.FileID); err == nil {
		base = strings.TrimSuffix(file.Name, path.Ext(file.Name))
	}
	stateOf(ctx).stream = true
	return s.stream(func(c echo.Context) error { //nolint:contextcheck // the request in c carries it
		c.Response().Header().Set("Content-Disposition", attachment(base+"-tables.zip"))
		out := s.newTableWriter(c, zipType)
		defer out.end()
		if c.Request().Method == http.MethodHead {
			return out.close()
		}
		if err := s.zipTables(ctx, out, d, schemas, table.Format(in.Format)); err != nil {
			return err
		}
		return out.close()
	}), nil
}

// zipTables writes one table after the other; only one is open at a time.
func (s *Server) zipTables(ctx context.Context, w io.Writer, d catalog.Decode, schemas []*table.Schema, form table.Format) error {
	z := zip.NewWriter(w)
	for i, entry := range d.Tables {
		if i >= len(schemas) {
			break
		}
		t, err := s.openStored(d, entry, schemas[i])
		if err != nil {
			return err
		}
		err = s.zipTable(ctx, z, t, form)
		t.close()
		if err != nil {
			return fmt.Errorf("export table %s of decode %s: %w", entry.Name, d.ID, err)
		}
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("end archive: %w", err)
	}
	return nil
}

func (s *Server) zipTable(ctx context.Context, z *zip.Writer, t *stored, form table.Format) error {
	h := &zip.FileHeader{Name: t.entry.Name + "." + string(form), Method: zip.Deflate}
	if form == table.Parquet {
		h.Method = zip.Store // its pages are compressed
	}
	if t.info != nil {
		h.Modified = t.info.ModTime().UTC()
	}
	w, err := z.CreateHeader(h)
	if err != nil {
		return fmt.Errorf("begin file of archive: %w", err)
	}
	if form == table.Parquet && t.file != nil { // as it is stored, whose metadata says where it comes from
		if _, err := io.Copy(w, contextReader{ctx, io.NewSectionReader(t.file, 0, t.info.Size())}); err != nil {
			return fmt.Errorf("copy stored table: %w", err)
		}
		return nil
	}
	return t.reader.Export(ctx, w, form, table.Query{}, table.EncodeOptions{Temp: s.cfg.Temp}) //nolint:wrapcheck // the caller says what it is for
}

// contextReader ends when its context does.
type contextReader struct {
	ctx context.Context //nolint:containedctx // io.Reader has none
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err //nolint:wrapcheck // the caller says what was read
	}
	return c.r.Read(p) //nolint:wrapcheck // io.EOF has to stay what it is
}
