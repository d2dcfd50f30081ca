package httpapi

import (
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// onlyNumbers refuses requests whose query has a number that is none in JSON. huma takes what Go takes: NaN, which no bound
// holds, infinity and hexadecimal digits.
func (s *Server) onlyNumbers(ctx huma.Context, next func(huma.Context)) {
	if err := checkNumbers(ctx); err != nil {
		s.fail(humaecho.Unwrap(ctx), err)
		return
	}
	next(ctx)
}

func checkNumbers(ctx huma.Context) error {
	for _, p := range ctx.Operation().Parameters {
		if p.In != "query" || p.Schema == nil || p.Schema.Type != huma.TypeNumber {
			continue
		}
		if v := ctx.Query(p.Name); strings.Trim(v, "0123456789+-.eE") != "" {
			return errcode.Invalid(p.Name, "invalid float: %.40q is no number", v)
		}
	}
	return nil
}
