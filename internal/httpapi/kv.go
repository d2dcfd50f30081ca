package httpapi

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// KV shows and changes the keyspace of the Redis-protocol server for whoever looks after it. Nothing of it holds other
// clients up for longer than a command of theirs would. Where there is no such server, all are unavailable errors.
type KV interface {
	// Keys gives keys in no order, about as many as were asked for, and where to go on; 0 = that was all. It may give fewer,
	// or none, before that: when much did not match. total is how many there are, -1 where that cannot be told.
	Keys(ctx context.Context, q KVQuery) (keys []KVKey, next uint64, total int64, err error)
	// Value gives a key with a piece of its value. A key that is not there is a not_found error.
	Value(ctx context.Context, q KVPiece) (KVContent, error)
	// Set gives a key a value, whatever it had. All of it happens at once.
	Set(ctx context.Context, db int, key string, v KVNew) (KVKey, error)
	// Expire says in how many milliseconds a key ends; 0 = never.
	Expire(ctx context.Context, db int, key string, ttl int64) (KVKey, error)
	// Delete reports whether there was such a key.
	Delete(ctx context.Context, db int, key string) (bool, error)
}

// KVQuery says which keys are asked for.
type KVQuery struct {
	DB     int
	Match  string // pattern of Redis's kind, "" = all
	Type   string // "" = all
	Cursor uint64
	Limit  int
}

// KVKey is a key of the keyspace.
type KVKey struct {
	DB       int
	Key      string
	Type     string
	TTL      int64 // milliseconds until it ends, below zero = never
	Bytes    int64 // that key and value take
	Length   int64 // bytes of a string, else members or entries
	Encoding string
}

// KVPiece says which part of a value is asked for.
type KVPiece struct {
	DB     int
	Key    string
	Cursor string // "" = the beginning
	Limit  int    // members or entries
}

// KVText is a byte string, of which there may be only a part; who cuts text cuts between its characters.
type KVText struct {
	Data []byte
	Size int64 // of the whole
}

// KVItem is a member or entry of a value. What it has depends on the type.
type KVItem struct {
	ID     string       // of an entry of a stream
	Field  *KVText      // of a hash
	Value  *KVText      // of a list, set, sorted set or hash
	Score  string       // of a sorted set, as Redis writes numbers
	Fields [][2]*KVText // of an entry of a stream, the first of them
	Count  int          // of all fields of the entry
}

// KVContent is a piece of a value.
type KVContent struct {
	KVKey
	Value *KVText // of a string: from the cursor on
	Items []KVItem
	Next  string // cursor of what follows, "" = that was all
}

// KVNew is a value for a key.
type KVNew struct {
	Type  string
	Value []byte   // of a string
	Items []KVItem // of everything else; one at least
	TTL   int64    // milliseconds, 0 = it never ends
}

const (
	maxKVKey  = 4096 // bytes of a key in a path
	maxKVText = 256  // bytes of a longer key that are shown
	maxKVTTL  = 1e15 // milliseconds: some 30,000 years
)

// KVKeyLine is a key of the keyspace on the wire.
type KVKeyLine struct {
	DB       int    `json:"db"`
	Key      text   `json:"key" doc:"base64url, as paths have it; null: longer than 4,096 bytes, out of reach for this API"`
	Text     text   `json:"text" doc:"the key where it is UTF-8, of one that is out of reach its beginning; else null"`
	KeyBytes int    `json:"key_bytes"`
	Type     string `json:"type" enum:"string,list,set,zset,hash,stream"`
	TTL      *int64 `json:"ttl_ms" doc:"milliseconds until it ends; null: never"`
	Bytes    int64  `json:"bytes" doc:"that key and value take"`
	Length   int64  `json:"length" doc:"bytes of a string, else members or entries"`
	Encoding string `json:"encoding" doc:"as OBJECT ENCODING answers it"`
}

func kvKeyDTO(k *KVKey) KVKeyLine {
	out := KVKeyLine{DB: k.DB, KeyBytes: len(k.Key), Type: k.Type, Bytes: k.Bytes, Length: k.Length, Encoding: k.Encoding}
	shown := k.Key
	if len(k.Key) <= maxKVKey {
		out.Key = text(keyInPath(k.Key))
	} else {
		shown = cutUTF8(shown, maxKVText)
	}
	if utf8.ValidString(shown) {
		out.Text = text(shown)
	}
	if k.TTL >= 0 {
		out.TTL = &k.TTL
	}
	return out
}

// keyInPath writes a key as paths have it. The empty one is what padding alone stands for, as no part of a path is empty.
func keyInPath(key string) string {
	if key == "" {
		return "="
	}
	return base64.RawURLEncoding.EncodeToString([]byte(key))
}

// KVKeyParam is the key in a path. Exported for the same reason as IDParam.
type KVKeyParam struct {
	DB  int    `path:"db" minimum:"0" maximum:"65535" doc:"number of the database"`
	Key string `path:"key" maxLength:"5500" doc:"the key in base64url, with or without padding; = is the empty one"`
}

func (p *KVKeyParam) key(r *http.Request) (string, error) {
	name := p.Key
	if r.URL.RawPath != "" { // the router gives what came, padding as %3D too
		name = strings.NewReplacer("%3D", "=", "%3d", "=").Replace(name)
	}
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(name, "="))
	switch {
	case err != nil:
		return "", errcode.Invalid("key", "expected base64url")
	case len(b) > maxKVKey:
		return "", errcode.Invalid("key", "expected at most %d bytes", maxKVKey)
	}
	return string(b), nil
}

type kvKeysInput struct {
	PageParams
	DB    int    `query:"db" minimum:"0" maximum:"65535" default:"0" doc:"number of the database"`
	Match string `query:"match" maxLength:"512" doc:"pattern: * any text, ? a character, [a-c] one of them, \\ before what is meant as it is"`
	Type  string `query:"type" enum:"string,list,set,zset,hash,stream"`
}

type kvKeysOutput struct{ Body List[KVKeyLine] }

type kvValueInput struct {
	KVKeyParam
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"members or entries of the answer; small hashes and sets come whole"`
	Cursor string `query:"cursor" maxLength:"256" doc:"next_cursor of the answer before"`
}

type kvValueOutput struct{ Body KVValue }

type kvPutInput struct {
	KVKeyParam
	Body KVPut
}

type kvKeyOutput struct{ Body KVKeyLine }

const (
	kvKeysDetail = "In no order, as SCAN has them: a key that is there all the while is there once at least. An answer may have fewer keys than were " +
		"asked for, or none, or a few more; only next_cursor null is the end."
	kvValueDetail = "A string comes in pieces of 256 KiB, of anything else limit members or entries, in order where it has one. Of a member, " +
		"a field or a value the first 4 KiB are shown, of an entry 256 fields. A value that changes meanwhile may show things twice or leave them out."
	kvPutDetail = "Replaces whatever was there; with ttl_ms alone the value stays and only its end changes (404 where there is none). Everything happens at " +
		"once, and clients that wait for the key are served."
)

func (s *Server) routeKV(api huma.API) {
	register(s, api, operation{
		id: "list-kv-keys", method: http.MethodGet, path: "/kv/keys", scope: scopeAdmin, summary: "List keys of the Redis-protocol server",
		detail: kvKeysDetail,
	}, s.kvKeys)
	register(s, api, operation{
		id: "get-kv-key", method: http.MethodGet, path: "/kv/keys/{db}/{key}", scope: scopeAdmin, summary: "Get a key with its value, or a piece of that",
		detail: kvValueDetail, whole: true,
	}, s.kvValue)
	register(s, api, operation{
		id: "put-kv-key", method: http.MethodPut, path: "/kv/keys/{db}/{key}", scope: scopeAdmin, summary: "Give a key a value, or another end",
		detail: kvPutDetail,
	}, s.kvPut)
	register(s, api, operation{
		id: "delete-kv-key", method: http.MethodDelete, path: "/kv/keys/{db}/{key}", scope: scopeAdmin, summary: "Delete a key",
	}, func(ctx context.Context, in *KVKeyParam) (*noContent, error) {
		key, err := in.key(requestOf(ctx))
		if err != nil {
			return nil, err
		}
		there, err := s.deps.KV.Delete(ctx, in.DB, key)
		switch {
		case err != nil:
			return nil, fmt.Errorf("delete key: %w", err)
		case !there:
			return nil, errcode.New(errcode.NotFound, "no such key")
		}
		return nil, nil //nolint:nilnil // huma's way to say: no body
	})
}

func (s *Server) kvKeys(ctx context.Context, in *kvKeysInput) (*kvKeysOutput, error) {
	if err := checkFields[KVKeyLine](in.Fields); err != nil {
		return nil, err
	}
	q := KVQuery{DB: in.DB, Match: in.Match, Type: in.Type, Limit: in.Limit}
	if in.Cursor != "" {
		at, err := keyOfCursor(in.Cursor)
		if err != nil {
			return nil, err
		}
		if q.Cursor, err = strconv.ParseUint(at, 10, 64); err != nil {
			return nil, errcode.New(errcode.Malformed, "cursor is not one that this list gave")
		}
	}
	keys, next, total, err := s.deps.KV.Keys(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	out := List[KVKeyLine]{Items: make([]KVKeyLine, len(keys)), fields: in.Fields}
	for i := range keys {
		out.Items[i] = kvKeyDTO(&keys[i])
	}
	if next != 0 {
		out.NextCursor = text(cursorOfKey(strconv.FormatUint(next, 10)))
	}
	if total >= 0 {
		out.Total = &total
	}
	return &kvKeysOutput{Body: out}, nil
}

func (s *Server) kvValue(ctx context.Context, in *kvValueInput) (*kvValueOutput, error) {
	q := KVPiece{DB: in.DB, Limit: in.Limit}
	var err error
	if q.Key, err = in.key(requestOf(ctx)); err != nil {
		return nil, err
	}
	if in.Cursor != "" {
		if q.Cursor, err = keyOfCursor(in.Cursor); err != nil {
			return nil, err
		}
	}
	v, err := s.deps.KV.Value(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("get key: %w", err)
	}
	out := KVValue{KVKeyLine: kvKeyDTO(&v.KVKey), Members: make([]KVMember, len(v.Items))}
	out.Value.v = kvBytesDTO(v.Value)
	for i := range v.Items {
		out.Members[i] = kvMemberDTO(&v.Items[i])
	}
	if v.Next != "" {
		out.NextCursor = text(cursorOfKey(v.Next))
	}
	return &kvValueOutput{Body: out}, nil
}

// kvPut changes a value, or its end alone.
func (s *Server) kvPut(ctx context.Context, in *kvPutInput) (*kvKeyOutput, error) {
	key, err := in.key(requestOf(ctx))
	if err != nil {
		return nil, err
	}
	var ttl int64
	if v := in.Body.TTL.v; v != nil {
		ttl = int64(*v)
	}
	var k KVKey
	if in.Body.Type == "" {
		if in.Body.Value != nil || in.Body.Members != nil || !in.Body.TTL.given {
			return nil, errcode.Invalid("type", "expected the type of a value, or ttl_ms alone")
		}
		k, err = s.deps.KV.Expire(ctx, in.DB, key, ttl)
	} else {
		var v KVNew
		if v, err = in.Body.content(); err != nil {
			return nil, err
		}
		v.TTL = ttl
		k, err = s.deps.KV.Set(ctx, in.DB, key, v)
	}
	if err != nil {
		return nil, fmt.Errorf("change key: %w", err)
	}
	return &kvKeyOutput{Body: kvKeyDTO(&k)}, nil
}
