package client

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
)

// KVKey is a key of an appliance's Redis-protocol server.
type KVKey struct {
	DB       int    `json:"db"`
	Key      string `json:"key"`       // base64url; "" = longer than a path takes
	Text     string `json:"text"`      // the key where it is UTF-8
	KeyBytes int    `json:"key_bytes"` // of the whole key
	Type     string `json:"type"`      // string, list, set, zset, hash or stream
	TTL      *int64 `json:"ttl_ms"`    // milliseconds until it ends, nil = never
	Bytes    int64  `json:"bytes"`     // that key and value take
	Length   int64  `json:"length"`    // bytes of a string, else members or entries
	Encoding string `json:"encoding"`
}

// KVBytes is a byte string: one of Text and Base64 is set. Bytes is how long the whole is; what is only a part of it cannot
// be put back.
type KVBytes struct {
	Text   *string `json:"text,omitempty"`
	Base64 *string `json:"base64,omitempty"`
	Bytes  int64   `json:"bytes,omitempty"`
}

// NewKVBytes makes a byte string.
func NewKVBytes(b []byte) *KVBytes {
	s := base64.StdEncoding.EncodeToString(b)
	return &KVBytes{Base64: &s}
}

// Data gives the bytes.
func (b *KVBytes) Data() []byte {
	switch {
	case b == nil:
		return nil
	case b.Text != nil:
		return []byte(*b.Text)
	case b.Base64 != nil:
		out, err := base64.StdEncoding.DecodeString(*b.Base64)
		if err == nil {
			return out
		}
	}
	return nil
}

// KVMember is a member or an entry of a value; what it has depends on the type of that.
type KVMember struct {
	ID         string    `json:"id,omitempty"`          // of an entry of a stream
	Field      *KVBytes  `json:"field,omitempty"`       // of a hash
	Value      *KVBytes  `json:"value,omitempty"`       // of a list, set, sorted set or hash
	Score      string    `json:"score,omitempty"`       // of a sorted set: a number, inf or -inf
	Fields     []KVField `json:"fields,omitempty"`      // of an entry of a stream
	FieldCount int       `json:"field_count,omitempty"` // of an entry of a stream, also where fewer are shown
}

// KVField is a field of an entry of a stream.
type KVField struct {
	Field KVBytes `json:"field"`
	Value KVBytes `json:"value"`
}

// KVValue is a key with a piece of its value.
type KVValue struct {
	KVKey
	Value      *KVBytes   `json:"value"`       // of a string
	Members    []KVMember `json:"members"`     // of anything else
	NextCursor string     `json:"next_cursor"` // "" = that was all
}

// NewKVValue is a value for a key.
type NewKVValue struct {
	Type    string     `json:"type"`
	Value   *KVBytes   `json:"value,omitempty"`   // of a string
	Members []KVMember `json:"members,omitempty"` // of anything else, 1 to 1,000
	TTL     *int64     `json:"ttl_ms,omitempty"`  // milliseconds, nil = it never ends
}

// KVList says which keys are asked for.
type KVList struct {
	DB     int
	Match  string // pattern, "" = all
	Type   string // "" = all
	Limit  int    // 0 = 100
	Cursor string
}

// KVKeys gives some keys, and where to go on; next is "" after the last. There may be none though more follow.
func (c *Client) KVKeys(ctx context.Context, l KVList) (keys []KVKey, next string, err error) {
	q := url.Values{"db": {strconv.Itoa(l.DB)}}
	for name, v := range map[string]string{"match": l.Match, "type": l.Type, "cursor": l.Cursor} {
		if v != "" {
			q.Set(name, v)
		}
	}
	if l.Limit > 0 {
		q.Set("limit", strconv.Itoa(l.Limit))
	}
	var out struct {
		Items []KVKey `json:"items"`
		Next  string  `json:"next_cursor"`
	}
	err = c.get(ctx, "/kv/keys", q, &out)
	return out.Items, out.Next, err
}

// KVGet gives a key with a piece of its value: limit members (0 = 100), from a cursor on ("" = the beginning).
func (c *Client) KVGet(ctx context.Context, db int, key, cursor string, limit int) (v KVValue, err error) {
	q := url.Values{}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	err = c.get(ctx, kvPath(db, key), q, &v)
	return v, err
}

// KVPut gives a key a value, whatever it had.
func (c *Client) KVPut(ctx context.Context, db int, key string, v NewKVValue) (k KVKey, err error) {
	err = c.send(ctx, http.MethodPut, kvPath(db, key), v, &k)
	return k, err
}

// KVExpire says in how many milliseconds a key ends, and nothing else of it; 0 is never.
func (c *Client) KVExpire(ctx context.Context, db int, key string, ms int64) (k KVKey, err error) {
	var body struct {
		TTL *int64 `json:"ttl_ms"`
	}
	if ms != 0 {
		body.TTL = &ms
	}
	err = c.send(ctx, http.MethodPut, kvPath(db, key), body, &k)
	return k, err
}

// KVDelete deletes a key.
func (c *Client) KVDelete(ctx context.Context, db int, key string) error {
	return c.act(ctx, http.MethodDelete, kvPath(db, key), nil)
}

func kvPath(db int, key string) string {
	name := base64.RawURLEncoding.EncodeToString([]byte(key))
	if name == "" {
		name = "=" // of the empty key
	}
	return "/kv/keys/" + strconv.Itoa(db) + "/" + name
}
