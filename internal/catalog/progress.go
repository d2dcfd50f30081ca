package catalog

import "time"

// Progress is how far a running decode is. It is kept in memory only.
type Progress struct {
	StartedAt time.Time
	BytesRead int64
	Size      int64 // bytes of the file
	Rows      int64
	Share     float64 // of the whole work, where it is not BytesRead of Size; 0 = it is
}

// SetProgress says that a decode runs and how far it is.
func (c *Catalog) SetProgress(decodeID string, p Progress) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running[decodeID] = p
}

// ClearProgress says that a decode does not run any more.
func (c *Catalog) ClearProgress(decodeID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.running, decodeID)
}

func (c *Catalog) withProgress(d Decode) Decode {
	if d.Status.Final() {
		return d
	}
	c.mu.Lock()
	p, ok := c.running[d.ID]
	c.mu.Unlock()
	if !ok {
		return d
	}
	d.Status, d.StartedAt, d.BytesRead, d.Rows = Running, p.StartedAt, p.BytesRead, p.Rows
	switch {
	case p.Share > 0:
		d.Progress = min(1, p.Share)
	case p.Size > 0:
		d.Progress = min(1, float64(p.BytesRead)/float64(p.Size))
	}
	return d
}
