package kv_test

import (
	"regexp"
	"strconv"
	"testing"

	"github.com/wayside-edge/wayside/internal/kv"
	"github.com/wayside-edge/wayside/internal/kv/kvtest"
)

// TestClientsThatAreGoneAreNotTracked has many clients come, read a key that never changes, and go: what is remembered of
// them does not grow with them.
func TestClientsThatAreGoneAreNotTracked(t *testing.T) {
	_, addr := kvtest.Start(t, kv.Config{})
	admin := kvtest.Dial(t, addr)
	want(t, admin, "OK", "SET", "k", "v")
	items := func() int {
		m := regexp.MustCompile(`tracking_total_items:(\d+)`).FindStringSubmatch(admin.Text("INFO", "stats"))
		if m == nil {
			t.Fatal("INFO does not count tracked items")
		}
		n, _ := strconv.Atoi(m[1])
		return n
	}
	for range 100 {
		c := kvtest.Dial(t, addr)
		c.Do("HELLO", "3")
		want(t, c, "OK", "CLIENT", "TRACKING", "ON")
		want(t, c, "v", "GET", "k")
		want(t, c, "OK", "QUIT")
		if !c.Closed() {
			t.Fatal("QUIT does not close")
		}
		eventually(t, "the client is gone", func() bool {
			return regexp.MustCompile(`connected_clients:1\r`).MatchString(admin.Text("INFO", "clients"))
		})
	}
	if n := items(); n == 0 || n > 10 {
		t.Errorf("%d items are tracked for nobody", n)
	}
}
