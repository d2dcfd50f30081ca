package archive

import (
	"archive/tar"
	"errors"
	"io"
	"strings"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// tar unpacks a tar archive.
func (u *unpacker) tar(r io.Reader) error {
	at := &position{r: r}
	t := tar.NewReader(at)
	next := int64(0) // where the next header begins
	for n := 1; ; n++ {
		h, err := t.Next()
		switch {
		case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			if at.n < next+tarBlock {
				u.damaged("the tar archive", io.ErrUnexpectedEOF)
				return nil
			}
			return u.rest(r)
		case fatal(err) != nil:
			return fatal(err)
		case err != nil:
			u.damaged("the tar archive", err)
			return nil
		}
		next = (at.n + h.Size + tarBlock - 1) / tarBlock * tarBlock
		if err := u.counted(n); err != nil {
			return err
		}
		name, take, err := tarEntry(h)
		if err != nil {
			return err
		}
		if !take {
			continue
		}
		skip, err := u.begin(name)
		if err != nil {
			return err
		}
		ended, err := u.copy(t, skip, false)
		if err != nil {
			return err
		}
		if ended != nil {
			u.damaged("the tar archive", ended)
			return nil
		}
	}
}

// position counts what is read. At least one block of zeros ends an archive: the parser takes one that ends without it,
// as one does that was cut between two of its files, for whole.
type position struct {
	r io.Reader
	n int64
}

func (p *position) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.n += int64(n)
	return n, err //nolint:wrapcheck // io.EOF has to stay what it is
}

// rest reads what a stream holds behind the archive in it, so that a cut and a wrong checksum at its end are seen.
func (u *unpacker) rest(r io.Reader) error {
	ended, err := u.copy(r, true, false)
	if err == nil && ended != nil {
		u.damaged("the stream around the tar archive", ended)
	}
	return err
}

// tarEntry checks an entry and gives its name, and whether it is a file to unpack.
func tarEntry(h *tar.Header) (name string, take bool, err error) {
	switch h.Typeflag {
	case tar.TypeXGlobalHeader:
		return "", false, nil
	case tar.TypeDir:
		if strings.Trim(h.Name, "./") == "" && !strings.Contains(h.Name, "..") && !strings.HasPrefix(h.Name, "/") {
			return "", false, nil // the folder that was packed
		}
		_, err := CleanName(h.Name)
		return "", false, err
	case tar.TypeReg, tar.TypeCont:
	default:
		return "", false, errcode.Newf(errcode.Unsupported, "the archive is refused: %q is %s", shorten(h.Name), tarType(h.Typeflag))
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return "", false, errcode.Newf(errcode.Unsupported, "the archive is refused: %q is a sparse file", shorten(h.Name))
		}
	}
	name, err = CleanName(h.Name)
	return name, true, err
}

func tarType(flag byte) string {
	switch flag {
	case tar.TypeLink, tar.TypeSymlink:
		return "a link"
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		return "a device"
	case tar.TypeGNUSparse:
		return "a sparse file"
	}
	return "neither a file nor a folder"
}
