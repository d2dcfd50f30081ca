package httpapi

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// certLook is how often the files of the certificate are looked at, at most: with a handshake.
const certLook = 5 * time.Second

// certificate is the certificate of the listener. It follows its files: one that was replaced is used from the next
// handshake on, one that cannot be used is said, and the one before stays.
type certificate struct {
	cert, key string
	log       *slog.Logger

	loaded atomic.Pointer[tls.Certificate]

	// mu guards what follows. Who has it looks at the files; the others do not wait for that, they use what is loaded.
	mu     sync.Mutex
	stamps [2]time.Time // of the files, as last tried
	looked time.Time
}

// CertificateOf gives the TLS settings of a listener beside this one, whose certificate follows its files as this one's
// does.
func CertificateOf(cert, key string, log *slog.Logger) (*tls.Config, error) {
	c, err := openCertificate(cert, key, log)
	if err != nil {
		return nil, err
	}
	return c.config(), nil
}

func openCertificate(cert, key string, log *slog.Logger) (*certificate, error) {
	c := &certificate{cert: cert, key: key, log: log}
	c.stamps = c.look()
	loaded, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", cert, err)
	}
	c.looked = time.Now()
	c.loaded.Store(&loaded)
	return c, nil
}

// look gives when the files were changed, zero for one that is not there.
func (c *certificate) look() (stamps [2]time.Time) {
	for i, path := range []string{c.cert, c.key} {
		if info, err := os.Stat(path); err == nil {
			stamps[i] = info.ModTime()
		}
	}
	return stamps
}

func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.current(time.Now()), nil
		},
	}
}

// current gives the certificate to use now.
func (c *certificate) current(now time.Time) *tls.Certificate {
	if !c.mu.TryLock() {
		return c.loaded.Load()
	}
	defer c.mu.Unlock()
	if now.Sub(c.looked) < certLook {
		return c.loaded.Load()
	}
	c.looked = now
	stamps := c.look()
	if stamps == c.stamps {
		return c.loaded.Load()
	}
	// The two files are replaced one after the other: what does not fit now is tried again when the other has come.
	c.stamps = stamps
	loaded, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		c.log.Warn("the new certificate cannot be used, the one before goes on", "file", c.cert, "error", err)
		return c.loaded.Load()
	}
	c.log.Info("certificate replaced", "file", c.cert, "expires", loaded.Leaf.NotAfter.UTC())
	c.loaded.Store(&loaded)
	return &loaded
}
