package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// readKV reads all keys of a client.
func readKV(c *kvConn, client int, dbs []int) (*kvView, error) {
	w := &kvView{items: map[kvKey]*kvValue{}, from: time.Now().UnixMilli()}
	for _, db := range dbs {
		if _, err := c.do("SELECT", strconv.Itoa(db)); err != nil {
			return nil, err
		}
		for cursor := "0"; ; {
			v, err := c.do("SCAN", cursor, "MATCH", fmt.Sprintf("c%d:*", client), "COUNT", "1000")
			if err != nil {
				return nil, err
			}
			page, _ := v.([]any)
			if len(page) != 2 {
				return nil, fmt.Errorf("SCAN was answered %.100q", kvText(v))
			}
			for _, name := range kvStrings(page[1]) {
				value, err := readKey(c, name)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", name, err)
				}
				if value != nil {
					w.items[kvKey{db, name}] = value
				}
			}
			if cursor, _ = page[0].(string); cursor == "0" || cursor == "" {
				break
			}
		}
	}
	w.to = time.Now().UnixMilli()
	if _, err := c.do("SELECT", "0"); err != nil {
		return nil, err
	}
	return w, nil
}

// readKey reads one key; nil if it has ended meanwhile.
func readKey(c *kvConn, name string) (*kvValue, error) {
	_, rest, _ := strings.Cut(name, ":")
	ask := map[byte][]string{
		kvList: {"LRANGE", name, "0", "-1"}, kvHash: {"HGETALL", name}, kvSet: {"SMEMBERS", name}, kvZSet: {"ZRANGE", name, "0", "-1", "WITHSCORES"}, kvStream: {"XRANGE", name, "-", "+"},
	}[rest[0]]
	if ask == nil {
		ask = []string{"GET", name}
	}
	c.put("PEXPIRETIME", name)
	c.put(ask...)
	if err := c.send(); err != nil {
		return nil, err
	}
	until, err := c.read()
	if err != nil {
		return nil, err
	}
	v, err := c.read()
	if err != nil {
		return nil, err
	}
	if e, is := v.(kvError); is {
		return nil, e
	}
	out := &kvValue{}
	if n, _ := until.(int64); n > 0 {
		out.expires = n
	} else if n == -2 {
		return nil, nil
	}
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		out.text = v
	case []any:
		if err := out.fill(c, rest[0], name, v); err != nil {
			return nil, err
		}
	}
	if out.empty() {
		return nil, nil
	}
	return out, nil
}

// fill takes what a collection was answered as.
func (v *kvValue) fill(c *kvConn, kind byte, name string, list []any) error {
	switch words := kvStrings(list); kind {
	case kvList:
		v.list = words
	case kvSet:
		v.hash = map[string]string{}
		for _, m := range words {
			v.hash[m] = ""
		}
	case kvStream:
		return v.fillStream(c, name, list)
	default:
		v.hash = map[string]string{}
		for i := 0; i+1 < len(words); i += 2 {
			v.hash[words[i]] = words[i+1]
		}
	}
	return nil
}

func (v *kvValue) fillStream(c *kvConn, name string, entries []any) error {
	s := newKVStream()
	v.stream = s
	for _, e := range entries {
		pair, _ := e.([]any)
		if len(pair) != 2 {
			return fmt.Errorf("an entry is %.100q", kvText(e))
		}
		id := parseKVID(kvText(pair[0]))
		s.ids = append(s.ids, id)
		s.values[id] = strings.Join(kvStrings(pair[1])[1:], " ")
	}
	info, err := c.do("XINFO", "STREAM", name)
	if err != nil {
		return err
	}
	s.last = parseKVID(kvText(fieldOf(info, "last-generated-id")))
	groups, err := c.do("XINFO", "GROUPS", name)
	if err != nil {
		return err
	}
	all, _ := groups.([]any)
	for _, info := range all {
		group := kvText(fieldOf(info, "name"))
		g := &kvGroup{last: parseKVID(kvText(fieldOf(info, "last-delivered-id"))), pending: map[kvID]kvPending{}}
		s.groups[group] = g
		v, err := c.do("XPENDING", name, group, "-", "+", "10000")
		if err != nil {
			return err
		}
		list, _ := v.([]any)
		for _, e := range list {
			row, _ := e.([]any)
			if len(row) != 4 {
				return fmt.Errorf("a pending entry is %.100q", kvText(e))
			}
			count, _ := row[3].(int64)
			g.pending[parseKVID(kvText(row[0]))] = kvPending{kvText(row[1]), count}
		}
	}
	return nil
}

// fieldOf finds a value in a list of names and values.
func fieldOf(v any, name string) any {
	list, _ := v.([]any)
	for i := 0; i+1 < len(list); i += 2 {
		if list[i] == name {
			return list[i+1]
		}
	}
	return nil
}
