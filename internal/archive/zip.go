package archive

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/flate"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// Methods of zip entries.
const (
	methodStored   = 0
	methodDeflated = 8
)

// zipEntry is a file of a zip archive.
type zipEntry struct {
	name     string
	method   uint16
	crc      uint32
	packed   int64
	unpacked int64
	header   int64 // place of its local header
	data     int64 // place of its bytes
}

// zip unpacks a zip archive. The directory at its end says what there is; the headers before the entries only have to
// agree with it. Whether entries share bytes, as those of bombs do, is known before anything is unpacked.
func (u *unpacker) zip(size int64) error {
	dir, err := u.zipDirectory(size)
	if err != nil {
		return err
	}
	entries, err := u.zipEntries(dir)
	if err != nil {
		return err
	}
	for i := range entries {
		if err := u.zipPlace(&entries[i], dir); err != nil {
			return err
		}
	}
	if err := checkOverlap(entries); err != nil {
		return err
	}
	for i := range entries {
		if err := u.zipEntry(&entries[i]); err != nil {
			return err
		}
	}
	return nil
}

// checkOverlap refuses entries that share bytes.
func checkOverlap(entries []zipEntry) error {
	order := slices.SortedFunc(slices.Values(entries), func(a, b zipEntry) int { return cmp.Compare(a.header, b.header) })
	for i := 1; i < len(order); i++ {
		if before := &order[i-1]; before.data+before.packed > order[i].header {
			return errcode.Newf(errcode.CorruptRecord, "the archive is refused: its entries %q and %q share bytes",
				shorten(before.name), shorten(order[i].name))
		}
	}
	return nil
}

// zipEntry unpacks one entry. One that is damaged does not keep the next from being read.
func (u *unpacker) zipEntry(e *zipEntry) error {
	skip, err := u.begin(e.name)
	if err != nil {
		return err
	}
	var r io.Reader = io.NewSectionReader(u.source, e.data, e.packed)
	if e.method == methodDeflated {
		r = flate.NewReader(bufio.NewReaderSize(r, readBytes))
	}
	sum := &summed{r: r}
	ended, err := u.copy(io.LimitReader(sum, e.unpacked+1), skip, true)
	if err != nil {
		return err
	}
	switch {
	case ended != nil:
	case sum.n != e.unpacked:
		ended = errors.New("it has another size than the archive says")
	case sum.crc != e.crc:
		ended = errors.New("its checksum is wrong")
	}
	if ended != nil && !skip {
		u.damaged(fmt.Sprintf("entry %q of the zip archive", shorten(e.name)), ended)
	}
	return nil
}

// summed counts and sums up what is read.
type summed struct {
	r   io.Reader
	n   int64
	crc uint32
}

func (s *summed) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.n += int64(n)
	s.crc = crc32.Update(s.crc, crc32.IEEETable, p[:n])
	return n, err //nolint:wrapcheck // io.EOF has to stay what it is
}

const (
	sigLocal     = 0x04034b50
	sigCentral   = 0x02014b50
	sigEnd       = 0x06054b50
	sigEnd64     = 0x06064b50
	sigLocator64 = 0x07064b50

	localBytes     = 30
	centralBytes   = 46
	endBytes       = 22
	end64Bytes     = 56
	locator64Bytes = 20

	flagEncrypted = 1<<0 | 1<<6 | 1<<13
	flagUTF8      = 1 << 11

	all16 = 1<<16 - 1
	all32 = 1<<32 - 1
)

// zipDir is where the directory of an archive lies.
type zipDir struct {
	entries uint64
	start   int64
	size    int64
	base    int64 // what is to be added to every place that the archive names
}

func zipBroken(why string) error {
	return errcode.New(errcode.CorruptRecord, "the zip archive is damaged: "+why)
}

// read reads n bytes of the archive.
func (u *unpacker) read(at, n int64, what string) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(io.NewSectionReader(u.source, at, n), b); err != nil {
		if u.source.err != nil {
			return nil, fmt.Errorf("read input: %w", u.source.err)
		}
		return nil, zipBroken(what + " lies outside of it")
	}
	return b, nil
}

// zipDirectory finds the directory by the record at the end of the archive.
func (u *unpacker) zipDirectory(size int64) (zipDir, error) {
	tail, err := u.read(max(0, size-endBytes-all16), min(size, endBytes+all16), "its end")
	if err != nil {
		return zipDir{}, err
	}
	at := findEnd(tail)
	if at < 0 {
		return zipDir{}, errcode.New(errcode.Truncated, "the zip archive was cut off: its directory, which is at its end, is missing")
	}
	end, place := tail[at:], size-int64(len(tail))+int64(at)
	le := binary.LittleEndian
	disk, dirDisk := le.Uint16(end[4:]), le.Uint16(end[6:])
	dir := zipDir{entries: uint64(le.Uint16(end[10:])), size: int64(le.Uint32(end[12:])), start: int64(le.Uint32(end[16:]))}
	before := place // where the directory ends
	if dir.entries == all16 || dir.size == all32 || dir.start == all32 {
		if place, err = u.zip64End(&dir, place); err != nil {
			return zipDir{}, err
		}
		if place >= 0 {
			before, disk, dirDisk = place, 0, 0 // zip64End has checked them
		}
	}
	if disk != 0 || dirDisk != 0 {
		return zipDir{}, errcode.New(errcode.Unsupported, "the zip archive is one of several volumes")
	}
	if dir.size < 0 || dir.start < 0 || dir.size > before || dir.start > before-dir.size {
		return zipDir{}, zipBroken("its directory lies outside of it")
	}
	dir.base = before - dir.size - dir.start // bytes before the archive
	dir.start += dir.base
	return dir, u.counted(int(min(dir.entries, 1<<31-1)))
}

// findEnd finds the end record in the last bytes of an archive. What follows it is its comment; bytes that do not belong
// to it are tolerated where no record fits exactly.
func findEnd(tail []byte) int {
	loose := -1
	for i := len(tail) - endBytes; i >= 0; i-- {
		if binary.LittleEndian.Uint32(tail[i:]) != sigEnd {
			continue
		}
		comment := int(binary.LittleEndian.Uint16(tail[i+20:]))
		if i+endBytes+comment == len(tail) {
			return i
		}
		if loose < 0 && i+endBytes+comment < len(tail) {
			loose = i
		}
	}
	return loose
}

// zip64End reads the end record of a large archive and gives its place, -1 if there is none.
func (u *unpacker) zip64End(dir *zipDir, end int64) (int64, error) {
	if end < locator64Bytes {
		return -1, nil
	}
	le := binary.LittleEndian
	loc, err := u.read(end-locator64Bytes, locator64Bytes, "its end")
	if err != nil {
		return 0, err
	}
	if le.Uint32(loc) != sigLocator64 {
		return -1, nil // the numbers are what they are
	}
	place := int64(le.Uint64(loc[8:]))
	if place < 0 || place > end-locator64Bytes-end64Bytes {
		return 0, zipBroken("its zip64 record lies outside of it")
	}
	b, err := u.read(place, end64Bytes, "its zip64 record")
	if err != nil {
		return 0, err
	}
	switch {
	case le.Uint32(b) != sigEnd64:
		return 0, zipBroken("its zip64 record is missing")
	case le.Uint32(loc[4:]) != 0 || le.Uint32(loc[16:]) > 1 || le.Uint32(b[16:]) != 0 || le.Uint32(b[20:]) != 0:
		return 0, errcode.New(errcode.Unsupported, "the zip archive is one of several volumes")
	}
	dir.entries, dir.size, dir.start = le.Uint64(b[32:]), int64(le.Uint64(b[40:])), int64(le.Uint64(b[48:]))
	return place, nil
}

// zipEntries reads the directory: all files, without folders.
func (u *unpacker) zipEntries(dir zipDir) ([]zipEntry, error) {
	r := bufio.NewReaderSize(io.NewSectionReader(u.source, dir.start, dir.size), readBytes)
	var out []zipEntry
	var head [centralBytes]byte
	for range dir.entries {
		if _, err := io.ReadFull(r, head[:]); err != nil || binary.LittleEndian.Uint32(head[:]) != sigCentral {
			return nil, zipBroken("its directory has fewer entries than it says")
		}
		le := binary.LittleEndian
		nameLen, extraLen, commentLen := int(le.Uint16(head[28:])), int(le.Uint16(head[30:])), int(le.Uint16(head[32:]))
		rest := make([]byte, nameLen+extraLen+commentLen)
		if _, err := io.ReadFull(r, rest); err != nil {
			return nil, zipBroken("its directory is cut off")
		}
		e, take, err := parseCentral(head[:], rest[:nameLen], rest[nameLen:nameLen+extraLen])
		if err != nil {
			return nil, err
		}
		if take {
			e.header += dir.base
			out = append(out, e)
		}
	}
	if _, err := r.ReadByte(); err == nil {
		return nil, zipBroken("its directory has more entries than it says")
	}
	return out, nil
}

// parseCentral reads an entry of the directory; take is false for folders.
func parseCentral(head, rawName, extra []byte) (e zipEntry, take bool, err error) {
	le := binary.LittleEndian
	flags := le.Uint16(head[8:])
	name := zipName(rawName, flags)
	refuse := func(why string) (zipEntry, bool, error) {
		return e, false, errcode.Newf(errcode.Unsupported, "the archive is refused: %q %s", shorten(name), why)
	}
	folder := strings.HasSuffix(name, "/")
	if e.name, err = CleanName(name); err != nil {
		return e, false, err
	}
	if creator := head[5]; creator == 3 || creator == 19 { // Unix and macOS say what it is
		switch mode := le.Uint32(head[38:]) >> 16; mode & 0o170000 {
		case 0, 0o100000:
		case 0o040000:
			folder = true
		case 0o120000:
			return refuse("is a link")
		default:
			return refuse("is neither a file nor a folder")
		}
	}
	if folder {
		return e, false, nil
	}
	e.method, e.crc = le.Uint16(head[10:]), le.Uint32(head[16:])
	switch {
	case flags&flagEncrypted != 0:
		return refuse("is encrypted")
	case e.method != methodStored && e.method != methodDeflated:
		return refuse(fmt.Sprintf("is packed by method %d, known are 0 (stored) and 8 (deflate)", e.method))
	}
	e.packed, e.unpacked, e.header = int64(le.Uint32(head[20:])), int64(le.Uint32(head[24:])), int64(le.Uint32(head[42:]))
	zip64(extra, &e.unpacked, &e.packed, &e.header)
	if e.packed < 0 || e.unpacked < 0 || e.header < 0 || e.unpacked == 1<<63-1 {
		return e, false, zipBroken("the directory entry of " + fmt.Sprintf("%q", shorten(name)) + " makes no sense")
	}
	return e, true, nil
}

// zip64 replaces the numbers that do not fit their fields by those of the extra field.
func zip64(extra []byte, fields ...*int64) {
	le := binary.LittleEndian
	for len(extra) >= 4 {
		id, n := le.Uint16(extra), int(le.Uint16(extra[2:]))
		extra = extra[4:]
		if n > len(extra) {
			return
		}
		if id == 1 {
			b := extra[:n]
			for _, f := range fields {
				if *f == all32 && len(b) >= 8 {
					*f = int64(le.Uint64(b))
					b = b[8:]
				}
			}
			return
		}
		extra = extra[n:]
	}
}

// zipPlace finds the bytes of an entry behind its local header, which has to agree with the directory.
func (u *unpacker) zipPlace(e *zipEntry, dir zipDir) error {
	what := fmt.Sprintf("the entry %q", shorten(e.name))
	if e.header > dir.start-localBytes {
		return zipBroken(what + " lies outside of it")
	}
	h, err := u.read(e.header, localBytes, what)
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	if le.Uint32(h) != sigLocal {
		return zipBroken(what + " is not where the directory says")
	}
	nameLen := int64(le.Uint16(h[26:]))
	e.data = e.header + localBytes + nameLen + int64(le.Uint16(h[28:]))
	if e.data > dir.start || e.packed > dir.start-e.data {
		return zipBroken(what + " lies outside of it")
	}
	raw, err := u.read(e.header+localBytes, nameLen, what)
	if err != nil {
		return err
	}
	name, err := CleanName(zipName(raw, le.Uint16(h[6:])))
	if err != nil || name != e.name || le.Uint16(h[8:]) != e.method {
		return zipBroken(what + " is another one than the directory says")
	}
	return nil
}

// zipName gives the name of an entry: UTF-8 where it is marked or valid as such, else the code page that the format
// was made with.
func zipName(raw []byte, flags uint16) string {
	if flags&flagUTF8 != 0 || utf8.Valid(raw) {
		return string(raw)
	}
	high := []rune(cp437)
	var b strings.Builder
	for _, c := range raw {
		if c < 0x80 {
			b.WriteByte(c)
		} else {
			b.WriteRune(high[c-0x80])
		}
	}
	return b.String()
}

// cp437 is the upper half of code page 437.
const cp437 = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0"
