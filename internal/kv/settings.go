package kv

import (
	"time"

	"github.com/wayside-edge/wayside/internal/kv/resp"
)

// settings are what CONFIG SET changes while the server runs.
type settings struct {
	maxClients   int
	idle         time.Duration
	keepAlive    time.Duration
	outputNormal OutputLimit
	outputPubSub OutputLimit
	outputSlave  OutputLimit // remembered only
	queryBuffer  int64
	bulk         int64 // longest argument
	slowerThan   int64 // microseconds; below zero = no command is slow
	slowMax      int
	trackingMax  int // keys; 0 = no bound
	aclLogMax    int
	aclChannels  bool // a new user may use all channels
	latencyStats bool
	latencyFrom  int64             // milliseconds of a delay that is recorded; 0 = none is
	percentiles  []float64         // of INFO
	password     string            // of the user default, as it was set last
	kept         map[string]string // parameters that are remembered and change nothing
}

const (
	mib = 1 << 20
	gib = 1 << 30
)

func newSettings(cfg Config) settings {
	return settings{
		maxClients: orDefault(cfg.MaxClients, 10000), idle: cfg.IdleTimeout, keepAlive: orDefault(cfg.KeepAlive, 5*time.Minute),
		outputNormal: orDefault(cfg.OutputNormal, OutputLimit{Hard: gib, Soft: 256 * mib, For: time.Minute}),
		outputPubSub: orDefault(cfg.OutputPubSub, OutputLimit{Hard: 32 * mib, Soft: 8 * mib, For: time.Minute}),
		outputSlave:  OutputLimit{Hard: 256 * mib, Soft: 64 * mib, For: time.Minute},
		queryBuffer:  orDefault(cfg.QueryBuffer, gib), bulk: int64(resp.Full.Bulk),
		slowerThan: 10000, slowMax: 128, trackingMax: 1000000, aclLogMax: 128, latencyStats: true, percentiles: []float64{50, 99, 99.9},
		password: cfg.Password, kept: map[string]string{},
	}
}

// readLimits bounds a command of a client that has said who it is.
func (s *settings) readLimits() resp.Limits {
	l := resp.Full
	l.Bulk = int(s.bulk)
	return l
}
