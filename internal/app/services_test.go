package app

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestServicesStopInReverse(t *testing.T) {
	s := newServices()
	var order []string
	for _, name := range []string{"first", "second"} {
		s.start(t.Context(), name, func(ctx context.Context) error {
			<-ctx.Done()
			order = append(order, name) // one at a time: stop waits
			return ctx.Err()
		})
	}
	if err := s.stopAll(); err != nil {
		t.Error(err)
	}
	if got := strings.Join(order, " "); got != "second first" {
		t.Errorf("stopped %s", got)
	}
}

func TestServicesOutliveTheirStarter(t *testing.T) {
	s := newServices()
	ctx, cancel := context.WithCancel(t.Context())
	sv := s.start(ctx, "part", func(ctx context.Context) error {
		<-ctx.Done()
		return nil
	})
	cancel()
	select {
	case <-sv.done:
		t.Error("a part ended with the signal, before its turn")
	default:
	}
	if err := sv.stop(); err != nil {
		t.Error(err)
	}
}

func TestAPartThatEndsByItselfIsAnError(t *testing.T) {
	for _, cause := range []error{nil, errors.New("broken")} {
		s := newServices()
		s.start(t.Context(), "part", func(context.Context) error { return cause })
		err := <-s.ended
		if err == nil || !strings.HasPrefix(err.Error(), "part: ") || cause != nil && !errors.Is(err, cause) {
			t.Errorf("end with %v: %v", cause, err)
		}
		if err := s.stopAll(); (err == nil) != (cause == nil) {
			t.Errorf("stop after %v: %v", cause, err)
		}
	}
}
