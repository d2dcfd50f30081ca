package resp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// pieces gives its parts one by one.
type pieces [][]byte

func (p *pieces) Read(b []byte) (int, error) {
	if len(*p) == 0 {
		return 0, io.EOF
	}
	n := copy(b, (*p)[0])
	if (*p)[0] = (*p)[0][n:]; len((*p)[0]) == 0 {
		*p = (*p)[1:]
	}
	return n, nil
}

// split cuts a stream at random; size is about how long a piece is.
func split(b []byte, size int, rng *rand.Rand) *pieces {
	var p pieces
	for len(b) > 0 {
		n := min(len(b), 1+rng.IntN(2*size))
		p = append(p, slices.Clone(b[:n]))
		b = b[n:]
	}
	return &p
}

// parse gives all commands of a stream, and why it ended.
func parse(src io.Reader, lim Limits) (commands []string, end string, r *Reader) {
	r = NewReader(src, lim)
	for {
		args, err := r.Next()
		switch {
		case err == nil:
			commands = append(commands, fmt.Sprintf("%q", args))
			continue
		case !errors.Is(err, ErrIncomplete):
			return commands, err.Error(), r
		}
		if err := r.Fill(); err != nil {
			return commands, err.Error(), r
		}
	}
}

func command(args ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	return b.String()
}

func TestCommandsAreRead(t *testing.T) {
	long := strings.Repeat("x", Full.Inline)
	for _, test := range []struct {
		in   string
		lim  Limits
		want []string
		end  string
	}{
		{in: "*2\r\n$3\r\nGET\r\n$1\r\na\r\n", want: []string{`["GET" "a"]`}},
		{in: "PING\r\nECHO hi\n", want: []string{`["PING"]`, `["ECHO" "hi"]`}},
		{in: "\r\n\n*0\r\n*-1\r\n   \r\nPING\r\n", want: []string{`["PING"]`}},
		{in: "*1\r\n$0\r\n\r\n", want: []string{`[""]`}},
		{in: `SET "a\x41\n" 'it\'s' ""` + "\r\n", want: []string{`["SET" "aA\n" "it's" ""]`}},
		{in: "GET \"a\r\n", end: "Protocol error: unbalanced quotes in request"},
		{in: "GET \"a\"b\r\n", end: "Protocol error: unbalanced quotes in request"},
		{in: "*a\r\n", end: "Protocol error: invalid multibulk length"},
		{in: "*1048577\r\n", end: "Protocol error: invalid multibulk length"},
		{in: "*1\r\n+a\r\n", end: "Protocol error: expected '$', got '+'"},
		{in: "*1\r\n\r\n", end: "Protocol error: expected '$', got ' '"},
		{in: "*1\r\n$-1\r\n", end: "Protocol error: invalid bulk length"},
		{in: "*1\r\n$9223372036854775807\r\n", end: "Protocol error: invalid bulk length"},
		{in: "*1\r\n$64424509440\r\n", end: "Protocol error: invalid bulk length"},
		{in: "*1\r\n$99999999999999999999\r\n", end: "Protocol error: invalid bulk length"},
		{in: "*1\r\n$+1\r\na\r\n", end: "Protocol error: invalid bulk length"},
		{in: long + "\r\n", want: []string{fmt.Sprintf("[%q]", long)}},
		{in: long + "x\r\n", end: "Protocol error: too big inline request"},
		{in: "*" + long + "\r\n", end: "Protocol error: too big mbulk count string"},
		{in: "*1\r\n$" + long + "\r\n", end: "Protocol error: too big bulk count string"},
		{in: command("AUTH", "secret"), lim: Unsure, want: []string{`["AUTH" "secret"]`}},
		{in: "*11\r\n", lim: Unsure, end: "Protocol error: unauthenticated multibulk length"},
		{in: "*1\r\n$16385\r\n", lim: Unsure, end: "Protocol error: unauthenticated bulk length"},
		{in: command(slices.Repeat([]string{strings.Repeat("y", 16<<10)}, 5)...), lim: Unsure, end: "Protocol error: unauthenticated command too large"},
	} {
		if test.lim == (Limits{}) {
			test.lim = Full
		}
		if test.end == "" {
			test.end = "EOF"
		}
		for _, size := range []int{1, 7, 1 << 20} { // the same, however it arrives
			got, end, _ := parse(split([]byte(test.in), size, rand.New(rand.NewPCG(1, 2))), test.lim)
			if !slices.Equal(got, test.want) || end != test.end {
				t.Errorf("%.60q in pieces of %d: %.200q, then %s; want %.200q, then %s", test.in, size, got, end, test.want, test.end)
			}
		}
	}
}

// randomCommand gives one as it is sent and as it is read.
func randomCommand(rng *rand.Rand) (sent, read string) {
	args := make([]string, 1+rng.IntN(5))
	for i := range args {
		n := rng.IntN(20)
		if rng.IntN(20) == 0 {
			n = rng.IntN(40000)
		}
		b := make([]byte, n)
		for j := range b {
			b[j] = byte(rng.IntN(256))
		}
		args[i] = string(b)
	}
	read = fmt.Sprintf("%q", args)
	switch rng.IntN(4) {
	case 0:
		word := fmt.Sprintf("WORD%d", rng.IntN(1000))
		return word + " a\r\n", fmt.Sprintf("%q", []string{word, "a"})
	case 1:
		return "\r\n*0\r\n" + command(args...), read
	}
	return command(args...), read
}

func TestEverySplitGivesTheSameCommands(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var stream strings.Builder
		var want []string
		for range 1 + rng.IntN(30) {
			sent, read := randomCommand(rng)
			stream.WriteString(sent)
			want = append(want, read)
		}
		got, end, _ := parse(split([]byte(stream.String()), 1+rng.IntN(500), rng), Full)
		if d := cmp.Diff(want, got); d != "" || end != "EOF" {
			t.Fatalf("seed %d: ended by %s, %s", seed, end, d)
		}
	}
}

// ahead is parse by who looks ahead, at random.
func ahead(t *testing.T, src io.Reader, lim Limits, rng *rand.Rand) (commands []string, end string, r *Reader) {
	t.Helper()
	r = NewReader(src, lim)
	var known []Call
	for {
		if rng.IntN(3) == 0 {
			known = slices.Clone(r.Ahead(1 + rng.IntN(20)))
			for _, call := range known {
				_ = fmt.Sprint(call.Args)
			}
		}
		args, err := r.Next()
		switch {
		case err == nil:
			if len(known) > 0 && known[0].bytes != r.Taken() {
				t.Fatalf("a command of %d bytes was seen ahead, and one of %d taken", known[0].bytes, r.Taken())
			}
			known = known[min(1, len(known)):]
			commands = append(commands, fmt.Sprintf("%q", args))
		case !errors.Is(err, ErrIncomplete):
			return commands, err.Error(), r
		}
		if err != nil || rng.IntN(10) == 0 { // also while there is more
			known = nil
			if err := r.Fill(); err != nil {
				return append(commands, rest(r)...), err.Error(), r
			}
		}
	}
}

// rest gives what is there.
func rest(r *Reader) (commands []string) {
	for {
		args, err := r.Next()
		if err != nil {
			return commands
		}
		commands = append(commands, fmt.Sprintf("%q", args))
	}
}

func TestWhoLooksAheadGetsTheSameCommands(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 2))
		var stream strings.Builder
		for range 1 + rng.IntN(60) {
			sent, _ := randomCommand(rng)
			stream.WriteString(sent)
		}
		if rng.IntN(2) == 0 {
			stream.WriteString("*1\r\n$x\r\n")
		}
		want, wantEnd, _ := parse(strings.NewReader(stream.String()), Full)
		got, end, r := ahead(t, split([]byte(stream.String()), 1+rng.IntN(2000), rng), Full, rng)
		if d := cmp.Diff(want, got); d != "" || end != wantEnd && end != "EOF" {
			t.Fatalf("seed %d: ended by %s, %s", seed, end, d)
		}
		if cap(r.args) > maxArgs {
			t.Errorf("room for %d arguments is kept", cap(r.args))
		}
	}
}

// TestWhatIsAheadCounts sees that bytes which were parsed and not taken are still there for who bounds them.
func TestWhatIsAheadCounts(t *testing.T) {
	in := command("SET", "a", "b")
	r := NewReader(strings.NewReader(in+in+in+"*2\r\n"), Full)
	if err := r.Fill(); err != nil {
		t.Fatal(err)
	}
	all := r.Buffered()
	if n := len(r.Ahead(16)); n != 3 || r.Buffered() != all {
		t.Errorf("%d commands are ahead, and %d bytes of %d are left", n, r.Buffered(), all)
	}
	if _, err := r.Next(); err != nil || r.Buffered() != all-len(in) || r.Taken() != len(in) {
		t.Errorf("after a command %d bytes of %d are left: %v", r.Buffered(), all, err)
	}
	if n := len(r.Ahead(16)); n != 2 {
		t.Errorf("%d commands are ahead after one was taken", n)
	}
	large := command("SET", "a", strings.Repeat("b", mostAhead))
	r = NewReader(strings.NewReader(large+large), Full)
	for r.Fill() == nil {
	}
	if n := len(r.Ahead(16)); n != 1 {
		t.Errorf("%d large commands are parsed ahead", n)
	}
}

// TestNoByteIsLookedAtTwice watches how far a line was searched: what comes byte by byte must not be searched from its
// beginning each time.
func TestNoByteIsLookedAtTwice(t *testing.T) {
	for _, in := range []string{strings.Repeat("x", 5000), "*1\r\n$" + strings.Repeat("1", 5000)} {
		r := NewReader(split([]byte(in), 1, rand.New(rand.NewPCG(1, 1))), Full)
		for r.Fill() == nil {
			if _, err := r.Next(); !errors.Is(err, ErrIncomplete) {
				t.Fatal(err)
			}
			if open := r.w - r.r - r.pos; r.seen != open {
				t.Fatalf("of %d bytes of an open line %d are known to have no end", open, r.seen)
			}
		}
	}
}

func TestArgumentsOfAnOpenCommandAreKept(t *testing.T) {
	var b bytes.Buffer
	const n = 50000
	fmt.Fprintf(&b, "*%d\r\n", n)
	for range n {
		b.WriteString("$1\r\na\r\n")
	}
	r := NewReader(split(b.Bytes(), 100, rand.New(rand.NewPCG(1, 1))), Full)
	for left := n; ; {
		args, err := r.Next()
		if err == nil {
			if len(args) != n {
				t.Fatalf("%d arguments", len(args))
			}
			break
		}
		if r.left > left {
			t.Fatalf("%d arguments were to come, %d are now", left, r.left)
		}
		if r.left > 0 {
			left = r.left
		}
		if err := r.Fill(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestABoundThatShrinksWithinALine makes the bound of a line smaller than what was looked through of it.
func TestABoundThatShrinksWithinALine(t *testing.T) {
	r := NewReader(strings.NewReader(strings.Repeat("x", 60<<10)), Full)
	for r.Fill() == nil {
		if _, err := r.Next(); !errors.Is(err, ErrIncomplete) {
			t.Fatalf("half a line gives %v", err)
		}
	}
	r.SetLimits(Unsure)
	if _, err := r.Next(); err == nil || err.Error() != "Protocol error: too big inline request" {
		t.Errorf("a line over the new bound gives %v", err)
	}
}

func TestMemoryFollowsWhatCame(t *testing.T) {
	_, _, r := parse(strings.NewReader("*1000000\r\n$536870912\r\nabc"), Full)
	if r.Held() > startBuffer || cap(r.cuts) > 4*maxArgs {
		t.Errorf("a length that was said takes %d bytes and %d cuts", r.Held(), cap(r.cuts))
	}
	big := command("SET", "k", strings.Repeat("v", 8<<20))
	_, _, r = parse(strings.NewReader(big), Full)
	if r.Held() > keepBuffer {
		t.Errorf("%d bytes are held after a large command", r.Held())
	}
	_, _, r = parse(strings.NewReader(command(slices.Repeat([]string{"a"}, 100000)...)), Full)
	if cap(r.cuts) > 4*maxArgs || cap(r.args) > maxArgs {
		t.Errorf("%d cuts and %d arguments are held after a long command", cap(r.cuts), cap(r.args))
	}
}

// TestNoArgumentHoldsALargeBuffer looks at what is kept for the arguments of later commands.
func TestNoArgumentHoldsALargeBuffer(t *testing.T) {
	large := command("SET", "k", strings.Repeat("v", 1<<20))
	r := NewReader(strings.NewReader(large+large+strings.Repeat(command("PING"), 50)), Full)
	for r.Fill() == nil {
		for {
			if _, err := r.Next(); err != nil {
				break
			}
		}
	}
	for _, a := range r.args[:cap(r.args)] {
		if cap(a) > keepBuffer || len(a) > keepBuffer {
			t.Errorf("an argument of %d bytes is held", len(a))
		}
	}
	for _, call := range r.ahead[:cap(r.ahead)] {
		if call.Args != nil {
			t.Errorf("a command of %d arguments is held", len(call.Args))
		}
	}
}

func TestABufferThatIsTooLargeIsLetGoOf(t *testing.T) {
	p := pieces{[]byte(command("SET", "k", strings.Repeat("v", 40000)))}
	for range 200 {
		p = append(p, []byte(command("PING")))
	}
	if _, end, r := parse(&p, Full); end != "EOF" || r.Held() > readBuffer {
		t.Errorf("%d bytes are held after many small commands, %s", r.Held(), end)
	}
}

func TestHeldGrowsWithTheData(t *testing.T) {
	stream := []byte(command("SET", "k", strings.Repeat("v", 4<<20)))
	r := NewReader(split(stream, 10000, rand.New(rand.NewPCG(1, 1))), Full)
	for came := 0; ; {
		before := r.Buffered()
		if err := r.Fill(); err != nil {
			break
		}
		came += r.Buffered() - before
		if r.Held() > 2*came+readBuffer {
			t.Fatalf("%d bytes are held for %d that came", r.Held(), came)
		}
		if _, err := r.Next(); err == nil {
			break
		}
	}
}

// FuzzReader feeds the same bytes whole and in pieces: commands and the end must be the same, and what is held must follow
// what came.
func FuzzReader(f *testing.F) {
	for _, s := range []string{
		command("SET", "a", "b"), "PING\r\n", "*0\r\n", "*-1\r\n", "*1000001\r\n", "$9223372036854775807\r\n", "*1\r\n$64424509440\r\n",
		"\x16\x03\x01\x02\x00", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "SET \"a\\x", "*1\r\n$3\r\nab", "*3\r\n$3\r\nSET\r\n:1\r\n",
	} {
		f.Add([]byte(s), uint64(1), false)
		f.Add([]byte(s+s), uint64(2), true)
	}
	f.Fuzz(func(t *testing.T, in []byte, seed uint64, unsure bool) {
		lim := Full
		if unsure {
			lim = Unsure
		}
		whole, end, r := parse(bytes.NewReader(in), lim)
		rng := rand.New(rand.NewPCG(seed, 1))
		cut, cutEnd, _ := parse(split(in, 1+rng.IntN(64), rng), lim)
		if seen, _, _ := ahead(t, split(in, 1+rng.IntN(64), rng), lim, rng); !slices.Equal(whole, seen) {
			t.Errorf("whole %q, by who looks ahead %q", whole, seen)
		}
		if !slices.Equal(whole, cut) || end != cutEnd {
			t.Errorf("whole %q then %s, in pieces %q then %s", whole, end, cut, cutEnd)
		}
		if r.Held() > 2*len(in)+readBuffer || cap(r.cuts) > 4*len(in)+4*maxArgs {
			t.Errorf("%d bytes and %d cuts for %d bytes", r.Held(), cap(r.cuts), len(in))
		}
	})
}

// greedy gives as much as it is asked for, and remembers the most.
type greedy struct{ most int }

func (g *greedy) Read(p []byte) (int, error) {
	g.most = max(g.most, len(p))
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// TestLongArgumentsComeInPieces reads arguments of 64 MB together: no read takes so much that others wait for it, and what
// came is not moved again and again.
func TestLongArgumentsComeInPieces(t *testing.T) {
	const all = 64 << 20
	for _, n := range []int{1, 2, 100} {
		size, g := all/n, &greedy{}
		stream := []io.Reader{strings.NewReader(fmt.Sprintf("*%d\r\n", n))}
		for range n {
			stream = append(stream, strings.NewReader(fmt.Sprintf("$%d\r\n", size)), io.LimitReader(g, int64(size)), strings.NewReader("\r\n"))
		}
		stream = append(stream, strings.NewReader("PING\r\n"))
		var before, after goruntime.MemStats
		goruntime.ReadMemStats(&before)
		src := io.MultiReader(stream...)
		if n == 2 {
			src = iotest.HalfReader(src)
		}
		r := NewReader(src, Full)
		args, err := r.Next()
		for errors.Is(err, ErrIncomplete) {
			if err = r.Fill(); err == nil {
				args, err = r.Next()
			}
		}
		goruntime.ReadMemStats(&after)
		if err != nil || len(args) != n {
			t.Fatalf("%d arguments, %v", len(args), err)
		}
		for i, arg := range args {
			if len(arg) != size || bytes.Count(arg, []byte("x")) != size {
				t.Fatalf("argument %d has %d bytes, %d as they were sent", i, len(arg), bytes.Count(arg, []byte("x")))
			}
		}
		if g.most > 1<<20 {
			t.Errorf("a read of %d bytes", g.most)
		}
		if made := after.TotalAlloc - before.TotalAlloc; made > 5*all {
			t.Errorf("%d bytes are made for %d arguments of %d", made, n, size)
		}
		for args, err = r.Next(); errors.Is(err, ErrIncomplete); args, err = r.Next() {
			if err := r.Fill(); err != nil {
				t.Fatal(err)
			}
		}
		if err != nil || len(args) != 1 || string(args[0]) != "PING" {
			t.Errorf("after it %q, %v", args, err)
		}
	}
}

// TestALengthThatLies announces half a gigabyte and sends little of it: memory is taken for what came.
func TestALengthThatLies(t *testing.T) {
	for _, came := range []int{0, 100, 10_000, 1 << 20} {
		r := NewReader(io.MultiReader(strings.NewReader("*2\r\n$3\r\nGET\r\n$536870912\r\n"), io.LimitReader(&greedy{}, int64(came))), Full)
		for {
			if _, err := r.Next(); !errors.Is(err, ErrIncomplete) {
				t.Fatal(err)
			}
			if r.Fill() != nil {
				break
			}
		}
		if n := r.Buffered(); n < came {
			t.Errorf("%d bytes came, %d are there", came, n)
		}
		if held := r.Held(); held > 2*came+keepBuffer {
			t.Errorf("%d bytes are held for %d", held, came)
		}
	}
}

// TestOneReaderForMany has one Reader take commands from several streams by turns. Where a command is not whole after its turn,
// its stream goes on with a Reader of its own: each gives what it would give alone.
func TestOneReaderForMany(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 3))
		shared := NewReader(nil, Full)
		type source struct {
			src       *pieces
			own       *Reader // nil = nothing is there
			got, want []string
		}
		sources := make([]*source, 5)
		for i := range sources {
			s := &source{}
			var stream strings.Builder
			for range 1 + rng.IntN(30) {
				sent, read := randomCommand(rng)
				stream.WriteString(sent)
				s.want = append(s.want, read)
			}
			s.src = split([]byte(stream.String()), 1+rng.IntN(1000), rng)
			sources[i] = s
		}
		for left := len(sources); left > 0; {
			s := sources[rng.IntN(len(sources))]
			if s.src == nil {
				continue
			}
			r := s.own
			if r == nil {
				r = shared
				r.Attach(s.src, Full)
			}
			if err := r.Fill(); err != nil {
				s.src = nil
				left--
			}
			r.Ahead(1 + rng.IntN(20))
			s.got = append(s.got, rest(r)...)
			switch {
			case r.Buffered() == 0:
				r.Detach()
				s.own = nil
			case s.own == nil:
				n := r.Buffered()
				s.own = r.Split()
				if s.own.Buffered() != n || r.Buffered() != 0 || len(s.own.buf) > max(leastOwn, 2*n) {
					t.Fatalf("of %d bytes %d went, %d stay, in a buffer of %d", n, s.own.Buffered(), r.Buffered(), len(s.own.buf))
				}
			}
		}
		for i, s := range sources {
			if d := cmp.Diff(s.want, s.got); d != "" {
				t.Fatalf("seed %d, stream %d: %s", seed, i, d)
			}
		}
	}
}
