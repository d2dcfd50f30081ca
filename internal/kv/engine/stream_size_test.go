package engine

import (
	"fmt"
	"strings"
	"testing"
)

// TestStreamTrimsAsRedis adds entries of three forms with MAXLEN ~ 20 and looks after each fifteenth how many are left:
// the numbers are those of redis-server 7.0.15 for the same commands.
func TestStreamTrimsAsRedis(t *testing.T) {
	for name, tc := range map[string]struct {
		pairs func(i int) string
		want  string
	}{
		"events": {func(i int) string {
			return fmt.Sprintf("event completed jobId 00000000-0000-0000-0000-%012d prev active", i)
		}, "[15 30 45 60 75 30 45 60 75 30]"},
		"numbers": {func(i int) string {
			return fmt.Sprintf("n %d small %d text %s", i*100003, i, strings.Repeat("x", 70))
		}, "[15 30 45 60 30 45 60 30 45 60]"},
		"other fields": {func(i int) string { return fmt.Sprintf("field%d value", i) }, "[15 30 45 60 75 90 105 20 35 50]"},
	} {
		r := newRig(t, Config{})
		var got []string
		for i := 1; i <= 150; i++ {
			r.say(fmt.Sprintf("xadd s maxlen ~ 20 %d-%d %s", i*300, i%7, tc.pairs(i)))
			if i%15 == 0 {
				got = append(got, r.say("xlen s"))
			}
		}
		if fmt.Sprint(got) != tc.want {
			t.Errorf("%s: %v, want %s", name, got, tc.want)
		}
	}
}

// TestListSizes has the borders between the forms of an element.
func TestListSizes(t *testing.T) {
	for text, want := range map[string]int{
		"": 2, "0": 2, "127": 2, "128": 3, "-1": 3, "-4096": 3, "4095": 3, "4096": 4, "-4097": 4, "32767": 4, "32768": 5, "8388607": 5, "8388608": 6,
		"2147483647": 6, "2147483648": 10, "-9223372036854775808": 10, "9223372036854775808": 21, "01": 4, "a": 3,
		strings.Repeat("a", 63): 65, strings.Repeat("a", 64): 67, strings.Repeat("a", 125): 128, strings.Repeat("a", 126): 130,
		strings.Repeat("a", 4095): 4099, strings.Repeat("a", 4096): 4103, strings.Repeat("a", 16377): 16384, strings.Repeat("a", 16378): 16386,
	} {
		if got := listString([]byte(text)); got != want {
			t.Errorf("%d bytes, %.20q: %d, want %d", len(text), text, got, want)
		}
	}
}
