package app

import (
	"math"
	"testing"

	"github.com/wayside-edge/wayside/internal/alert"
	"github.com/wayside-edge/wayside/internal/config"
)

// TestRulesOfAlerts makes the rules of any configuration that is valid, with limits at their ends.
func TestRulesOfAlerts(t *testing.T) {
	cfg := config.Config{}
	for _, c := range []config.Thresholds{{}, {Warning: 50, Critical: 50}, {Warning: 70, Critical: 90}} {
		cfg.Alerts.CPU, cfg.Alerts.Memory, cfg.Alerts.Disk, cfg.Alerts.CacheHitRate = c, c, c, c.Warning
		rules := alertRules(&cfg)
		if err := (alert.Config{Rules: rules}).Validate(); err != nil {
			t.Error(err)
		}
		if got := len(rules); got != 10 && got != 11 {
			t.Errorf("%d rules", got)
		}
	}
}

func TestDiskUsed(t *testing.T) {
	for _, c := range []struct {
		free, total int64
		low         bool
		want        float64
	}{{25, 100, false, 75}, {25, 100, true, 100}, {0, 100, false, 100}} {
		if got := diskUsed(c.free, c.total, c.low); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	if got := diskUsed(0, 0, false); !math.IsNaN(got) {
		t.Errorf("a disk of unknown size is %v %% full", got)
	}
}
