package kv_test

import (
	"path"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/kv"
	"github.com/wayside-edge/wayside/internal/kv/engine"
	"github.com/wayside-edge/wayside/internal/kv/kvtest"
)

// play runs a dialogue: "a> SET k v" has client a send a command, "a< OK" is what it gets then, which may have stars, and
// "a? GET k => v" asks until the answer is that. Within a word · is a blank and ¶ the end of a line. A client that is not
// there yet connects.
func play(t *testing.T, addr, dialogue string) {
	t.Helper()
	clients := map[string]*kvtest.Client{}
	for line := range strings.Lines(dialogue) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		name, text := line[:1], strings.TrimSpace(line[2:])
		c := clients[name]
		if c == nil {
			c = kvtest.Dial(t, addr)
			clients[name] = c
		}
		switch line[1] {
		case '>':
			args := strings.Fields(text)
			for i := range args {
				args[i] = strings.NewReplacer("·", " ", "¶", "\n").Replace(args[i])
			}
			c.Send(args...)
		case '?':
			ask, want, _ := strings.Cut(text, " => ")
			eventually(t, text, func() bool { return like(c.Text(strings.Fields(ask)...), want) })
		default:
			if got := kvtest.Text(c.Read()); !like(got, text) {
				t.Errorf("%s gets %s, want %s", name, got, text)
			}
		}
	}
}

// like compares an answer with a pattern of stars.
func like(got, pattern string) bool {
	plain := strings.NewReplacer("/", "|", "\r\n", " ")
	ok, err := path.Match(strings.NewReplacer("[", `\[`, "]", `\]`, "/", "|").Replace(pattern), strings.TrimSpace(plain.Replace(got)))
	return ok && err == nil
}

func TestDialogues(t *testing.T) {
	for name, dialogue := range map[string]string{
		"connection": `
			a> PING
			a< PONG
			a> PING hi
			a< hi
			a> PING a b
			a< -ERR wrong number of arguments for 'ping' command
			a> ECHO hi
			a< hi
			a> HELLO 4
			a< -NOPROTO unsupported protocol version
			a> HELLO x
			a< -ERR Protocol version is not an integer or out of range
			a> HELLO 3 SETNAME n
			a< [server redis version 7.0.15 proto 3 id * mode standalone role master modules []]
			a> CLIENT GETNAME
			a< n
			a> AUTH x
			a< -ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?
			a> AUTH nobody x
			a< -WRONGPASS invalid username-password pair or user is disabled.
			a> NOSUCH a b
			a< -ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b'
			a> CLIENT NOSUCH
			a< -ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP.
			a> RESET
			a< RESET
			a> CLIENT GETNAME
			a< nil
			a> QUIT
			a< OK`,
		"modules": `
			a> MODULE LIST
			a< []
			a> MODULE LOAD /lib/x.so
			a< -ERR MODULE command not allowed. If the enable-module-command option is set to "local", *
			a> MODULE UNLOAD
			a< -ERR wrong number of arguments for 'module|unload' command
			a> MODULE X
			a< -ERR unknown subcommand 'X'. Try MODULE HELP.`,
		"client": `
			a> CLIENT SETNAME one
			a< OK
			a> CLIENT LIST TYPE normal
			a< id=* addr=127.0.0.1:* laddr=127.0.0.1:* fd=* name=one age=0 idle=0 flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=* qbuf-free=* argv-mem=* multi-mem=0 rbs=* rbp=0 obl=0 oll=0 omem=0 tot-mem=* events=r cmd=client|list user=default redir=-1 resp=2 lib-name= lib-ver=*
			a> CLIENT SETINFO lib-name go
			a< OK
			a> CLIENT LIST TYPE nothing
			a< -ERR Unknown client type 'nothing'
			a> CLIENT KILL 1.2.3.4:5
			a< -ERR No such client
			a> CLIENT KILL ID 0
			a< -ERR client-id should be greater than 0
			a> CLIENT KILL TYPE pubsub
			a< 0
			a> CLIENT UNBLOCK 99999
			a< 0
			a> CLIENT REPLY SKIP
			a> PING
			a> PING x
			a< x
			a> CLIENT REPLY OFF
			a> PING
			a> CLIENT REPLY ON
			a< OK
			a> CLIENT NO-EVICT on
			a< OK
			a> CLIENT PAUSE x
			a< -ERR timeout is not an integer or out of range`,
		"messages": `
			a> SUBSCRIBE x y
			a< [subscribe x 1]
			a< [subscribe y 2]
			a> PSUBSCRIBE x*
			a< [psubscribe x* 3]
			a> GET k
			a< -ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context
			b> PUBLISH x hello
			b< 2
			a< [message x hello]
			a< [pmessage x* x hello]
			b> PUBSUB NUMSUB x z
			b< [x 1 z 0]
			b> PUBSUB NUMPAT
			b< 1
			b> SPUBLISH x hello
			b< 0
			a> SSUBSCRIBE x
			a< [ssubscribe x 1]
			b> SPUBLISH x hello
			b< 1
			a< [smessage x hello]
			a> UNSUBSCRIBE
			a< [unsubscribe x 2]
			a< [unsubscribe y 1]
			a> PUNSUBSCRIBE x* z*
			a< [punsubscribe x* 0]
			a< [punsubscribe z* 0]
			a> SUNSUBSCRIBE
			a< [sunsubscribe x 0]
			a> UNSUBSCRIBE
			a< [unsubscribe nil 0]
			a> GET k
			a< nil`,
		"messages of version 3 come after the answer": `
			a> HELLO 3
			a< *
			a> SUBSCRIBE x
			a< [subscribe x 1]
			a> PUBLISH x 1
			a< 1
			a< [message x 1]
			a> MULTI
			a< OK
			a> PUBLISH x 2
			a< QUEUED
			a> PUBLISH x 3
			a< QUEUED
			a> EXEC
			a< [1 1]
			a< [message x 2]
			a< [message x 3]`,
		"key events": `
			a> CONFIG SET notify-keyspace-events KEA
			a< OK
			b> PSUBSCRIBE *
			b< [psubscribe * 1]
			a> SET key v
			a< OK
			b< [pmessage * __keyspace@0__:key set]
			b< [pmessage * __keyevent@0__:set key]
			a> DEL key
			a< 1
			b< [pmessage * __keyspace@0__:key del]
			b< [pmessage * __keyevent@0__:del key]
			a> CONFIG SET notify-keyspace-events ?
			a< -ERR CONFIG SET failed (possibly related to argument 'notify-keyspace-events') - *
			a> CONFIG SET notify-keyspace-events
			a< -ERR wrong number of arguments for 'config|set' command`,
		"tracking": `
			a> HELLO 3
			a< *
			a> CLIENT TRACKING ON
			a< OK
			a> GET k
			a< nil
			b> SET k 1
			b< OK
			a< [invalidate [k]]
			b> SET k 2
			b< OK
			a> GET k
			a< 2
			a> SET k 3
			a< OK
			a< [invalidate [k]]
			a> CLIENT TRACKING ON BCAST
			a< -ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode.
			a> CLIENT TRACKING OFF
			a< OK
			a> CLIENT TRACKING ON BCAST PREFIX a: PREFIX b: NOLOOP
			a< OK
			b> SET a:1 x
			b< OK
			a< [invalidate [a:1]]
			a> SET b:1 x
			a< OK
			a> CLIENT TRACKINGINFO
			a< [flags [on bcast noloop] redirect 0 prefixes [a: b:]]
			a> CLIENT TRACKING ON BCAST PREFIX a:x
			a< -ERR Prefix 'a:x' overlaps with an existing prefix 'a:'. Prefixes for a single client must not overlap.
			a> CLIENT TRACKING OFF
			a< OK
			a> CLIENT TRACKING ON OPTIN
			a< OK
			a> GET k
			a< 3
			a> CLIENT CACHING YES
			a< OK
			a> GET m
			a< nil
			b> SET k 1
			b< OK
			b> SET m 1
			b< OK
			a< [invalidate [m]]
			a> CLIENT TRACKING ON REDIRECT 12345
			a< -ERR The client ID you want redirect to does not exist`,
		"a pause of what writes": `
			a> CLIENT PAUSE 100000 WRITE
			a< OK
			b> EVAL_RO return·1 0
			b< 1
			b> EVAL #!lua·flags=no-writes¶return·2 0
			b< 2
			b> MULTI
			b< OK
			b> EVAL #!lua·flags=no-writes¶return·3 0
			b< QUEUED
			b> EXEC
			b< [3]
			b> EVAL return·4 0
			c? INFO clients => *blocked_clients:1*
			c> CLIENT UNPAUSE
			c< OK
			b< 4`,
		"monitor": `
			a> MONITOR
			a< OK
			b> SET k a"b
			b< OK
			a< *.* [0 127.0.0.1:*] "SET" "k" "a\\"b"
			b> CONFIG GET port
			b< *
			b> MULTI
			b< OK
			b> GET k
			b< QUEUED
			b> EXEC
			b< *
			a< *"MULTI"
			a< *"GET" "k"
			a< *"EXEC"
			b> AUTH default secret
			b< OK
			a< *"AUTH" "(redacted)" "(redacted)"`,
		"config": `
			a> CONFIG SET dir /tmp
			a< -ERR CONFIG SET failed (possibly related to argument 'dir') - can't set protected config
			a> CONFIG SET dbfilename x
			a< -ERR CONFIG SET failed (possibly related to argument 'dbfilename') - can't set protected config
			a> CONFIG SET logfile x
			a< -ERR CONFIG SET failed (possibly related to argument 'logfile') - can't set immutable config
			a> CONFIG SET unixsocket x
			a< -ERR CONFIG SET failed (possibly related to argument 'unixsocket') - can't set immutable config
			a> CONFIG SET nosuch x
			a< -ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'
			a> CONFIG SET maxmemory 1gb maxmemory-policy nosuch
			a< -ERR CONFIG SET failed (possibly related to argument 'maxmemory-policy') - argument(s) must be one of the following: *
			a> CONFIG GET maxmemory maxmemory-policy
			a< [maxmemory 0 maxmemory-policy noeviction]
			a> CONFIG SET proto-max-bulk-len 513mb
			a< -ERR CONFIG SET failed (possibly related to argument 'proto-max-bulk-len') - argument must be between *
			a> CONFIG SET proto-max-bulk-len 512mb
			a< OK
			a> CONFIG SET maxmemory 1gb maxmemory-policy allkeys-lru
			a< OK
			a> CONFIG GET maxmemory*y maxmemory
			a< [maxmemory 1073741824 maxmemory-eviction-tenacity 10 maxmemory-policy allkeys-lru]
			a> CONFIG SET hash-max-ziplist-entries 3 hash-max-listpack-entries 4
			a< -ERR CONFIG SET failed (possibly related to argument 'hash-max-listpack-entries') - duplicate parameter
			a> CONFIG SET hash-max-ziplist-entries 3
			a< OK
			a> CONFIG GET hash-max-*-entries
			a< [hash-max-listpack-entries 3 hash-max-ziplist-entries 3]
			a> CONFIG REWRITE
			a< -ERR The server is running without a config file
			a> CONFIG RESETSTAT
			a< OK`,
		"slow log": `
			a> CONFIG SET slowlog-log-slower-than 0
			a< OK
			a> SLOWLOG RESET
			a< OK
			a> SET k v
			a< OK
			a> SLOWLOG GET 1
			a< [[* * * [SET k v] 127.0.0.1:* ]]
			a> CONFIG SET requirepass secret
			a< OK
			a> SLOWLOG GET 1
			a< [[* * * [CONFIG SET requirepass (redacted)] 127.0.0.1:* ]]
			a> SLOWLOG GET -2
			a< -ERR count should be greater than or equal to -1
			a> CONFIG SET slowlog-log-slower-than -1 requirepass abc
			a< OK
			b> SLOWLOG LEN
			b< -NOAUTH Authentication required.`,
		"a single node": `
			a> CLUSTER INFO
			a< -ERR This instance has cluster support disabled
			a> CLUSTER SLOTS
			a< -ERR This instance has cluster support disabled
			a> ROLE
			a< [master 0 []]
			a> REPLICAOF NO ONE
			a< OK
			a> SHUTDOWN
			a< -ERR SHUTDOWN is not allowed here: the appliance ends its server itself
			a> BGSAVE
			a< -ERR nothing is kept: the server has no folder to write to
			a> FUNCTION FLUSH
			a< OK
			a> LATENCY LATEST
			a< []
			a> ACL LOAD
			a< -ERR This Redis instance is not configured to use an ACL file.*
			a> MEMORY PURGE
			a< OK`,
	} {
		t.Run(name, func(t *testing.T) {
			_, addr := kvtest.Start(t, kv.Config{Version: "1"})
			play(t, addr, dialogue)
		})
	}
}

func TestRights(t *testing.T) {
	for name, dialogue := range map[string]string{
		"users": `
			a> ACL LIST
			a< [user default on nopass ~* &* +@all]
			a> ACL SETUSER u on >secret ~a:* %R~r:* %W~w:* &ch* +@read +set +client|id -keys
			a< OK
			a> ACL GETUSER u
			a< [flags [on] passwords [2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b] commands * keys ~a:* %R~r:* %W~w:* channels &ch* selectors []]
			a> ACL WHOAMI
			a< default
			b> AUTH u wrong
			b< -WRONGPASS invalid username-password pair or user is disabled.
			b> AUTH u secret
			b< OK
			b> ACL WHOAMI
			b< -NOPERM this user has no permissions to run the 'acl|whoami' command
			b> GET a:1
			b< nil
			b> GET b:1
			b< -NOPERM this user has no permissions to access one of the keys used as arguments
			b> GET r:1
			b< nil
			b> GET w:1
			b< -NOPERM this user has no permissions to access one of the keys used as arguments
			b> SET w:1 x
			b< OK
			b> SET r:1 x
			b< -NOPERM this user has no permissions to access one of the keys used as arguments
			b> CLIENT ID
			b< *
			b> CLIENT LIST
			b< -NOPERM this user has no permissions to run the 'client|list' command
			b> DEL a:1
			b< -NOPERM this user has no permissions to run the 'del' command
			a> ACL LOG 1
			a< [[count 1 reason command context toplevel object del username u age-seconds * client-info id=*]]
			a> ACL DRYRUN u get b:1
			a< This user has no permissions to access the 'b:1' key
			a> ACL DRYRUN u get a:1
			a< OK
			a> ACL SETUSER u reset on nopass +@all ~* resetchannels &ch*
			a< OK
			b> SUBSCRIBE ch1
			b< [subscribe ch1 1]
			b> SUBSCRIBE other
			b< -NOPERM this user has no permissions to access one of the channels used as arguments
			b> PSUBSCRIBE ch*
			b< [psubscribe ch* 2]
			b> PSUBSCRIBE ch1*
			b< -NOPERM this user has no permissions to access one of the channels used as arguments
			a> ACL DELUSER u default
			a< -ERR The 'default' user cannot be removed
			a> ACL DELUSER u nobody
			a< 1
			a> CLIENT LIST TYPE pubsub
			a< `,
		"rules": `
			a> ACL SETUSER u +@nosuch
			a< -ERR Error in ACL SETUSER modifier '+@nosuch': Unknown command or category name in ACL
			a> ACL SETUSER u +nosuch
			a< -ERR Error in ACL SETUSER modifier '+nosuch': Unknown command or category name in ACL
			a> ACL SETUSER u nonsense
			a< -ERR Error in ACL SETUSER modifier 'nonsense': Syntax error
			a> ACL SETUSER u ~* ~a
			a< -ERR Error in ACL SETUSER modifier '~a': Adding a pattern after the * pattern*
			a> ACL SETUSER u %X~a
			a< -ERR Error in ACL SETUSER modifier '%X~a': Syntax error
			a> ACL SETUSER u <none
			a< -ERR Error in ACL SETUSER modifier '<none': The password you are trying to remove from the user does not exist
			a> ACL SETUSER u #zz
			a< -ERR Error in ACL SETUSER modifier '#zz': The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters
			a> ACL SETUSER u (~a
			a< -ERR Unmatched parenthesis in acl selector starting at '(~a'.
			a> ACL USERS
			a< [default]
			a> ACL SETUSER u on nopass +@all -client +client|id
			a< OK
			a> ACL LIST
			a< [user default on nopass ~* &* +@all user u on nopass resetchannels +@all -client* +client|id*]
			a> ACL SETUSER v (~x +get) +select|0
			a< OK
			a> ACL GETUSER v
			a< [flags [off] passwords [] commands -@all +select|0 keys  channels  selectors [[commands -@all +get keys ~x channels ]]]
			a> ACL CAT nosuch
			a< -ERR Unknown category 'nosuch'
			a> ACL GENPASS 5
			a< ??
			a> ACL GENPASS 5000
			a< -ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096`,
		"a transaction whose rights are taken": `
			a> ACL SETUSER u on nopass ~* +@all
			a< OK
			b> AUTH u x
			b< OK
			b> MULTI
			b< OK
			b> SET k 1
			b< QUEUED
			a> ACL SETUSER u -set
			a< OK
			b> EXEC
			b< [-NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no longer allowed for the following reason: no permission to execute the command or subcommand]
			b> MULTI
			b< OK
			b> SET k 1
			b< -NOPERM this user has no permissions to run the 'set' command
			b> EXEC
			b< -EXECABORT Transaction discarded because of previous errors.`,
	} {
		t.Run(name, func(t *testing.T) {
			_, addr := kvtest.Start(t, kv.Config{})
			play(t, addr, dialogue)
		})
	}
}

// TestEveryCommandIsDescribed asks COMMAND for each command of the table: what it says must be whole, and the specs of
// its keys must find the keys that the command itself does.
func TestEveryCommandIsDescribed(t *testing.T) {
	s, addr := kvtest.Start(t, kv.Config{})
	c := kvtest.Dial(t, addr)
	list, ok := c.Do("COMMAND").([]any)
	if n, _ := c.Do("COMMAND", "COUNT").(int64); !ok || int(n) != len(list) {
		t.Fatalf("%d commands are listed, %d counted", len(list), n)
	}
	s.Engine().Lock()
	var all []*engine.Command
	for cmd := range s.Engine().Commands() {
		all = append(all, cmd)
		all = append(all, cmd.Subcommands()...)
	}
	s.Engine().Unlock()
	for _, cmd := range all {
		if cmd.Summary == "" || cmd.Since == "" || cmd.Group == "" || cmd.Arity == 0 {
			t.Errorf("%s lacks something: %+v", cmd.FullName(), cmd)
		}
		info, _ := c.Do("COMMAND", "INFO", cmd.FullName()).([]any)
		row, _ := info[0].([]any)
		if len(row) != 10 || row[0] != cmd.FullName() || row[1] != int64(cmd.Arity) {
			t.Errorf("%s is described as %s", cmd.FullName(), kvtest.Text(info))
			continue
		}
		if specs, _ := row[8].([]any); (cmd.Keys.First > 0 || cmd.Find != nil) && len(specs) == 0 {
			t.Errorf("%s has keys, and no specification of them", cmd.FullName())
		}
	}
	for call, keys := range map[string]string{
		"GET a": "[[a [RO access]]]", "SET a b": "[[a [OW update]]]", "SET a b GET": "[[a [RW access update]]]", "DEL a b": "[[a [RM delete]] [b [RM delete]]]",
		"WATCH a b": "[[a [RO]] [b [RO]]]", "PING a": "-ERR The command has no key arguments", "SET a": "-ERR Invalid number of arguments specified for command",
		"NOSUCH a": "-ERR Invalid command specified",
	} {
		want(t, c, keys, append([]string{"COMMAND", "GETKEYSANDFLAGS"}, strings.Fields(call)...)...)
	}
}
