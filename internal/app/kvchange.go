package app

import (
	"context"
	"strconv"
	"strings"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/httpapi"
	"github.com/wayside-edge/wayside/internal/kv/engine"
)

// session makes a session on a database, under the lock.
func (k *keyspace) session(db int) *engine.Session {
	s := k.engine.NewSession(nil)
	s.Internal = true
	s.Select(db)
	return s
}

// kvCall makes a call of words.
func kvCall(words ...string) [][]byte {
	out := make([][]byte, len(words))
	for i, w := range words {
		out[i] = []byte(w)
	}
	return out
}

// change runs commands as one transaction, tells what became of the key, and returns when that is kept as well as the
// server promises. An answer of all commands is given for who wants to know a number.
func (k *keyspace) change(db int, key string, calls ...[][]byte) (out httpapi.KVKey, there bool, a *kvAnswer, err error) {
	if k.log != nil {
		if failure := k.log.Failure(); failure != nil {
			return out, false, nil, errcode.Wrap(errcode.Unavailable, failure, "the Redis-protocol server cannot write its log, and takes no changes until it can")
		}
	}
	var position int64
	out, there, a, position, err = k.transact(db, key, calls)
	if err != nil || k.log == nil {
		return out, there, a, err
	}
	if err := k.log.Wait(position, position); err != nil {
		return out, there, a, errcode.Wrap(errcode.Unavailable, err, "the change was made, but it is not known whether it is on the disk")
	}
	return out, there, a, nil
}

func (k *keyspace) transact(db int, key string, calls [][][]byte) (out httpapi.KVKey, there bool, a *kvAnswer, position int64, err error) {
	e := k.engine
	e.Lock()
	defer e.Unlock()
	if paused, _ := e.Paused(); paused {
		return out, false, nil, 0, errcode.New(errcode.Unavailable, "clients are paused (CLIENT PAUSE)")
	}
	s := k.session(db)
	defer e.Close(s)
	if len(calls) > 1 {
		calls = append(append([][][]byte{kvCall("MULTI")}, calls...), kvCall("EXEC"))
	}
	a = &kvAnswer{}
	for _, args := range calls {
		e.Do(s, args, a)
	}
	if a.failure != "" {
		return out, false, a, 0, kvRefusal(a.failure)
	}
	if k.log != nil {
		position = k.log.Position()
	}
	g, there := e.Look(db, []byte(key))
	return keyOf(db, &g, e.Now()), there, a, position, nil
}

// kvRefusal gives the error of a command as callers of the API know it.
func kvRefusal(text string) error {
	switch word, _, _ := strings.Cut(text, " "); word {
	case "OOM":
		return errcode.New(errcode.Unavailable, "the keyspace has no memory left (kv.maxmemory)")
	case "BUSY":
		return errcode.New(errcode.Unavailable, "a script runs in the keyspace (SCRIPT KILL ends it)")
	}
	return errcode.Newf(errcode.Internal, "the keyspace refuses: %s", text)
}

// Set implements httpapi.KV: what was there goes and the new value comes in one transaction.
func (k *keyspace) Set(_ context.Context, db int, key string, v httpapi.KVNew) (httpapi.KVKey, error) {
	if err := k.ready(db); err != nil {
		return httpapi.KVKey{}, err
	}
	ttl := strconv.FormatInt(v.TTL, 10)
	var calls [][][]byte
	if v.Type == "string" {
		set := append(kvCall("SET", key), v.Value)
		if v.TTL > 0 {
			set = append(set, kvCall("PX", ttl)...)
		}
		calls = [][][]byte{set}
	} else {
		calls = append([][][]byte{kvCall("DEL", key)}, fillCalls(key, v)...)
		if v.TTL > 0 {
			calls = append(calls, kvCall("PEXPIRE", key, ttl))
		}
	}
	out, _, _, err := k.change(db, key, calls...)
	return out, err
}

// fillCalls gives the commands that make a value that has members.
func fillCalls(key string, v httpapi.KVNew) [][][]byte {
	if v.Type == "stream" {
		var calls [][][]byte
		for _, it := range v.Items {
			add := kvCall("XADD", key, it.ID)
			if it.ID == "" {
				add[2] = []byte("*")
			}
			for _, f := range it.Fields {
				add = append(add, f[0].Data, f[1].Data)
			}
			calls = append(calls, add)
		}
		return calls
	}
	one := kvCall(map[string]string{"list": "RPUSH", "set": "SADD", "hash": "HSET", "zset": "ZADD"}[v.Type], key)
	for _, it := range v.Items {
		switch v.Type {
		case "hash":
			one = append(one, it.Field.Data, it.Value.Data)
		case "zset":
			one = append(one, []byte(it.Score), it.Value.Data)
		default:
			one = append(one, it.Value.Data)
		}
	}
	return [][][]byte{one}
}

// Expire implements httpapi.KV.
func (k *keyspace) Expire(_ context.Context, db int, key string, ttl int64) (httpapi.KVKey, error) {
	if err := k.ready(db); err != nil {
		return httpapi.KVKey{}, err
	}
	args := kvCall("PERSIST", key)
	if ttl > 0 {
		args = kvCall("PEXPIRE", key, strconv.FormatInt(ttl, 10))
	}
	out, there, _, err := k.change(db, key, args)
	if err == nil && !there {
		err = errNoKey()
	}
	return out, err
}

// Delete implements httpapi.KV.
func (k *keyspace) Delete(_ context.Context, db int, key string) (bool, error) {
	if err := k.ready(db); err != nil {
		return false, err
	}
	_, _, a, err := k.change(db, key, kvCall("DEL", key))
	return err == nil && a.number > 0, err
}
