package httpapi

import (
	"container/list"
	"fmt"
	"math"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxClients is how many clients a limiter knows. One more, and the one that was not heard of for longest is forgotten,
// which is to its advantage only.
const maxClients = 10_000

// limiter gives each client a bucket of burst tokens, which fills by so many a second.
type limiter struct {
	mu      sync.Mutex // guards what follows
	rate    float64    // 0 = no limit
	burst   int
	clients map[string]*list.Element // of order
	order   *list.List               // of *client, the one heard of last first
}

type client struct {
	key     string
	bucket  *rate.Limiter
	refused bool // when it came last
}

func newLimiter(perSecond float64, burst int) *limiter {
	l := &limiter{}
	l.set(perSecond, burst)
	return l
}

// set changes the limit; all begin anew with full buckets.
func (l *limiter) set(perSecond float64, burst int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.clients != nil && l.rate == perSecond && l.burst == burst {
		return
	}
	l.rate, l.burst = perSecond, max(burst, 1)
	l.clients, l.order = map[string]*list.Element{}, list.New()
}

func (l *limiter) on() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rate > 0
}

// verdict is what a limiter says of a request.
type verdict struct {
	ok     bool
	first  bool          // of the requests that are refused in a row
	quota  int           // requests at once
	left   int           // that may come now
	window time.Duration // in which quota comes back
	after  time.Duration // until one more may come than now
}

// take counts a request of a client.
func (l *limiter) take(key string) verdict {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rate <= 0 {
		return verdict{ok: true}
	}
	c := l.client(key)
	v := verdict{ok: c.bucket.AllowN(now, 1), quota: l.burst, window: time.Duration(float64(l.burst) / l.rate * float64(time.Second))}
	v.first, c.refused = !v.ok && !c.refused, !v.ok
	tokens := max(0, c.bucket.TokensAt(now))
	v.left = int(tokens)
	if v.left < v.quota {
		v.after = time.Duration((float64(v.left+1) - tokens) / l.rate * float64(time.Second))
	}
	return v
}

// client gives what is known of a client. l.mu is held.
func (l *limiter) client(key string) *client {
	if e := l.clients[key]; e != nil {
		l.order.MoveToFront(e)
		c, _ := e.Value.(*client)
		return c
	}
	if len(l.clients) >= maxClients {
		last := l.order.Back()
		c, _ := l.order.Remove(last).(*client)
		delete(l.clients, c.key)
	}
	c := &client{key: key, bucket: rate.NewLimiter(rate.Limit(l.rate), l.burst)}
	l.clients[key] = l.order.PushFront(c)
	return c
}

// headers tells the client where it stands, as draft-ietf-httpapi-ratelimit-headers-10 has it: of q requests in w seconds r
// may come now, and in t seconds there is one more.
func (v verdict) headers(h http.Header) {
	if v.quota == 0 {
		return
	}
	h.Set("RateLimit-Policy", fmt.Sprintf(`"default";q=%d;w=%d`, v.quota, wholeSeconds(v.window)))
	h.Set("RateLimit", fmt.Sprintf(`"default";r=%d;t=%d`, v.left, wholeSeconds(v.after)))
}

// wholeSeconds rounds up.
func wholeSeconds(d time.Duration) int64 { return int64(math.Ceil(d.Seconds())) }
