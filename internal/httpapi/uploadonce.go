package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/idempotency"
	"github.com/wayside-edge/wayside/internal/ingest"
)

// keptDelivery is what a request with an Idempotency-Key made of one recording, or of a stored file: ids, since what they
// stand for goes on.
type keptDelivery struct {
	FileID   string `json:"f,omitempty"`
	DecodeID string `json:"d,omitempty"`
	Existing bool   `json:"e,omitempty"`
}

// keptUpload is the answer to an upload as it is kept.
type keptUpload struct {
	Many  bool           `json:"many,omitempty"`
	Batch string         `json:"batch,omitempty"`
	Items []keptDelivery `json:"items"`
}

// uploadOnce takes the recordings of a request with an Idempotency-Key, or gives what an earlier one with it made. What the
// request asks for includes the digests of its recordings, so that they are read in any case. The answer is recorded in the
// commit that records the file, where there is one; that of a form after its last part.
func (s *Server) uploadOnce(ctx context.Context, watch *decodeWatch, in *uploadInput, call *idempotency.Call, up ingest.Upload) (*uploadOutput, error) {
	if call.Repeated() {
		return s.replayUpload(ctx, watch, in, call, up)
	}
	parts, err := multipartOf(in.request)
	if err != nil {
		return nil, err
	}
	whole := in.Bundle || parts == nil
	if whole {
		up.Also = func(a ingest.Accepted) ingest.Stage {
			answer, err := keepUpload(in, []ingest.Accepted{a}, false, "")
			if err != nil {
				panic("httpapi: ids cannot be encoded: " + err.Error())
			}
			return call.Stage(answer)
		}
	}
	got, many, err := s.acceptAll(ctx, in, up)
	if err != nil {
		return nil, err
	}
	batchID, err := s.uploadedBatch(ctx, in, got, many)
	if err != nil {
		return nil, err
	}
	if !whole {
		answer, err := keepUpload(in, got, many, batchID)
		if err == nil {
			err = call.Commit(context.WithoutCancel(ctx), answer)
		}
		if err != nil {
			s.log.WarnContext(ctx, "answer not kept for its idempotency key", "path", in.request.URL.Path, "error", err)
		}
	}
	return s.uploaded(ctx, watch, in, got, many, batchID)
}

// keepUpload makes the answer that is kept.
func keepUpload(in *uploadInput, got []ingest.Accepted, many bool, batchID string) (idempotency.Answer, error) {
	k := keptUpload{Many: many, Batch: batchID}
	for _, a := range got {
		d := keptDelivery{FileID: a.File.ID, Existing: a.Existing}
		if a.Decode != nil {
			d.DecodeID = a.Decode.ID
		}
		k.Items = append(k.Items, d)
	}
	data, err := json.Marshal(k)
	if err != nil {
		return idempotency.Answer{}, fmt.Errorf("encode answer: %w", err)
	}
	return idempotency.Answer{Request: uploadRequest(in, got), Data: data}, nil
}

// uploadRequest stands for what an upload asks for: its query, and name and digest of each recording.
func uploadRequest(in *uploadInput, got []ingest.Accepted) [32]byte {
	id := newIdentity(in.request, nil)
	for _, a := range got {
		id.add(a.File.Name, a.File.SHA256)
	}
	return id.sum()
}

// replayUpload gives the answer of an earlier request again: the same files and decodes, as they are now.
func (s *Server) replayUpload(ctx context.Context, watch *decodeWatch, in *uploadInput, call *idempotency.Call, up ingest.Upload) (*uploadOutput, error) {
	in.accept = digest
	seen, _, err := s.acceptAll(ctx, in, up)
	if err != nil {
		return nil, err
	}
	data, _, err := call.Earlier(uploadRequest(in, seen))
	if err != nil {
		return nil, err //nolint:wrapcheck // says what is wrong itself
	}
	var k keptUpload
	if err := json.Unmarshal(data, &k); err != nil {
		return nil, fmt.Errorf("read kept answer: %w", err)
	}
	got := make([]ingest.Accepted, len(k.Items))
	for i, item := range k.Items {
		got[i].Existing = item.Existing
		if got[i].File, err = s.deps.Files.File(ctx, item.FileID); err != nil {
			return nil, fmt.Errorf("find file: %w", goneSince(err))
		}
		if item.DecodeID == "" {
			continue
		}
		d, err := s.deps.Decodes.Decode(ctx, item.DecodeID)
		if err != nil {
			return nil, fmt.Errorf("find decode: %w", goneSince(err))
		}
		got[i].Decode = &d
	}
	out, err := s.uploaded(ctx, watch, in, got, k.Many, k.Batch)
	if err != nil {
		return nil, goneSince(err)
	}
	out.Replayed = "true"
	return out, nil
}

// digest reads a recording and tells what it is. Nothing of it is kept.
func digest(_ context.Context, u ingest.Upload) (ingest.Accepted, error) {
	h := sha256.New()
	n, err := io.Copy(h, u.Body)
	if err != nil {
		return ingest.Accepted{}, fmt.Errorf("read recording: %w", err)
	}
	return ingest.Accepted{File: catalog.File{Name: u.Name, Size: n, SHA256: hex.EncodeToString(h.Sum(nil))}}, nil
}

// decodeOnce finds the decode that an earlier request with the Idempotency-Key made. Where there was none, it has the key
// recorded in the commit that makes it.
func (s *Server) decodeOnce(ctx context.Context, call *idempotency.Call, in *redecodeInput, again *ingest.Redecode) (d catalog.Decode, existing, replayed bool, err error) {
	body, err := json.Marshal(in.Body)
	if err != nil {
		return d, false, false, fmt.Errorf("encode request: %w", err)
	}
	id := newIdentity(requestOf(ctx), nil)
	id.add(string(body))
	request := id.sum()
	data, replayed, err := call.Earlier(request)
	if err != nil {
		return d, false, false, err //nolint:wrapcheck // says what is wrong itself
	}
	if !replayed {
		again.Also = func(d catalog.Decode, existing bool) ingest.Stage {
			data, err := json.Marshal(keptDelivery{DecodeID: d.ID, Existing: existing})
			if err != nil {
				panic("httpapi: ids cannot be encoded: " + err.Error())
			}
			return call.Stage(idempotency.Answer{Request: request, Data: data})
		}
		return d, false, false, nil
	}
	var k keptDelivery
	if err := json.Unmarshal(data, &k); err != nil {
		return d, false, false, fmt.Errorf("read kept answer: %w", err)
	}
	if d, err = s.deps.Decodes.Decode(ctx, k.DecodeID); err != nil {
		return d, false, false, fmt.Errorf("find decode: %w", goneSince(err))
	}
	return d, k.Existing, true, nil
}
