package sdk

import (
	"errors"
	"io"
)

// NextPart goes on with the next of the files that the input came as, and gives its name; false = there is none, or no
// more rows are wanted, and the input stays as it is. Bytes of the former part that were not read are dropped: a record
// does not lie across the border of two files, what belongs together (a telegram in parts, a stop) may.
//
// A decoder whose format has a Sequence calls it where its input ends, whether well or within a record, until it is
// false; then no part is lost. Offset goes on counting.
func (in *Input) NextPart() (name string, ok bool) {
	parts := in.ses.host.Parts
	if parts == nil || in.ses.stopped || in.ses.err != nil {
		return "", false
	}
	if name, ok = parts.Name(in.part + 1); !ok {
		return "", false
	}
	end, ok := in.partEnd()
	if !ok || !parts.Open(in.part+1) {
		return "", false
	}
	in.part++
	in.start, in.base = end, end
	in.r, in.w, in.err = 0, 0, nil
	return name, true
}

// PartName gives the name of the open part, "" where there is none.
func (in *Input) PartName() string {
	if in.ses.host.Parts == nil {
		return ""
	}
	name, _ := in.ses.host.Parts.Name(in.part)
	return name
}

// PartOffset gives the offset of the open part's first byte: what is to be added to an offset of ReadAt for rows and
// issues.
func (in *Input) PartOffset() int64 { return in.start }

// partEnd gives the offset where the open part ends: its size tells, or reading the rest of it. false = that failed.
func (in *Input) partEnd() (int64, bool) {
	if at := in.ses.host.At; at != nil {
		return in.start + at.Size(), true
	}
	for {
		in.r = in.w
		if err := in.fill(1); err != nil {
			return in.Offset(), errors.Is(err, io.EOF)
		}
	}
}
