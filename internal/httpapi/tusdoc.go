package httpapi

import (
	"maps"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// tusRefusals are the codes of the protocol's operations that do not follow from their parameters and bodies. What is refused
// when an upload becomes a file may be told to whoever asks how far it is, too.
func tusRefusals() map[string]refusals {
	locked := map[int]errcode.Code{statusLocked: errcode.Conflict}
	piece := maps.Clone(locked)
	piece[statusChecksumMismatch] = errcode.Conflict
	never := []errcode.Code{errcode.ValidationFailed} // any id is one that is not there
	finishing := []errcode.Code{errcode.Conflict, errcode.DecoderDisabled, errcode.DiskFull}
	return map[string]refusals{
		"uploads-options": {},
		"create-upload": {
			also: append(finishing, errcode.PreconditionFailed, errcode.ValidationFailed),
			as:   map[int]errcode.Code{statusChecksumMismatch: errcode.Conflict},
		},
		"upload-offset": {also: finishing, never: never, as: locked},
		"append-upload": {also: append(finishing, errcode.PreconditionFailed, errcode.UnsupportedMediaType), never: never, as: piece},
		"end-upload":    {also: []errcode.Code{errcode.PreconditionFailed}, never: never, as: locked},
	}
}

// documentTus puts the protocol into the document.
func (s *Server) documentTus(api huma.API) {
	text := func(name, doc string, required bool) *huma.Param {
		return &huma.Param{Name: name, In: "header", Description: doc, Required: required, Schema: &huma.Schema{Type: huma.TypeString}}
	}
	number := func(name, doc string) *huma.Param {
		least := 0.0
		p := text(name, doc, true)
		p.Schema, p.Example = &huma.Schema{Type: huma.TypeInteger, Format: "int64", Minimum: &least}, 0
		return p
	}
	version := text("Tus-Resumable", "the version of the protocol", true)
	version.Schema.Enum = []any{tusVersion}
	id := &huma.Param{Name: "id", In: "path", Required: true, Description: "opaque id, from the Location of create-upload", Schema: &huma.Schema{Type: huma.TypeString}}
	sum := text(checksumHeader, "algorithm ("+checksumAlgorithms+") and digest in base64 of the piece: all of it counts, or nothing", false)
	one := tusPath + "/{id}"
	for _, d := range []struct {
		op     operation
		status string
		answer *huma.Response
		piece  bool
	}{
		{operation{
			id: "uploads-options", method: http.MethodOptions, path: tusPath, scope: scopeOpen, summary: "See what of tus is spoken",
			detail: "[tus 1.0.0](https://tus.io/protocols/resumable-upload): recordings in pieces that go on after a broken connection or a " +
				"restart. All paths are there with a slash at their end too. A client that has only POST sends it with " +
				"X-HTTP-Method-Override to the path of the upload.",
		}, "200", tusAnswer("The protocol", "Tus-Version", "Tus-Extension", "Tus-Checksum-Algorithm"), false},
		{operation{
			id: "create-upload", method: http.MethodPost, path: tusPath, scope: scopeUpload, created: true,
			summary: "Begin an upload that can resume", detail: "A body of type application/offset+octet-stream is its first piece; any other is not read.",
			params: []*huma.Param{version, number("Upload-Length", "bytes of the whole"), text(metadataHeader, "filename, filetype, decode, decoder, param.<name>, batch; values in base64", false), sum},
		}, "201", tusAnswer("It has begun, or is a file already", "Location", "Upload-Expires"), true},
		{operation{
			id: "upload-offset", method: http.MethodHead, path: one, scope: scopeUpload, summary: "See how far an upload is", params: []*huma.Param{id},
		}, "200", tusAnswer("How far it is; X-File-ID, X-File-Existing, X-Decode-ID and X-Batch-ID once it is a file", "Upload-Offset", "Upload-Length", "Upload-Expires"), false},
		{operation{
			id: "append-upload", method: http.MethodPatch, path: one, scope: scopeUpload, summary: "Add a piece to an upload",
			params: []*huma.Param{id, version, number("Upload-Offset", "where the piece begins: where the upload ends"), sum},
		}, "204", tusAnswer("The piece is there for good; X-File-ID, X-File-Existing, X-Decode-ID and X-Batch-ID once it is a file", "Upload-Offset", "Upload-Expires"), true},
		{operation{
			id: "end-upload", method: http.MethodDelete, path: one, scope: scopeUpload, summary: "End an upload; of a finished one the file stays",
			params: []*huma.Param{id, version},
		}, "204", tusAnswer("It is gone"), false},
	} {
		d.op.answers = map[string]*huma.Response{d.status: d.answer}
		o := s.describe(api, d.op)
		if d.piece {
			o.RequestBody = &huma.RequestBody{Description: "a piece", Content: map[string]*huma.MediaType{
				"application/offset+octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
			}}
		}
		api.OpenAPI().AddOperation(&o)
	}
}

// tusAnswer documents an answer without a body, and the headers that it always has.
func tusAnswer(description string, headers ...string) *huma.Response {
	r := &huma.Response{Description: description}
	for _, name := range append(headers, "Tus-Resumable") {
		setHeader(r, name, &huma.Header{Required: true, Schema: &huma.Schema{Type: huma.TypeString}})
	}
	return r
}
