package cache

import (
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// address is where a server is and how it lets us in.
type address struct {
	host, port     string
	tls            bool
	user, password string
	db             int
}

// parseAddress reads redis://[user:password@]host[:port][/database]; rediss is with TLS. What stands there is not repeated in
// an error, since it may hold a password.
func parseAddress(text string) (address, error) {
	bad := func(what string) (address, error) {
		return address{}, errcode.Invalid("cache.url", "%s: it must be like redis://host:6379 or rediss://user:password@host:6380/0", what)
	}
	u, err := url.Parse(text)
	if err != nil {
		return bad("is no address") // without the cause, which repeats it
	}
	a := address{host: u.Hostname(), port: u.Port(), tls: u.Scheme == "rediss", user: u.User.Username()}
	a.password, _ = u.User.Password()
	if a.port == "" {
		a.port = "6379"
	}
	_, portErr := strconv.ParseUint(a.port, 10, 16)
	switch {
	case u.Scheme != "redis" && u.Scheme != "rediss":
		return bad("has another scheme")
	case a.host == "":
		return bad("names no host")
	case portErr != nil:
		return bad("has a port that is none")
	case u.RawQuery != "" || u.Fragment != "":
		return bad("has more than an address")
	}
	if path := strings.Trim(u.Path, "/"); path != "" {
		if a.db, err = strconv.Atoi(path); err != nil || a.db < 0 {
			return bad("names a database that is no number")
		}
	}
	return a, nil
}

func (a address) hostPort() string { return net.JoinHostPort(a.host, a.port) }
