package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
)

// client is one of those who use the appliance at the same time. It does one thing after the other.
type client struct {
	*target
	rnd      *rand.Rand
	lastFile string // id of the file it has stored last: ids ascend
	full     int    // from so many files on one is deleted for each that is stored; 0 = never
}

// uploaded is the answer to an upload.
type uploaded struct {
	File   file    `json:"file"`
	Decode *decode `json:"decode"`
}

// upload stores a new recording of a kind and about n bytes.
func (c *client) upload(ctx context.Context, k kind, n int64, query string) {
	if c.full > 0 && c.book.size() >= c.full {
		c.remove(ctx, func(e *entry) bool { return e.recipe.Kind != large })
	}
	e, err := c.book.send(k, n)
	if err != nil {
		c.tally.broke("runner", "%v", err)
		return
	}
	c.send(ctx, e, query)
}

// send uploads an entry's recording. Once it is acknowledged, it is owed.
func (c *client) send(ctx context.Context, e *entry, query string) *decode {
	body, done := e.recipe.body()
	defer done()
	var up uploaded
	_, err := c.do(ctx, request{
		kind: "upload " + string(e.recipe.Kind) + waits(query), method: http.MethodPost,
		path: "/api/v1/files?name=" + e.name + e.recipe.query() + query, body: body, into: &up,
	}, nil)
	if c.judge(ctx, "upload", err) || err != nil {
		c.tally.add("uploads without acknowledgement", 1)
		return nil // it stays in doubt: even a refusal does not say that nothing was kept
	}
	c.tally.add("uploads acknowledged", 1)
	c.tally.add("bytes acknowledged", e.facts.size)
	if up.Decode == nil {
		c.tally.broke("lost", "upload %s: the answer has no decode", e.name)
		return nil
	}
	c.book.stored(e, up.File.ID, up.Decode.ID)
	if up.File.ID <= c.lastFile {
		c.tally.broke("order", "file %s (%s) came after %s", up.File.ID, e.name, c.lastFile)
	}
	c.lastFile = up.File.ID
	c.checkFile(e, up.File)
	c.checkDecode(e, *up.Decode)
	return up.Decode
}

// waits marks the figures of requests that wait for a decode.
func waits(query string) string {
	if strings.Contains(query, "wait=") {
		return ", decoded"
	}
	return ""
}

// checkFile compares what the appliance recorded of a file with what was sent.
func (c *client) checkFile(e *entry, f file) {
	if f.SHA256 != e.facts.sha || f.Size != e.facts.size || f.Name != e.name {
		c.tally.broke("damaged", "file %s: %s, %d bytes, sha256 %s; sent were %s, %d bytes, %s", f.ID, f.Name, f.Size,
			f.SHA256, e.name, e.facts.size, e.facts.sha)
	}
}

// checkDecode compares a decode that has ended with what it was to become, and books that.
func (c *client) checkDecode(e *entry, d decode) {
	if !d.ended() {
		return
	}
	want := e.recipe.expect()
	code, message := "", ""
	if d.Error != nil {
		code, message = d.Error.Code, d.Error.Message
	}
	if d.Status != want.status || code != want.code {
		c.tally.broke("verdict", "decode %s of %s is %s %s %s, not %s %s", d.ID, e.name, d.Status, code, message, want.status, want.code)
		return
	}
	if d.records() != e.facts.records {
		c.tally.broke("rows", "decode %s of %s has %d records of %d", d.ID, e.name, d.records(), e.facts.records)
		return
	}
	c.book.change(e, func(e *entry) {
		switch {
		case e.rows == 0:
			e.rows = d.Rows
		case e.rows != d.Rows:
			c.tally.broke("rows", "decode %s of %s has %d rows, an earlier look or decode showed %d", d.ID, e.name, d.Rows, e.rows)
		}
		if len(e.decodes) > 0 && e.decodes[0] == d.ID {
			e.final = true
		}
	})
}

// again delivers a stored file once more: that is no new file.
func (c *client) again(ctx context.Context) {
	e := c.book.pick(c.rnd, func(e *entry) bool { return e.facts.size < 2*mib })
	if e == nil {
		return
	}
	defer c.book.release(e)
	body, done := e.recipe.body()
	defer done()
	var up uploaded
	status, err := c.do(ctx, request{
		kind: "upload again", method: http.MethodPost, path: "/api/v1/files?name=" + e.name + e.recipe.query(), body: body, into: &up,
	}, nil)
	if c.judge(ctx, "upload again", err) || err != nil {
		return
	}
	c.tally.add("deliveries repeated", 1)
	v := c.book.view(e)
	switch {
	case status != http.StatusOK || up.File.ID != v.file:
		c.tally.broke("doubled", "%s, stored as %s, was delivered again and became %s (%d)", e.name, v.file, up.File.ID, status)
	case up.Decode == nil || !slices.Contains(v.decodes, up.Decode.ID) && v.doubt == 0:
		c.tally.broke("doubled", "%s was delivered again and got another decode: %+v", e.name, up.Decode)
	}
}

// copy stores the bytes of a stored file under another name: a new file, whose result is there already.
func (c *client) copy(ctx context.Context) {
	e := c.book.pick(c.rnd, func(e *entry) bool { return e.facts.size < 2*mib && e.recipe.Kind != misled })
	if e == nil {
		return
	}
	defer c.book.release(e)
	known := c.book.view(e).final
	twin, err := c.book.sendRecipe(e.recipe)
	if err != nil {
		c.tally.broke("runner", "%v", err)
		return
	}
	if d := c.send(ctx, twin, ""); d != nil && known && e.recipe.Kind != unknown {
		if d.Cached {
			c.tally.add("results reused", 1)
		} else {
			c.tally.add("results not reused", 1)
		}
	}
}

// redecode asks for another decode of a stored file. Not forced, it is given the one that is there.
func (c *client) redecode(ctx context.Context, force bool) {
	e := c.book.pick(c.rnd, func(e *entry) bool {
		return e.final && e.facts.size < 2*mib && e.recipe.Kind != unknown && e.recipe.Kind != misled
	})
	if e == nil {
		return
	}
	defer c.book.release(e)
	v := c.book.view(e)
	payload, err := json.Marshal(map[string]any{"file_id": v.file, "decoder": "rail", "force": force})
	if err != nil {
		c.tally.broke("runner", "%v", err)
		return
	}
	if force {
		c.book.change(e, func(e *entry) { e.doubt++ })
	}
	var d decode
	_, err = c.do(ctx, request{
		kind: "redecode", method: http.MethodPost, path: "/api/v1/decodes", body: strings.NewReader(string(payload)),
		header: map[string]string{"Content-Type": "application/json"}, into: &d,
	}, nil)
	if c.judge(ctx, "redecode", err) || err != nil {
		return
	}
	if !force {
		if v = c.book.view(e); !slices.Contains(v.decodes, d.ID) && v.doubt == 0 {
			c.tally.broke("doubled", "another decode of %s, not forced, became %s", e.name, d.ID)
		}
		return
	}
	c.tally.add("decodes forced", 1)
	c.book.change(e, func(e *entry) {
		e.doubt--
		e.decodes = append(e.decodes, d.ID)
	})
	c.checkDecode(e, d)
}

// remove deletes a random file, and sees that it is gone.
func (c *client) remove(ctx context.Context, ok func(*entry) bool) {
	e := c.book.pickToDelete(c.rnd, ok)
	if e == nil {
		return
	}
	path := "/api/v1/files/" + e.file
	_, err := c.do(ctx, request{kind: "delete", method: http.MethodDelete, path: path}, nil)
	if c.judge(ctx, "delete", err) || err != nil {
		return // it stays in doubt
	}
	c.book.deleted(e)
	c.tally.add("files deleted", 1)
	err = c.get(ctx, "get deleted", path, &file{})
	if err == nil {
		c.tally.broke("undead", "file %s (%s) was deleted and is there", e.file, e.name)
	} else if !isCode(err, "not_found") {
		c.judge(ctx, "get deleted", err)
	}
}

// follow waits for the decode of a file of which no end was seen yet.
func (c *client) follow(ctx context.Context) {
	e := c.book.pick(c.rnd, func(e *entry) bool { return !e.final && len(e.decodes) > 0 })
	if e == nil {
		return
	}
	defer c.book.release(e)
	var d decode
	if err := c.get(ctx, "wait for decode", "/api/v1/decodes/"+c.book.view(e).decodes[0]+"?wait=5", &d); !c.judge(ctx, "wait for decode", err) && err == nil {
		c.checkDecode(e, d)
	}
}

// final waits until a decode has ended.
func (g *target) final(ctx context.Context, id string) (decode, error) {
	for {
		var d decode
		if err := g.get(ctx, "wait for decode", "/api/v1/decodes/"+id+"?wait=10", &d); err != nil {
			return d, err
		}
		if d.ended() {
			return d, nil
		}
		if ctx.Err() != nil {
			return d, fmt.Errorf("wait for decode %s, which is %s: %w", id, d.Status, errors.Join(errStuck, ctx.Err()))
		}
	}
}

// errStuck reports that a decode has not ended within the time given.
var errStuck = errors.New("it has not ended")
