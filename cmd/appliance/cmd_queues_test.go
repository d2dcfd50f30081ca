package main

import (
	"testing"

	"github.com/wayside-edge/wayside/sdk/client"
)

// TestRates: what is printed is what can be typed.
func TestRates(t *testing.T) {
	for text, want := range map[string]client.Rate{
		"10/1s": {Jobs: 10, Per: 1}, "100/1m:5": {Jobs: 100, Per: 60, Burst: 5}, "1/2h": {Jobs: 1, Per: 7200},
		"3/1h10m": {Jobs: 3, Per: 4200}, "7/1m30s": {Jobs: 7, Per: 90}, "7/20m": {Jobs: 7, Per: 1200}, "5/500ms": {Jobs: 5, Per: 0.5},
	} {
		got, err := parseRate(text)
		if err != nil || *got != want {
			t.Errorf("%s is read as %+v, %v", text, got, err)
		}
		if said := rateText(&want); said != text {
			t.Errorf("%+v is printed as %s, want %s", want, said, text)
		}
	}
}
