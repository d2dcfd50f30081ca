package wire

// Issue codes of sub-files that were left out.
const (
	ChildDepth   = "child_depth"   // they lie too deep inside each other
	ChildLimit   = "child_limit"   // there are too many
	ChildSize    = "child_size"    // they are too large
	ChildDropped = "child_dropped" // it was not complete when the decode ended
)

// ChildRule bounds the sub-files of one decode.
type ChildRule struct {
	Refuse string `json:"refuse,omitempty"` // none are taken: the code of the issue that says why
	Max    int    `json:"max"`              // sub-files
	Bytes  int64  `json:"bytes"`            // of all together
}

// Child asks for the file of a sub-file. Indexes count up from 0.
type Child struct {
	Index int    `json:"index"`
	Name  string `json:"name"`
}

// ChildEnd says that a sub-file is complete.
type ChildEnd struct {
	Index int   `json:"index"`
	Size  int64 `json:"size"`
}
