package kv_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/kv"
	"github.com/wayside-edge/wayside/internal/kv/kvtest"
)

// run runs a server for as long as f talks to it.
func run(t *testing.T, name string, cfg kv.Config, f func(t *testing.T, s *kv.Server, addr string)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		s, addr := kvtest.Start(t, cfg)
		f(t, s, addr)
	})
}

func TestUsersAreKept(t *testing.T) {
	cfg := kv.Config{Users: filepath.Join(t.TempDir(), "users.acl")}
	run(t, "made", cfg, func(t *testing.T, _ *kv.Server, addr string) {
		t.Helper()
		c := kvtest.Dial(t, addr)
		want(t, c, "OK", "ACL", "SETUSER", "bob", "on", ">secret", "~a:*", "%R~b", "&news", "+get", "+config|get", "(+set ~c)")
		want(t, c, "OK", "ACL", "SETUSER", "eve", "on", "nopass", "~*", "+@all")
		want(t, c, "1", "ACL", "DELUSER", "eve")
		if got := c.Text("ACL", "SETUSER", "carl", "~a b"); !strings.HasPrefix(got, "-ERR") {
			t.Errorf("a pattern with a blank is answered %s", got)
		}
		want(t, c, "OK", "ACL", "SAVE")
	})
	text, err := os.ReadFile(cfg.Users)
	if err != nil || strings.Contains(string(text), "secret") || strings.Contains(string(text), "user default") {
		t.Errorf("the file is\n%s%v", text, err)
	}
	run(t, "there again", cfg, func(t *testing.T, _ *kv.Server, addr string) {
		t.Helper()
		c := kvtest.Dial(t, addr)
		want(t, c, "-WRONGPASS invalid username-password pair or user is disabled.", "AUTH", "eve", "x")
		want(t, c, "-WRONGPASS invalid username-password pair or user is disabled.", "AUTH", "bob", "x")
		want(t, c, "OK", "AUTH", "bob", "secret")
		want(t, c, "nil", "GET", "a:1")
		want(t, c, "OK", "SET", "c", "1")
		if got := c.Text("SET", "a:1", "x"); !strings.HasPrefix(got, "-NOPERM") {
			t.Errorf("what bob may not do is answered %s", got)
		}
		other := kvtest.Dial(t, addr)
		want(t, other, "OK", "ACL", "SETUSER", "default", "off")
	})
	run(t, "default is off", cfg, func(t *testing.T, _ *kv.Server, addr string) {
		t.Helper()
		c := kvtest.Dial(t, addr)
		want(t, c, "-NOAUTH Authentication required.", "GET", "a:1")
		want(t, c, "OK", "AUTH", "bob", "secret")
	})
}

// TestADamagedFileOpensNoDoor changes a byte of the file, cuts it, and empties it.
func TestADamagedFileOpensNoDoor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.acl")
	run(t, "made", kv.Config{Users: path}, func(t *testing.T, _ *kv.Server, addr string) {
		t.Helper()
		want(t, kvtest.Dial(t, addr), "OK", "ACL", "SETUSER", "bob", "on", ">secret", "+@all", "~a")
	})
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"changed": strings.Replace(string(whole), "~a", "~*", 1), "cut": string(whole[:len(whole)-5]), "empty": "", "foreign": "user bob on nopass ~* +@all\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, name, kv.Config{Users: path, Password: "secret"}, func(t *testing.T, s *kv.Server, addr string) {
			t.Helper()
			if err := s.UsersFailure(); !errors.Is(err, kv.ErrUsersDamaged) {
				t.Errorf("it says %v", err)
			}
			c := kvtest.Dial(t, addr)
			want(t, c, "-NOAUTH Authentication required.", "GET", "a")
			for _, args := range [][]string{{"AUTH", "secret"}, {"AUTH", "bob", "secret"}, {"AUTH", "default", ""}} {
				if got := c.Text(args...); !strings.HasPrefix(got, "-WRONGPASS") {
					t.Errorf("%q answers %s", args, got)
				}
			}
		})
	}
}

// TestUsersThatCannotBeWritten says so, and writes them when they can be.
func TestUsersThatCannotBeWritten(t *testing.T) {
	fault := disk.NewFault(disk.OS)
	path := filepath.Join(t.TempDir(), "users.acl")
	s, addr := kvtest.Start(t, kv.Config{Users: path, FS: fault})
	c := kvtest.Dial(t, addr)
	want(t, c, "OK", "ACL", "SETUSER", "bob", "on")
	fault.Fail(disk.OpWrite, 0, 1, syscall.ENOSPC)
	if got := c.Text("ACL", "SETUSER", "eve", "on"); !strings.HasPrefix(got, "-ERR the users could not be written") {
		t.Errorf("it answers %s", got)
	}
	eventually(t, "they are written", func() bool {
		text, err := os.ReadFile(path)
		return err == nil && strings.Contains(string(text), "user eve") && s.UsersFailure() == nil
	})
}

// TestUsersOfATransactionAreKept stops the server right after transactions are answered, which do not wait for the file.
func TestUsersOfATransactionAreKept(t *testing.T) {
	cfg := kv.Config{Users: filepath.Join(t.TempDir(), "users.acl")}
	for i := range 20 {
		name := ""
		run(t, "made", cfg, func(t *testing.T, _ *kv.Server, addr string) {
			t.Helper()
			c := kvtest.Dial(t, addr)
			for j := range 20 {
				name = fmt.Sprintf("user%d.%d", i, j)
				want(t, c, "OK", "MULTI")
				want(t, c, "QUEUED", "ACL", "SETUSER", name, "on")
				want(t, c, "[OK]", "EXEC")
			}
		})
		text, err := os.ReadFile(cfg.Users)
		if err != nil || !strings.Contains(string(text), "user "+name+" ") {
			t.Fatalf("round %d: %s is not in the file: %v", i, name, err)
		}
	}
}
