package alert

import (
	"context"
	"log/slog"
)

// Log is the notifier that writes to the log: a line at warning or error when an alert fires, at info when it ends.
type Log struct{ Logger *slog.Logger }

// Notify writes a line.
func (l Log) Notify(ctx context.Context, n Notification) error {
	fields := []any{
		"alert", n.Alert.Rule, "subject", n.Alert.Subject, "change", string(n.Kind), "alert_level", string(n.Alert.Level),
		"value", n.Alert.Value, "limit", n.Alert.Limit, "text", n.Alert.Text, "alert_id", n.Alert.ID,
	}
	switch {
	case n.Kind == Ended:
		l.Logger.InfoContext(ctx, "alert_resolved", fields...)
	case n.Alert.Level == Critical:
		l.Logger.ErrorContext(ctx, "alert_fired", fields...)
	default:
		l.Logger.WarnContext(ctx, "alert_fired", fields...)
	}
	return nil
}
