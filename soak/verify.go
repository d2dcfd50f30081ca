package main

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// decodeWait is how long all decodes together may take to end once nobody asks for more: longer than the wait of a
// job that ran at two ends of the process.
const decodeWait = 5 * time.Minute

// verifier compares an appliance with the ledger.
type verifier struct {
	*client
}

func newVerifier(g *target, seed uint64) *verifier {
	return &verifier{&client{target: g, rnd: rand.New(rand.NewPCG(seed, 0x766572))}} //nolint:gosec // not for secrets
}

// sample looks for some files after a restart: the newest, which a crash endangers most, and some others.
func (v *verifier) sample(ctx context.Context, newest, others int) {
	all := v.book.entries()
	picked := slices.Clone(all[max(0, len(all)-newest):])
	for range min(others, len(all)) {
		picked = append(picked, all[v.rnd.IntN(len(all))])
	}
	for _, e := range picked {
		if !v.book.hold(e) {
			continue
		}
		v.look(ctx, e)
		v.book.release(e)
	}
}

// look compares one stored file with the ledger.
func (v *verifier) look(ctx context.Context, e *entry) {
	var f file
	id := v.book.view(e).file
	err := v.get(ctx, "get file", "/api/v1/files/"+id, &f)
	if isCode(err, "not_found") {
		v.tally.broke("lost", "file %s (%s) was acknowledged and is gone", id, e.name)
		return
	}
	if v.judge(ctx, "get file", err) || err != nil {
		return
	}
	v.checkFile(e, f)
	v.checkDecodesOf(e, f)
	v.checkContent(ctx, e, id)
	v.tally.add("files looked at after a restart", 1)
}

// checkDecodesOf compares the decodes that a file has with those that were asked for.
func (v *verifier) checkDecodesOf(e *entry, f file) {
	known := v.book.view(e)
	for _, id := range known.decodes {
		if !slices.Contains(f.Decodes, id) {
			v.tally.broke("lost", "decode %s of file %s (%s) was acknowledged and is gone", id, f.ID, e.name)
		}
	}
	if n, most := len(f.Decodes), max(1, len(known.decodes))+known.doubt; n > most {
		v.tally.broke("doubled", "file %s (%s) has %d decodes, %d were asked for", f.ID, e.name, n, most)
	} else if n == 0 {
		v.tally.broke("lost", "file %s (%s) has no decode", f.ID, e.name)
	}
}

// everything compares all of the appliance with all of the ledger, and books what became of what was in doubt. No
// client may be at work. It reports whether all was looked at.
func (v *verifier) everything(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*decodeWait)
	defer cancel()
	there, ok := v.files(ctx)
	if !ok {
		return false
	}
	decodes, ok := v.decodes(ctx, there)
	if !ok {
		return false
	}
	for _, e := range v.book.entries() {
		f, found := there[e.name]
		if found {
			v.checkFile(e, f)
			v.checkDecodesOf(e, f)
		}
		v.settle(e, f, found)
		if !found {
			continue
		}
		for _, id := range f.Decodes {
			d, ok := decodes[id]
			if !ok {
				v.tally.broke("lost", "decode %s of file %s (%s) is not listed", id, f.ID, e.name)
				continue
			}
			if v.book.view(e).state != deleting || d.Status != "cancelled" {
				v.checkDecode(e, d)
			}
		}
	}
	v.contents(ctx, there)
	v.deleteHalves(ctx, there)
	v.tally.add("files verified", int64(len(there)))
	v.tally.add("decodes verified", int64(len(decodes)))
	return true
}

// files lists all files by name.
func (v *verifier) files(ctx context.Context) (map[string]file, bool) {
	there := map[string]file{}
	err := walk(ctx, v.target, "list files", "/api/v1/files", 1000, func(items []file) bool {
		for _, f := range items {
			if other, twice := there[f.Name]; twice {
				v.tally.broke("doubled", "files %s and %s are both %s", f.ID, other.ID, f.Name)
			}
			there[f.Name] = f
			if v.book.named(f.Name) == nil {
				v.tally.broke("uninvited", "file %s is %s, which nobody sent", f.ID, f.Name)
			}
		}
		return true
	})
	return there, !v.judge(ctx, "list files", err) && err == nil
}

// decodes lists all decodes, and waits for the end of those that have not ended.
func (v *verifier) decodes(ctx context.Context, there map[string]file) (map[string]decode, bool) {
	owners := map[string]bool{}
	for _, f := range there {
		owners[f.ID] = true
	}
	all := map[string]decode{}
	err := walk(ctx, v.target, "list decodes", "/api/v1/decodes", 1000, func(items []decode) bool {
		for _, d := range items {
			if !owners[d.FileID] {
				v.tally.broke("uninvited", "decode %s is of file %s, which is not there", d.ID, d.FileID)
			}
			if _, twice := all[d.ID]; twice {
				v.tally.broke("doubled", "decode %s is listed twice", d.ID)
			}
			all[d.ID] = d
		}
		return true
	})
	if v.judge(ctx, "list decodes", err) || err != nil {
		return nil, false
	}
	wait, cancel := context.WithTimeout(ctx, decodeWait)
	defer cancel()
	for id, d := range all {
		if d.ended() {
			continue
		}
		v.tally.add("decodes waited for", 1)
		ended, err := v.final(wait, id)
		if err == nil {
			all[id] = ended
		} else {
			if wait.Err() != nil && ctx.Err() == nil {
				v.tally.broke("stuck", "decode %s is %s: %v", id, d.Status, err)
				return nil, false
			}
			v.judge(ctx, "wait for decode", err)
		}
	}
	return all, true
}

// settle decides what became of an entry, by what is there now.
func (v *verifier) settle(e *entry, f file, found bool) {
	switch before := v.book.view(e).state; {
	case before == stored && !found:
		v.tally.broke("lost", "file %s (%s) was acknowledged and is gone", e.file, e.name)
	case before == deleted && found:
		v.tally.broke("undead", "file %s (%s) was deleted and is there", f.ID, e.name)
	case before == sent && found:
		v.tally.add("unacknowledged, kept whole", 1)
		first := ""
		if len(f.Decodes) > 0 {
			first = f.Decodes[0]
		}
		v.book.stored(e, f.ID, first)
	case before == sent:
		v.tally.add("unacknowledged, not kept", 1)
		v.book.change(e, func(e *entry) { e.state = deleted })
	case before == deleting && found:
		v.tally.add("deletions cut off, file still there", 1)
	case before == deleting:
		v.book.deleted(e)
	}
	if found {
		v.book.change(e, func(e *entry) { // what was in doubt is known now
			e.decodes, e.doubt = slices.Clone(f.Decodes), 0
		})
	}
}

// deleteHalves asks again for the deletions that were cut off before they were answered.
func (v *verifier) deleteHalves(ctx context.Context, there map[string]file) {
	for _, e := range v.book.entries() {
		f, found := there[e.name]
		if !found || v.book.view(e).state != deleting {
			continue
		}
		_, err := v.do(ctx, request{kind: "delete", method: http.MethodDelete, path: "/api/v1/files/" + f.ID}, nil)
		if !v.judge(ctx, "delete", err) && err == nil {
			v.book.deleted(e)
		}
	}
}

// contents reads all recordings and compares them with what was sent, each content once.
func (v *verifier) contents(ctx context.Context, there map[string]file) {
	work := make(chan file)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for f := range work {
				if e := v.book.named(f.Name); e != nil && !v.tally.hopeless() {
					v.checkContent(ctx, e, f.ID)
				}
			}
		})
	}
	for _, f := range there {
		work <- f
	}
	close(work)
	wg.Wait()
}

// leftovers compares the data folder of an appliance that was stopped in the orderly way with what it listed: nothing
// may be there that no record refers to.
func (v *verifier) leftovers(dir string) {
	want := map[string]bool{}
	for _, e := range v.book.entries() {
		if v.book.view(e).state == stored {
			want[e.facts.sha] = true
		}
	}
	blobs, err := filesBelow(dir + "/blobs")
	if err != nil {
		v.tally.broke("runner", "%v", err)
		return
	}
	for _, path := range blobs {
		if sha := path[:2] + path[3:]; !want[sha] {
			v.tally.broke("left over", "blob %s belongs to no file", path)
		}
		delete(want, path[:2]+path[3:])
	}
	for sha := range want {
		v.tally.broke("lost", "there is no blob %s", sha)
	}
	temps, err := filesBelow(dir + "/tmp")
	if err != nil {
		v.tally.broke("runner", "%v", err)
	}
	if len(temps) > 0 {
		v.tally.broke("left over", "%d temporary files: %v", len(temps), temps[:min(3, len(temps))])
	}
	v.tally.add("blobs on disk", int64(len(blobs)))
}
