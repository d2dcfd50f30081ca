package clients

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// tool finds a program of Redis.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: apt-get install redis-tools", name)
	}
	return path
}

// cli runs redis-cli, and gives what it prints on both outputs, and whether it ended well.
func (s *server) cli(input string, args ...string) (string, bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, tool(s.t, "redis-cli"), append([]string{"-p", s.port()}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		s.t.Fatalf("redis-cli %v does not end:\n%s", args, out)
	}
	return string(out), err == nil
}

// says runs redis-cli and wants it to end well and to print something.
func (s *server) says(expected, input string, args ...string) {
	s.t.Helper()
	if out, well := s.cli(input, args...); !well || strings.TrimRight(out, "\n") != expected {
		s.t.Errorf("redis-cli %q: %q (%v), want %q", args, out, well, expected)
	}
}

// matches is says for what differs from run to run.
func (s *server) matches(pattern string, args ...string) {
	s.t.Helper()
	if out, _ := s.cli("", args...); !regexp.MustCompile(pattern).MatchString(out) {
		s.t.Errorf("redis-cli %q: %s\nhas no %s", args, out, pattern)
	}
}

func TestRedisCLI(t *testing.T) {
	s := open(t)
	c := s.client(0)
	t.Run("pipe", func(t *testing.T) { cliPipe(t, s, c) })
	t.Run("scan", func(t *testing.T) { cliScan(t, s, c) })
	t.Run("statistics", func(t *testing.T) { cliStatistics(t, s) })
	t.Run("forms", func(t *testing.T) { cliForms(t, s) })
	t.Run("scripts", func(t *testing.T) { cliScripts(t, s) })
	t.Run("ACL", func(t *testing.T) { cliACL(t, s) })
	t.Run("inline", func(t *testing.T) { inline(t, s) })
	t.Run("monitor", func(t *testing.T) { cliMonitor(t, s, c) })
	t.Run("subscribe", func(t *testing.T) { cliSubscribe(t, s, c) })
}

// cliPipe loads in bulk, in both forms, with errors among it.
func cliPipe(t *testing.T, s *server, c *redis.Client) {
	s.t = t
	var b strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&b, "*3\r\n$3\r\nSET\r\n$%d\r\nkey:%d\r\n$1\r\nv\r\n", len(fmt.Sprintf("key:%d", i)), i)
	}
	b.WriteString("LPUSH list a b c\r\nLPUSH key:0 x\r\nSADD set a b c d\r\nNOPE\r\n")
	out, well := s.cli(b.String(), "--pipe")
	if well || !strings.Contains(out, "errors: 2, replies: 20004") || !strings.Contains(out, "WRONGTYPE") || !strings.Contains(out, "ERR unknown command 'NOPE', with args beginning with:") {
		t.Errorf("--pipe: %s", out)
	}
	want(t, "keys", ok[int64](t)(c.DBSize(t.Context()).Result()), "20002")
}

func cliScan(t *testing.T, s *server, c *redis.Client) {
	s.t = t
	ok[int64](t)(c.HSet(t.Context(), "hash", "f", "1", "g", "2").Result())
	ok[int64](t)(c.ZAdd(t.Context(), "zset", redis.Z{Score: 1, Member: "m"}).Result())
	ok[string](t)(c.XAdd(t.Context(), &redis.XAddArgs{Stream: "stream", ID: "1-1", Values: []string{"f", "v"}}).Result())
	ok[string](t)(c.Set(t.Context(), "large", strings.Repeat("x", 10_000), 0).Result())
	out, _ := s.cli("", "--scan", "--pattern", "key:*")
	lines := strings.Fields(out)
	slices.Sort(lines)
	want(t, "--scan", len(slices.Compact(lines)), "20000")
	out, well := s.cli("", "--bigkeys")
	for _, part := range []string{
		"Sampled 20006 keys in the keyspace!", `Biggest   list found '"list"' has 3 items`, `Biggest   hash found '"hash"' has 2 fields`,
		`Biggest string found '"large"' has 10000 bytes`, `Biggest stream found '"stream"' has 1 entries`, `Biggest    set found '"set"' has 4 members`,
		`Biggest   zset found '"zset"' has 1 members`,
	} {
		if !well || !strings.Contains(out, part) {
			t.Errorf("--bigkeys does not say %s:\n%s", part, out)
		}
	}
	s.matches(`Biggest string found '"large"' has 1\d{4} bytes`, "--memkeys")
	if out, well := s.cli("", "--hotkeys"); well || !strings.Contains(out, "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching") {
		t.Errorf("--hotkeys without LFU: %s", out)
	}
	s.says("OK", "", "CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
	s.cli(strings.Repeat("GET large\n", 2000))
	s.matches(`hot key found with counter: \d+\tkeyname: "large"`, "--hotkeys")
	s.says("OK", "", "CONFIG", "SET", "maxmemory-policy", "noeviction")
}

func cliStatistics(t *testing.T, s *server) {
	s.t = t
	s.matches(`^\d+ \d+ \d+\.\d\d [1-9]\d*\n`, "--latency", "-i", "0.3")
	s.matches(`(?m)^# Server\r?\nredis_version:7\.0\.15\r?$`, "INFO", "server")
	s.matches(`used_memory_human:\d`, "INFO", "memory")
	s.matches(`(?m)^db0:keys=20006,expires=0,avg_ttl=0\r?$`, "INFO", "keyspace")
	s.matches(`^Redis ver\. 7\.0\.15|\nRedis ver\. 7\.0\.15`, "LOLWUT")
	s.matches(`\[ERR\] Node .* is not configured as a cluster node`, "--cluster", "info", "127.0.0.1:"+s.port())
	s.matches(`get\n|"get"`, "COMMAND", "LIST", "FILTERBY", "PATTERN", "ge*")
	s.matches(`cmdstat_set:calls=`, "INFO", "commandstats")

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stat := exec.CommandContext(ctx, tool(t, "redis-cli"), "-p", s.port(), "--stat", "-i", "0.02") // it does not end by itself
	out, err := stat.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := stat.Start(); err != nil {
		t.Fatal(err)
	}
	rows, lines := 0, bufio.NewScanner(out)
	for rows < 3 && lines.Scan() {
		if f := strings.Fields(lines.Text()); len(f) > 5 && f[0] == "20006" {
			rows++
		}
	}
	cancel()
	_ = stat.Wait()
	want(t, "--stat: rows", rows, "3")
}

func cliForms(t *testing.T, s *server) {
	s.t = t
	s.says("f 1\ng 2", "", "-3", "HGETALL", "hash") // a map
	s.says(`{"f":"1","g":"2"}`, "", "-3", "--json", "HGETALL", "hash")
	s.says(`1) "f"`+"\n"+`2) "1"`+"\n"+`3) "g"`+"\n"+`4) "2"`, "", "--no-raw", "HGETALL", "hash")
	s.says(`1# "f" => "1"`+"\n"+`2# "g" => "2"`, "", "--no-raw", "-3", "HGETALL", "hash")
	s.says("(double) 1", "", "--no-raw", "-3", "ZSCORE", "zset", "m")
	s.says("1", "", "ZSCORE", "zset", "m")
	s.says(`"c","b","a"`, "", "--csv", "LRANGE", "list", "0", "-1")
	s.says("(nil)", "", "--no-raw", "GET", "nothing")
	s.says("(integer) 4", "", "--no-raw", "SCARD", "set")
	s.says("(error) WRONGTYPE Operation against a key holding the wrong kind of value", "", "--no-raw", "GET", "set")
	s.says("OK", "\x00\r\n\xff", "-x", "SET", "bytes")
	s.says(`"\x00\r\n\xff"`, "", "--no-raw", "GET", "bytes")
	s.says("OK", "", "--quoted-input", "SET", `"q\x00"`, "v")
	s.says("v", "", "--quoted-input", "GET", `"q\x00"`)
	s.says("OK", "", "-u", "redis://127.0.0.1:"+s.port()+"/3", "SET", "in3", "x")
	s.says("x", "", "-n", "3", "GET", "in3")
	s.says("1\n2\n3", "", "-r", "3", "-i", "0.01", "INCR", "repeated")
	s.says("OK\nQUEUED\nQUEUED\nOK\n1", "MULTI\nSET tx 1\nSADD txset a\nEXEC\n")
	if out, well := s.cli("", "-e", "INCR", "set"); well || !strings.HasPrefix(out, "WRONGTYPE") {
		t.Errorf("-e: %q, %v", out, well)
	}
}

func cliScripts(t *testing.T, s *server) {
	s.t = t
	path := filepath.Join(t.TempDir(), "script.lua")
	text := "-- of a file\nredis.call('SET', KEYS[1], ARGV[1])\nreturn {redis.call('GET', KEYS[1]), #KEYS, ARGV[2] .. '!'}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.says("v\n1\ngrüße!", "", "--eval", path, "k", ",", "v", "grüße")
	sha, _ := s.cli(text, "-x", "SCRIPT", "LOAD")
	s.says("w\n1\nx!", "", "EVALSHA", strings.TrimSpace(sha), "1", "k", "w", "x")
	if out, _ := s.cli("", "EVAL", "return redis.call('GET')", "0"); !strings.Contains(out, "ERR Wrong number of args calling Redis command from script script: ") {
		t.Errorf("an error in a script: %s", out)
	}
}

func cliACL(t *testing.T, s *server) {
	s.t = t
	s.says("OK", "", "ACL", "SETUSER", "reader", "on", ">secret", "~key:*", "+get", "+acl|whoami")
	as := []string{"--user", "reader", "--pass", "secret", "--no-auth-warning"}
	s.says("v", "", append(as, "GET", "key:1")...)
	s.says("reader", "", append(as, "ACL", "WHOAMI")...)
	s.says("NOPERM this user has no permissions to access one of the keys used as arguments", "", append(as, "GET", "list")...)
	s.says("NOPERM this user has no permissions to run the 'set' command", "", append(as, "SET", "key:1", "x")...)
	s.matches("AUTH failed: WRONGPASS invalid username-password pair or user is disabled.", "--user", "reader", "--pass", "wrong", "PING")
	s.matches(`user reader on #[0-9a-f]{64} ~key:\* resetchannels -@all \+get \+acl\|whoami|\+acl\|whoami \+get`, "ACL", "LIST")
	s.matches(`(?s)reason\nauth.*username\nreader`, "ACL", "LOG")
	s.says("1", "", "ACL", "DELUSER", "reader")
}

// inline speaks as a person with a terminal does.
func inline(t *testing.T, s *server) {
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	r := bufio.NewReader(conn)
	for _, step := range [][2]string{
		{"PING\r\n", "+PONG\r\n"},
		{"\r\n\r\nset \"in line\" 'a b'\n", "+OK\r\n"},
		{"GET \"in\\x20line\"\r\n", "$3\r\na b\r\n"},
		{"  GET\t\"in line\"  \r\n", "$3\r\na b\r\n"},
		{"GET\r\n", "-ERR wrong number of arguments for 'get' command\r\n"},
		{"SET k \"unbalanced\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"},
	} {
		if _, err := conn.Write([]byte(step[0])); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, len(step[1]))
		for n := 0; n < len(b); {
			k, err := r.Read(b[n:])
			if err != nil {
				t.Fatalf("%q: %q, %v", step[0], b[:n], err)
			}
			n += k
		}
		want(t, strconv.Quote(step[0]), string(b), step[1])
	}
	if _, err := r.ReadByte(); err == nil {
		t.Error("after a protocol error the connection goes on")
	}
}

// follow runs redis-cli with a command that goes on, and gives its lines.
func follow(t *testing.T, s *server, args ...string) *bufio.Scanner {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	cmd := exec.CommandContext(ctx, tool(t, "redis-cli"), append([]string{"-p", s.port()}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	return bufio.NewScanner(out)
}

func cliMonitor(t *testing.T, s *server, c *redis.Client) {
	lines := follow(t, s, "MONITOR")
	if !lines.Scan() || lines.Text() != "OK" {
		t.Fatalf("MONITOR: %q", lines.Text())
	}
	ok[string](t)(c.Set(t.Context(), "seen", "a\r\n\"b\"", 0).Result())
	ok[any](t)(c.Eval(t.Context(), "return redis.call('INCR', KEYS[1])", []string{"counted"}).Result())
	var got []string
	for len(got) < 3 && lines.Scan() {
		if _, text, found := strings.Cut(lines.Text(), "] "); found && (strings.Contains(text, "seen") || strings.Contains(text, "counted")) {
			got = append(got, regexp.MustCompile(`^\d+\.\d{6} \[0 (lua|127\.0\.0\.1:\d+)$`).ReplaceAllString(lines.Text()[:len(lines.Text())-len(text)-2], "$1")[:3]+" "+text)
		}
	}
	want(t, "MONITOR", strings.Join(got, "\n"), `127 "set" "seen" "a\r\n\"b\""
127 "eval" "return redis.call('INCR', KEYS[1])" "1" "counted"
lua "INCR" "counted"`)
}

func cliSubscribe(t *testing.T, s *server, c *redis.Client) {
	lines := follow(t, s, "--csv", "PSUBSCRIBE", "ro*", "s*")
	for lines.Scan() && lines.Text() != `"psubscribe","s*",2` {
	}
	want(t, "PUBLISH", ok[int64](t)(c.Publish(t.Context(), "room", "hello").Result()), "1")
	lines.Scan()
	want(t, "the message", lines.Text(), `"pmessage","ro*","room","hello"`)
}

// TestRedisBenchmark runs the tests that redis-benchmark has by default, and looks that each did its work.
func TestRedisBenchmark(t *testing.T) {
	s := open(t)
	c := s.client(0, func(o *redis.Options) { o.PoolSize = 1 }) // what it asks when it connects may be answered with errors
	ok[string](t)(c.ConfigResetStat(t.Context()).Result())
	for name, args := range map[string][]string{
		"plain": nil, "pipelines": {"-P", "16"}, "RESP3": {"-3"}, "threads": {"--threads", "2", "-r", "1000"}, "larger values": {"-d", "3000", "-n", "100"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
			defer cancel()
			ok[string](t)(c.FlushAll(ctx).Result())
			cmd := exec.CommandContext(ctx, tool(t, "redis-benchmark"), append([]string{"-p", s.port(), "-n", "2000", "-c", "20", "--csv"}, args...)...)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil || stderr.Len() > 0 {
				t.Fatalf("%v\n%s%s", err, out, stderr.String())
			}
			rows, err := csv.NewReader(bytes.NewReader(out)).ReadAll()
			if err != nil || len(rows) != 21 {
				t.Fatalf("%d rows, %v:\n%s", len(rows), err, out)
			}
			for _, row := range rows[1:] {
				if rps, err := strconv.ParseFloat(row[1], 64); err != nil || rps <= 0 {
					t.Errorf("%s: %s requests a second", row[0], row[1])
				}
			}
			for key, kind := range map[string]string{"mylist": "list", "myset": "none", "myzset": "none"} { // SPOP and ZPOPMIN take what was there
				if name == "plain" {
					want(t, key, ok[string](t)(c.Type(ctx, key).Result()), kind)
				}
			}
		})
	}
	stats := ok[map[string]map[string]string](t)(c.InfoMap(limited(t), "errorstats").Result())["Errorstats"]
	want(t, "errors that the server answered", stats, "map[]")
}
