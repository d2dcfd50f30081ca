package httpapi

import (
	"crypto/md5"  //nolint:gosec // a checksum against accidents, chosen by the client
	"crypto/sha1" //nolint:gosec // as above
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"strings"
	"unicode/utf8"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/upload"
)

const (
	metadataHeader = "Upload-Metadata"
	checksumHeader = "Upload-Checksum"
	maxMetadata    = 8 << 10 // bytes of the header: it is kept with the upload
	maxBatchID     = 26
)

// parseMetadata reads an Upload-Metadata header: pairs of a key and a value in base64, between commas.
func parseMetadata(header string) (map[string]string, error) {
	if len(header) > maxMetadata {
		return nil, errcode.Invalid(metadataHeader, "at most %d bytes", maxMetadata)
	}
	out := map[string]string{}
	if strings.TrimSpace(header) == "" {
		return out, nil
	}
	for pair := range strings.SplitSeq(header, ",") {
		key, coded, _ := strings.Cut(strings.TrimSpace(pair), " ")
		if key == "" || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return nil, errcode.Invalid(metadataHeader, "a key is missing, or is not ASCII")
		}
		if _, twice := out[key]; twice {
			return nil, errcode.Invalid(metadataHeader, "the key %s is there twice", key)
		}
		value, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(coded))
		if err != nil {
			return nil, errcode.Invalid(metadataHeader, "the value of %s is not base64", key)
		}
		out[key] = string(value)
	}
	return out, nil
}

// newUpload makes of metadata what the upload is to become. Keys that mean nothing here are left to the client.
func newUpload(header string, size int64) (upload.New, error) {
	meta, err := parseMetadata(header)
	if err != nil {
		return upload.New{}, err
	}
	n := upload.New{
		Size: size, Name: safeName(meta["filename"]), MediaType: mediaType(meta["filetype"]), Metadata: header,
		Decoder: meta["decoder"], Batch: meta["batch"],
	}
	if n.Batch != "" && (len(n.Batch) > maxBatchID || strings.Trim(n.Batch, "abcdefghijklmnopqrstuvwxyz0123456789") != "") {
		return n, errcode.Invalid("batch", "is no id of a batch")
	}
	switch meta["decode"] {
	case "", "true":
	case "false":
		if n.StoreOnly = true; n.Batch != "" {
			return n, errcode.Invalid("decode", "a file that joins a batch is decoded")
		}
	default:
		return n, errcode.Invalid("decode", "is true or false")
	}
	for key, value := range meta {
		name, ok := strings.CutPrefix(key, paramPrefix)
		if !ok {
			continue
		}
		if name == "" || !utf8.ValidString(value) {
			return n, errcode.Invalid(key, "is to have a name, and text as its value")
		}
		if n.Params == nil {
			n.Params = map[string]string{}
		}
		n.Params[name] = value
	}
	if len(n.Params) > maxParams {
		return n, errcode.Invalid(paramPrefix, "at most %d parameters are taken", maxParams)
	}
	return n, nil
}

// parseChecksum reads an Upload-Checksum header: an algorithm and a digest in base64. nil: there is none.
func parseChecksum(header string) (*upload.Check, error) {
	if header == "" {
		return nil, nil //nolint:nilnil // said above
	}
	name, coded, _ := strings.Cut(strings.TrimSpace(header), " ")
	var h hash.Hash
	switch name {
	case "sha256":
		h = sha256.New()
	case "sha1":
		h = sha1.New() //nolint:gosec // as above
	case "md5":
		h = md5.New() //nolint:gosec // as above
	default:
		return nil, errcode.Newf(errcode.Malformed, "%s: the algorithm is none of %s", checksumHeader, checksumAlgorithms)
	}
	want, err := base64.StdEncoding.DecodeString(strings.TrimSpace(coded))
	if err != nil || len(want) != h.Size() {
		return nil, errcode.Newf(errcode.Malformed, "%s: the digest is not %d bytes in base64", checksumHeader, h.Size())
	}
	return &upload.Check{Hash: h, Want: want}, nil
}
