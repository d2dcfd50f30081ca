package wire

import "github.com/wayside-edge/wayside/internal/errcode"

// Note is an issue that the host adds to those of the guest.
type Note struct {
	Severity byte   `json:"severity"` // as in abi.Severity
	Offset   *int64 `json:"offset,omitempty"`
	Code     string `json:"code"`
	Message  string `json:"message"`
}

// Unpack asks an unpack worker to unwrap a file; its files are the input and an empty file for the output.
type Unpack struct {
	Size    int64 `json:"size"`
	Ratio   int64 `json:"ratio"`   // unpacked bytes for each packed one
	Base    int64 `json:"base"`    // plus
	Entries int   `json:"entries"` // most entries of an archive
	Most    int64 `json:"most"`    // unpacked bytes whatever the ratio, 0 = as many as that allows
	Room    int64 `json:"room"`    // bytes that the output may have, 0 = as many as come: beyond it the disk is full
	Heads   int64 `json:"heads"`   // only so many bytes of the stream, or of each entry, go into the output; 0 = all
}

// UnpackedPart is an entry of an archive. The output holds the kept bytes of all of them back to back.
type UnpackedPart struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	Kept   int64  `json:"kept"`
	SHA256 string `json:"sha256"` // hex, of all its bytes
}

// Damage is something wrong in the input, after At unpacked bytes.
type Damage struct {
	Code    errcode.Code `json:"code"`
	Message string       `json:"message"`
	At      int64        `json:"at"`
	Ignored bool         `json:"ignored,omitempty"` // nothing is lost by it
}

// Unpacked is the answer to Unpack.
type Unpacked struct {
	Wrapped string         `json:"wrapped"` // gzip, zstd, zip, tar; "" = the input is not wrapped, and nothing was written
	Bundle  bool           `json:"bundle"`  // Parts is what it holds, not a stream
	Parts   []UnpackedPart `json:"parts,omitempty"`
	Written int64          `json:"written"`
	Cost    int64          `json:"cost"` // bytes that were unpacked, also those that were not written
	Hidden  int            `json:"hidden"`
	Damage  []Damage       `json:"damage,omitempty"`
	Refused *Verdict       `json:"refused,omitempty"` // nothing of the output is to be used
	Failed  *Verdict       `json:"failed,omitempty"`  // no verdict: reading or writing failed
}
