package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/store"
)

// bareFile and bareDecode are what the appliance answers with, for a handler that does nothing but read and answer.
type bareFile struct {
	ID        string         `json:"id"`
	Name      string         `json:"name"`
	Size      int64          `json:"size"`
	SHA256    string         `json:"sha256"`
	MediaType string         `json:"media_type"`
	Format    string         `json:"format"`
	CreatedAt time.Time      `json:"created_at"`
	Source    string         `json:"source"`
	Wrapped   *string        `json:"wrapped"`
	Parts     []catalog.Part `json:"parts"`
	PartCount int            `json:"part_count"`
	Decodes   []string       `json:"decodes"`
	Parent    *string        `json:"parent"`
}

type bareDecode struct {
	ID         string           `json:"id"`
	FileID     string           `json:"file_id"`
	Decoder    *catalog.Decoder `json:"decoder"`
	Format     string           `json:"format"`
	Params     any              `json:"params"`
	Status     string           `json:"status"`
	Progress   float64          `json:"progress"`
	BytesRead  int64            `json:"bytes_read"`
	Rows       int64            `json:"rows"`
	Tables     []bareTable      `json:"tables"`
	Issues     catalog.Issues   `json:"issues"`
	Error      *string          `json:"error"`
	Children   []string         `json:"children"`
	JobID      string           `json:"job_id"`
	Cached     bool             `json:"cached"`
	CreatedAt  time.Time        `json:"created_at"`
	StartedAt  time.Time        `json:"started_at"`
	FinishedAt time.Time        `json:"finished_at"`
	Duration   float64          `json:"duration"`
}

type bareTable struct {
	Name    string `json:"name"`
	Rows    int64  `json:"rows"`
	Bytes   int64  `json:"bytes"`
	Columns int    `json:"columns"`
}

// serveBare is what the appliance is compared with, in a process of its own: bare Echo handlers that read the same
// records and answer with the same documents, and net/http's server of files. It serves a data folder that no appliance
// has open, until its standard input ends.
func serveBare(dir string) error {
	ctx := context.Background()
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	if _, err := os.Stat(filepath.Join(dir, "db")); err == nil { //nolint:gosec // a folder of the bench's own
		db, err := store.Open(ctx, store.Config{Dir: filepath.Join(dir, "db"), Ballast: -1, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			return fmt.Errorf("open database: %w", err)
		}
		defer func() { _ = db.Close() }()
		cat, err := catalog.Open(db)
		if err != nil {
			return fmt.Errorf("open catalog: %w", err)
		}
		bareRoutes(e, cat)
	}
	e.GET("/static/*", echo.WrapHandler(http.StripPrefix("/static/", http.FileServer(http.Dir(dir)))))
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	fmt.Fprintf(os.Stderr, "ready http://%s\n", l.Addr())
	srv := &http.Server{Handler: e, ReadHeaderTimeout: time.Minute}
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1)) // ends with its parent
		_ = srv.Close()
	}()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

func bareRoutes(e *echo.Echo, cat *catalog.Catalog) {
	e.GET("/api/v1/files/:id", func(c echo.Context) error {
		ctx := c.Request().Context()
		f, err := cat.File(ctx, c.Param("id"))
		if err != nil {
			return fmt.Errorf("get file: %w", err)
		}
		decodes, err := cat.DecodesOf(ctx, f.ID)
		if err != nil {
			return fmt.Errorf("list decodes: %w", err)
		}
		return c.JSON(http.StatusOK, bareFile{
			ID: f.ID, Name: f.Name, Size: f.Size, SHA256: f.SHA256, MediaType: f.MediaType, Format: f.Format, CreatedAt: f.CreatedAt,
			Source: string(f.Source), Parts: []catalog.Part{}, Decodes: decodes,
		})
	})
	e.GET("/api/v1/decodes", func(c echo.Context) error {
		limit, err := strconv.Atoi(c.QueryParam("limit"))
		if err != nil {
			return fmt.Errorf("limit: %w", err)
		}
		all, next, err := cat.Decodes(c.Request().Context(), catalog.DecodeQuery{Limit: limit})
		if err != nil {
			return fmt.Errorf("list decodes: %w", err)
		}
		items := make([]bareDecode, 0, len(all))
		for i := range all {
			d := &all[i]
			out := bareDecode{
				ID: d.ID, FileID: d.FileID, Decoder: d.Decoder, Format: d.Format, Params: d.Params, Status: string(d.Status), Progress: d.Progress,
				BytesRead: d.BytesRead, Rows: d.Rows, Issues: d.Issues, Children: []string{}, JobID: d.JobID, Cached: d.Cached, CreatedAt: d.CreatedAt,
				StartedAt: d.StartedAt, FinishedAt: d.FinishedAt, Duration: d.FinishedAt.Sub(d.StartedAt).Seconds(),
			}
			for _, t := range d.Tables {
				out.Tables = append(out.Tables, bareTable{t.Name, t.Rows, t.Bytes, t.Columns})
			}
			items = append(items, out)
		}
		return c.JSON(http.StatusOK, map[string]any{"items": items, "next_cursor": next, "total": nil})
	})
}
