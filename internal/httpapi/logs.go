package httpapi

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/event"
)

const (
	topicLog = "log"
	// logTail is how many lines a follower is told first.
	logTail = 100
	// maxLoggers bounds how many loggers have a level of their own: their names are the caller's.
	maxLoggers = 100
)

// Logs shows the lines of the log that are kept, and changes what is logged.
type Logs interface {
	// Subscribe reads the lines after the one of a number: events of the topic log whose data is the line, a []byte of JSON.
	Subscribe(after uint64, topics ...string) *event.Sub
	Kept(topic string) []event.Event // the oldest first
	Levels() LogLevels
	// SetLevel changes the threshold of a logger, "" = of all that have none of their own, until the configuration is
	// read again. The level "" takes a logger's own threshold away.
	SetLevel(logger, level string)
}

// LogLevels are the thresholds of the log, on the wire.
type LogLevels struct {
	Level   string            `json:"level" enum:"debug,info,warning,error" doc:"of all loggers that have none of their own"`
	Loggers map[string]string `json:"loggers" nullable:"false" doc:"of single loggers"`
}

// LogLine is a line of the log, on the wire.
type LogLine struct {
	ID            string         `json:"id" doc:"of this run of the appliance; a larger number is later"`
	Timestamp     string         `json:"timestamp"`
	Level         string         `json:"level" enum:"debug,info,warning,error"`
	Logger        string         `json:"logger"`
	Message       string         `json:"message"`
	RequestID     text           `json:"request_id"`
	CorrelationID text           `json:"correlation_id"`
	Fields        map[string]any `json:"fields" nullable:"false" doc:"the other fields of the line"`
}

type logsInput struct {
	Level  string    `query:"level" enum:"debug,info,warning,error" doc:"this level and above"`
	Logger string    `query:"logger" maxLength:"100" doc:"of this logger, and those below it: queue is queue.local too"`
	Since  time.Time `query:"since" doc:"at this time or after"`
	Q      string    `query:"q" maxLength:"200" doc:"a part of the line as JSON: a word, an id; case does not count"`
	Follow bool      `query:"follow" doc:"go on with what is logged, as server-sent events named log, the oldest first"`
	Header string    `header:"Last-Event-ID" maxLength:"128" doc:"with follow: id of the last line that was received"`
	PageParams
}

type logLevelInput struct {
	Body struct {
		Level  string `json:"level" enum:"debug,info,warning,error,default" doc:"default: the logger has none of its own any more"`
		Logger string `json:"logger,omitempty" maxLength:"100" pattern:"^[a-z0-9_.]*$" doc:"a logger; all that have none of their own unless given"`
	}
}

type logLevelOutput struct{ Body LogLevels }

func (s *Server) routeLogs(api huma.API) {
	schema := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[List[LogLine]](), true, "LogLines")
	register(s, api, operation{
		id: "list-logs", method: http.MethodGet, path: "/logs", scope: scopeAdmin, summary: "Read the log: the last lines, the newest first, or what is logged from now on",
		detail: "The last two thousand lines of this run of the appliance are kept; what is private in them is hidden as in the log itself. " +
			"With follow=1 the answer is a stream of server-sent events without an end: the last lines first, then each as it is logged; " +
			"it goes on after Last-Event-ID, and the event reset says that lines were left out.",
		answers: map[string]*huma.Response{"200": {Description: "Lines of the log", Content: map[string]*huma.MediaType{
			jsonType: {Schema: schema}, eventStreamType: {},
		}}},
	}, func(ctx context.Context, in *logsInput) (*huma.StreamResponse, error) {
		if in.Follow {
			return s.followLogs(ctx, in), nil
		}
		list, err := s.listLogs(in)
		if err != nil {
			return nil, err
		}
		body, err := jsonBytes(list)
		if err != nil {
			return nil, err
		}
		return s.stream(func(c echo.Context) error { //nolint:contextcheck // the request in c carries it
			s.sendBytes(c, http.StatusOK, jsonType, body)
			return nil
		}), nil
	})
	register(s, api, operation{
		id: "get-log-levels", method: http.MethodGet, path: "/logs/level", scope: scopeAdmin, summary: "Which levels are logged",
	}, func(context.Context, *struct{}) (*logLevelOutput, error) {
		return &logLevelOutput{Body: s.deps.Logs.Levels()}, nil
	})
	register(s, api, operation{
		id: "set-log-level", method: http.MethodPut, path: "/logs/level", scope: scopeAdmin, summary: "Change which levels are logged",
		detail: "Until the appliance is restarted or reads its configuration again.",
	}, func(_ context.Context, in *logLevelInput) (*logLevelOutput, error) {
		level := in.Body.Level
		if level == "default" {
			if level = ""; in.Body.Logger == "" {
				return nil, errcode.Invalid("level", "default is the level of single loggers")
			}
		}
		own := s.deps.Logs.Levels().Loggers
		if _, there := own[in.Body.Logger]; !there && len(own) >= maxLoggers {
			return nil, errcode.New(errcode.Conflict, "too many loggers have a level of their own: take one away first")
		}
		s.deps.Logs.SetLevel(in.Body.Logger, level)
		return &logLevelOutput{Body: s.deps.Logs.Levels()}, nil
	})
}

func levelRank(name string) int {
	return slices.Index([]string{"debug", "info", "warning", "error"}, name)
}

// matches tells whether a line is wanted, and gives it.
func (in *logsInput) matches(raw []byte) (LogLine, bool) {
	if in.Q != "" && !bytes.Contains(bytes.ToLower(raw), bytes.ToLower([]byte(in.Q))) {
		return LogLine{}, false
	}
	line := LogLine{Fields: map[string]any{}}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber() // large numbers stay what they are
	if err := dec.Decode(&line.Fields); err != nil {
		return LogLine{}, false
	}
	take := func(key string) string {
		v, _ := line.Fields[key].(string)
		delete(line.Fields, key)
		return v
	}
	line.Timestamp, line.Level, line.Logger, line.Message = take("timestamp"), take("level"), take("logger"), take("message")
	line.RequestID, line.CorrelationID = text(take("request_id")), text(take("correlation_id"))
	take("service")
	at, err := time.Parse(time.RFC3339, line.Timestamp)
	return line, err == nil && levelRank(line.Level) >= levelRank(in.Level) && !at.Before(in.Since) &&
		(in.Logger == "" || line.Logger == in.Logger || strings.HasPrefix(line.Logger, in.Logger+"."))
}

// kept gives the lines that are wanted of those that are kept, the oldest first.
func (s *Server) kept(in *logsInput) []LogLine {
	var out []LogLine
	for _, ev := range s.deps.Logs.Kept(topicLog) {
		raw, _ := ev.Data.([]byte)
		if line, wanted := in.matches(raw); wanted && !ev.Reset {
			line.ID = s.eventID(ev.Seq)
			out = append(out, line)
		}
	}
	return out
}

func (s *Server) listLogs(in *logsInput) (*List[LogLine], error) {
	if err := checkFields[LogLine](in.Fields); err != nil {
		return nil, err
	}
	before := uint64(0)
	if in.Cursor != "" {
		key, err := keyOfCursor(in.Cursor)
		if err == nil {
			before, err = strconv.ParseUint(key, 10, 63)
		}
		if err != nil {
			return nil, errcode.New(errcode.Malformed, "cursor is not one that this list gave")
		}
	}
	all := s.kept(in)
	slices.Reverse(all)
	list := &List[LogLine]{Items: []LogLine{}, fields: in.Fields}
	for i := range all {
		seq, _ := s.afterEvent(all[i].ID)
		switch {
		case before > 0 && seq >= before:
		case len(list.Items) == in.Limit:
			last, _ := s.afterEvent(list.Items[len(list.Items)-1].ID)
			list.NextCursor = text(cursorOfKey(strconv.FormatUint(last, 10)))
			return list, nil
		default:
			list.Items = append(list.Items, all[i])
		}
	}
	return list, nil
}

// followLogs streams lines. One who was here before goes on after the line it had last, another begins with the last ones.
func (s *Server) followLogs(ctx context.Context, in *logsInput) *huma.StreamResponse {
	stateOf(ctx).stream = true
	return s.stream(func(c echo.Context) error { //nolint:contextcheck // the request in c carries it
		after, known := s.afterEvent(in.Header)
		if !known {
			after = s.tail(in)
		}
		return s.startStream(c, func() *eventStream {
			e := s.newStream(c.Request(), s.deps.Logs.Subscribe(after, topicLog))
			e.render = func(ev event.Event) []byte { return s.logFrame(in, ev) }
			at := after
			if at == event.Now {
				at = e.sub.At()
			}
			e.begin(at, in.Header != "" && !known)
			return e
		})
	})
}

// tail gives the number after which the last lines that are wanted begin.
func (s *Server) tail(in *logsInput) uint64 {
	all := s.kept(in)
	if len(all) == 0 {
		return event.Now
	}
	first, _ := s.afterEvent(all[max(0, len(all)-cmp.Or(min(in.Limit, logTail), logTail))].ID)
	return first - 1
}

// logFrame renders a line for one follower; nil: it does not want it.
func (s *Server) logFrame(in *logsInput, ev event.Event) []byte {
	if ev.Reset {
		return appendFrame(nil, s.eventID(ev.Seq), "reset", fmt.Appendf(nil, `{"topics":[%q]}`, topicLog))
	}
	raw, _ := ev.Data.([]byte)
	line, wanted := in.matches(raw)
	if !wanted {
		return nil
	}
	line.ID = s.eventID(ev.Seq)
	data, err := jsonBytes(line)
	if err != nil {
		return nil
	}
	return appendFrame(nil, line.ID, topicLog, data)
}
