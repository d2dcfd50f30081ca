package httpapi

import (
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// checkNumbers refuses numbers of a query that are none in JSON. huma takes what Go takes: NaN, which no bound holds, infinity
// and hexadecimal digits.
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
