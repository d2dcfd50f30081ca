package httpapi

import (
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/wayside-edge/wayside/internal/queue"
)

// appendJob writes a job as json.Marshal(oneJob(j)) does, in a tenth of the time: making and leasing jobs are what this
// face does thousands of times a second.
func appendJob(b []byte, j *queue.Job) []byte {
	b = appendName(append(b, '{'), "id", string(j.ID))
	b = appendName(append(b, ','), "type", j.Type)
	b = appendName(append(b, ','), "queue", j.Queue)
	b = strconv.AppendInt(append(b, `,"priority":`...), int64(j.Priority), 10)
	b = appendName(append(b, ','), "status", string(j.Status))
	b = appendRaw(append(b, `,"payload":`...), j.Payload)
	b = appendRaw(append(b, `,"result":`...), j.Result)
	b = appendFloat(append(b, `,"progress":`...), j.Progress.Fraction)
	b = appendName(append(b, ','), "progress_text", j.Progress.Text)
	b = strconv.AppendInt(append(b, `,"attempt":`...), int64(j.Attempt), 10)
	b = strconv.AppendInt(append(b, `,"max_attempts":`...), int64(j.MaxAttempts), 10)
	b = strconv.AppendInt(append(b, `,"crashes":`...), int64(j.Crashes), 10)
	b = appendStamp(append(b, `,"run_at":`...), j.RunAt)
	b = appendFloat(append(b, `,"timeout":`...), j.Timeout.Seconds())
	b = appendFloat(append(b, `,"soft_timeout":`...), j.SoftTimeout.Seconds())
	b = appendText(append(b, `,"unique_key":`...), j.UniqueKey)
	b = appendText(append(b, `,"unique_until":`...), string(j.UniqueUntil))
	b = appendFloat(append(b, `,"unique_ttl":`...), j.UniqueTTL.Seconds())
	b = appendText(append(b, `,"limit_key":`...), j.LimitKey)
	b = appendRest(append(b, `,"backoff":`...), backoffDTO(j.Backoff), j.Backoff == nil)
	b = append(b, `,"depends_on":[`...)
	for i, id := range j.DependsOn {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, string(id))
	}
	b = appendText(append(b, `],"on_failure":`...), string(j.OnFailure))
	b = appendText(append(b, `,"flow_id":`...), string(j.FlowID))
	b = appendText(append(b, `,"flow_key":`...), j.FlowKey)
	b = appendText(append(b, `,"schedule_id":`...), j.ScheduleID)
	b = appendFloat(append(b, `,"result_ttl":`...), j.ResultTTL.Seconds())
	b = appendText(append(b, `,"request_id":`...), j.RequestID)
	b = appendText(append(b, `,"correlation_id":`...), j.CorrelationID)
	b = appendText(append(b, `,"trace_id":`...), j.TraceID)
	b = appendText(append(b, `,"worker":`...), j.Worker)
	b = appendErrors(append(b, `,"errors":`...), j.Errors)
	b = appendRest(append(b, `,"last_error":`...), lastError(j), len(j.Errors) == 0)
	b = appendStamp(append(b, `,"created_at":`...), j.CreatedAt)
	b = appendStamp(append(b, `,"started_at":`...), j.StartedAt)
	b = appendStamp(append(b, `,"finished_at":`...), j.FinishedAt)
	b = strconv.AppendBool(append(b, `,"duplicate":`...), j.Duplicate)
	return append(b, '}')
}

func appendErrors(b []byte, errs []queue.Failure) []byte {
	b = append(b, '[')
	for i, f := range errs {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, `{"attempt":`...), int64(f.Attempt), 10)
		b = appendStamp(append(b, `,"at":`...), f.At)
		b = appendName(append(b, ','), "code", string(f.Code))
		b = append(appendName(append(b, ','), "message", f.Message), '}')
	}
	return append(b, ']')
}

func appendName(b []byte, name, value string) []byte {
	b = append(append(append(b, '"'), name...), '"', ':')
	return appendString(b, value)
}

// appendText writes a string that is null when empty.
func appendText(b []byte, s string) []byte {
	if s == "" {
		return append(b, "null"...)
	}
	return appendString(b, s)
}

func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return appendRest(b, s, false)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// appendRest writes what is rare, by reflection.
func appendRest(b []byte, v any, none bool) []byte {
	if none {
		return append(b, "null"...)
	}
	raw, err := jsonBytes(v)
	if err != nil {
		panic(err) // strings and numbers: it cannot fail
	}
	return append(b, raw...)
}

func appendRaw(b []byte, raw json.RawMessage) []byte {
	if len(raw) == 0 {
		return append(b, "null"...)
	}
	return append(b, raw...)
}

// appendFloat writes a number of seconds or a share: whole ones, which most are, fast.
func appendFloat(b []byte, f float64) []byte {
	if n := int64(f); float64(n) == f && n < 1<<53 && n > -1<<53 {
		return strconv.AppendInt(b, n, 10)
	}
	return appendRest(b, f, false)
}

func appendStamp(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, "null"...)
	}
	return t.UTC().AppendFormat(b, stampLayout)
}
