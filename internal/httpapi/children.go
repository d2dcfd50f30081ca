package httpapi

import "github.com/wayside-edge/wayside/internal/catalog"

// Parent says, on the wire, where a file was found that was not delivered itself.
type Parent struct {
	FileID   string `json:"file_id" doc:"the file in which it was found"`
	DecodeID string `json:"decode_id" doc:"the decode that found it first; it may be deleted by now"`
	Depth    int    `json:"depth" minimum:"1" doc:"1 = found in a file that was delivered"`
}

func parentDTO(p *catalog.Parent) *Parent {
	if p == nil {
		return nil
	}
	return &Parent{FileID: p.FileID, DecodeID: p.DecodeID, Depth: p.Depth}
}
