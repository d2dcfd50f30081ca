package httpapi

import (
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// soundQuery refuses requests whose query huma would take for something else than was sent.
func (s *Server) soundQuery(ctx huma.Context, next func(huma.Context)) {
	c := humaecho.Unwrap(ctx)
	if c.Request().URL.RawQuery != "" {
		if err := checkQuery(ctx.Operation().Parameters, c.QueryParams()); err != nil {
			s.fail(c, err)
			return
		}
	}
	next(ctx)
}

// checkQuery refuses a parameter that is given more often than it is read: huma reads the first, and what a list has in the
// others would be missed without a word. It refuses numbers that are none in JSON too. huma takes what Go takes: NaN, which
// no bound holds, infinity and hexadecimal digits.
func checkQuery(params []*huma.Param, query url.Values) error {
	for _, p := range params {
		values := query[p.Name]
		if p.In != "query" || len(values) == 0 {
			continue
		}
		if len(values) > 1 && (p.Explode == nil || !*p.Explode) {
			if p.Schema != nil && p.Schema.Type == huma.TypeArray {
				return errcode.Invalid(p.Name, "is to be given once, its values separated by commas")
			}
			return errcode.Invalid(p.Name, "is to be given once")
		}
		if p.Schema == nil || p.Schema.Type != huma.TypeNumber {
			continue
		}
		if v := values[0]; strings.Trim(v, "0123456789+-.eE") != "" {
			return errcode.Invalid(p.Name, "invalid float: %.40q is no number", v)
		}
	}
	return nil
}
