package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"
)

// answerLimit bounds one answer that the demo reads.
const answerLimit = 16 << 20

// client calls the HTTP API at base.
type client struct{ base string }

// upload is the answer to an upload; only what the demo shows.
type upload struct {
	File struct {
		ID     string `json:"id"`
		Name   string `json:"name"`
		Size   int64  `json:"size"`
		SHA256 string `json:"sha256"`
		Format string `json:"format"`
	} `json:"file"`
	Decode decode `json:"decode"`
}

type decode struct {
	ID      string `json:"id"`
	Status  string `json:"status"`
	Decoder *struct {
		ID      string `json:"id"`
		Version string `json:"version"`
	} `json:"decoder"`
	Rows     int64   `json:"rows"`
	Duration float64 `json:"duration"`
	Tables   []struct {
		Name    string `json:"name"`
		Rows    int64  `json:"rows"`
		Bytes   int64  `json:"bytes"`
		Columns int    `json:"columns"`
	} `json:"tables"`
	Issues struct {
		Infos    int64 `json:"infos"`
		Warnings int64 `json:"warnings"`
		Errors   int64 `json:"errors"`
	} `json:"issues"`
	Error *struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// rows is a page of a table.
type rows struct {
	Columns []json.RawMessage   `json:"columns"`
	Rows    [][]json.RawMessage `json:"rows"`
}

// show uploads the recording and prints what became of it.
func (d *demo) show(ctx context.Context, c client) error {
	ctx, cancel := context.WithTimeout(ctx, decodeLimit)
	defer cancel()
	up, err := c.upload(ctx, d.recording)
	if err != nil {
		return err
	}
	for up.Decode.Status == "queued" || up.Decode.Status == "running" {
		if err := c.get(ctx, "/api/v1/decodes/"+up.Decode.ID+"?wait=30", &up.Decode); err != nil {
			return fmt.Errorf("wait for the decode: %w", err)
		}
	}
	printDecode(d.out, up)
	if up.Decode.Status != "done" {
		reason := "no reason given"
		if e := up.Decode.Error; e != nil {
			reason = e.Code + ": " + e.Message
		}
		return fmt.Errorf("the decode is %s, not done (%s)", up.Decode.Status, reason)
	}
	if err := d.telegrams(ctx, c, up.Decode.ID); err != nil {
		return err
	}
	printURLs(d.out, c.base, up)
	return nil
}

// telegrams prints the first rows of the table telegrams.
func (d *demo) telegrams(ctx context.Context, c client, id string) error {
	const columns = "seq,time,location_m,speed_kmh,nid_c,nid_bg,n_pig,packets,status"
	var page rows
	query := url.Values{"limit": {"5"}, "columns": {columns}}
	if err := c.get(ctx, "/api/v1/decodes/"+id+"/tables/telegrams/rows?"+query.Encode(), &page); err != nil {
		return fmt.Errorf("read the first telegrams: %w", err)
	}
	if len(page.Rows) == 0 {
		return errors.New("the table telegrams has no rows")
	}
	fmt.Fprintf(d.out, "\nFirst balise telegrams\n")
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, col := range page.Columns {
		fmt.Fprintf(w, "%s\t", columnName(col))
	}
	fmt.Fprintln(w)
	for _, row := range page.Rows {
		for _, cell := range row {
			fmt.Fprintf(w, "%s\t", cellText(cell))
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush() // a strings.Builder takes everything
	for line := range strings.Lines(text.String()) {
		fmt.Fprintln(d.out, strings.TrimRight(line, " \n"))
	}
	return nil
}

// columnName gives the name of a column, which the API describes as an object or names as a string.
func columnName(raw json.RawMessage) string {
	var described struct {
		Name string `json:"name"`
		Unit string `json:"unit"`
	}
	if json.Unmarshal(raw, &described) == nil && described.Name != "" {
		return described.Name
	}
	return cellText(raw)
}

// cellText gives a value as a person reads it: a string without its quotes, a number with all its digits.
func cellText(raw json.RawMessage) string {
	if text := string(raw); text == "null" || text == `""` {
		return "-"
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

func printDecode(out io.Writer, up upload) {
	dec := "none"
	if up.Decode.Decoder != nil {
		dec = up.Decode.Decoder.ID + " " + up.Decode.Decoder.Version
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "File\t%s, %d bytes, sha256 %.12s…\n", up.File.Name, up.File.Size, up.File.SHA256)
	fmt.Fprintf(w, "Format\t%s\n", up.File.Format)
	fmt.Fprintf(w, "Decoder\t%s\n", dec)
	fmt.Fprintf(w, "Status\t%s\n", up.Decode.Status)
	fmt.Fprintf(w, "Duration\t%s\n", time.Duration(up.Decode.Duration*float64(time.Second)).Round(100*time.Microsecond))
	fmt.Fprintf(w, "Issues\terrors %d, warnings %d, infos %d\n",
		up.Decode.Issues.Errors, up.Decode.Issues.Warnings, up.Decode.Issues.Infos)
	_ = w.Flush()

	width := len("Tables")
	for _, t := range up.Decode.Tables {
		width = max(width, len(t.Name))
	}
	fmt.Fprintf(out, "\n%-*s  %10s  %7s  %13s\n", width, "Tables", "rows", "columns", "Parquet bytes")
	for _, t := range up.Decode.Tables {
		fmt.Fprintf(out, "%-*s  %10d  %7d  %13d\n", width, t.Name, t.Rows, t.Columns, t.Bytes)
	}
}

func printURLs(out io.Writer, base string, up upload) {
	decode := base + "/api/v1/decodes/" + up.Decode.ID
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "\nWhere it is")
	for _, u := range [][2]string{
		{"file", base + "/api/v1/files/" + up.File.ID},
		{"decode", decode},
		{"tables", decode + "/tables"},
		{"Parquet", decode + "/tables/telegrams.parquet"},
		{"CSV", decode + "/tables/telegrams.csv"},
		{"OpenAPI", base + "/api/v1/openapi.json"},
		{"health", base + "/health"},
		{"metrics", base + "/metrics"},
	} {
		fmt.Fprintf(w, "  %s\t%s\n", u[0], u[1])
	}
	_ = w.Flush()
}

// upload sends the file at path as the body of one request and waits for its decode.
func (c client) upload(ctx context.Context, path string) (upload, error) {
	var up upload
	f, err := os.Open(path)
	if err != nil {
		return up, fmt.Errorf("open the recording: %w", err)
	}
	defer f.Close()
	query := url.Values{"name": {filepath.Base(path)}, "wait": {"30"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/api/v1/files?"+query.Encode(), f)
	if err != nil {
		return up, fmt.Errorf("upload %s: %w", path, err)
	}
	if info, err := f.Stat(); err == nil {
		req.ContentLength = info.Size()
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	if err := c.do(req, &up); err != nil {
		return up, fmt.Errorf("upload %s: %w", path, err)
	}
	return up, nil
}

// get reads path into v.
func (c client) get(ctx context.Context, path string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, http.NoBody)
	if err != nil {
		return fmt.Errorf("GET %s: %w", path, err)
	}
	if err := c.do(req, v); err != nil {
		return fmt.Errorf("GET %s: %w", path, err)
	}
	return nil
}

// do sends req and reads the answer into v; an answer that is not 2xx is an error with what the problem says.
func (c client) do(req *http.Request, v any) error {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("send the request: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, answerLimit))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if resp.StatusCode/100 != 2 {
		var problem struct {
			Detail string `json:"detail"`
			Code   string `json:"code"`
		}
		if json.Unmarshal(body, &problem) == nil && problem.Code != "" {
			return fmt.Errorf("%s: %s (%s)", resp.Status, problem.Detail, problem.Code)
		}
		return fmt.Errorf("%s: %.200s", resp.Status, strings.TrimSpace(string(body)))
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}
