package script

import (
	"fmt"
	"strings"

	"github.com/yuin/gopher-lua/parse"
)

// mostLevels is how deep a text may be nested, as in Lua: brackets, blocks, and operators that wait for what is on their right.
const mostLevels = 200

// level is what waits in one pair of brackets, or in one block, for what is on its right.
type level struct {
	tight  int // unary operators and ^
	concat int
}

// checkLevels refuses a text that is nested too deeply, before the parser, which has no bound, keeps all of it on its stack.
// What is no Lua is left to the parser to refuse: up to there the levels are right.
func checkLevels(text, name string) error {
	var (
		sc      = parse.NewScanner(strings.NewReader(text), name)
		lexer   = &parse.Lexer{}
		outer   []level
		now     level
		waiting int  // operators of outer
		operand bool // the last token ends one, so that - is not unary
	)
	for {
		tok, err := sc.Scan(lexer)
		if err != nil || tok.Type < 0 {
			return nil //nolint:nilerr // the parser says it
		}
		ends := false
		switch tok.Type {
		case '(', '[', '{', parse.TIf, parse.TDo, parse.TFunction, parse.TRepeat:
			outer = append(outer, now)
			waiting += now.tight + now.concat
			now = level{}
		case ')', ']', '}', parse.TEnd, parse.TUntil:
			if n := len(outer) - 1; n >= 0 {
				now, outer = outer[n], outer[:n]
				waiting -= now.tight + now.concat
			}
			ends = tok.Type != parse.TUntil
		case '#', '^', parse.TNot:
			now.tight++
		case '-', '+', '*', '/', '%':
			if tok.Type == '-' && !operand {
				now.tight++
			} else {
				now.tight = 0
			}
		case parse.T2Comma:
			now.tight = 0
			now.concat++
		case parse.TIdent, parse.TNumber, parse.TString, parse.TTrue, parse.TFalse, parse.TNil, parse.T3Comma:
			ends = true
		case '.', ':':
		default: // what binds less than .., and what begins or ends an expression
			now = level{}
		}
		operand = ends
		if len(outer)+waiting+now.tight+now.concat > mostLevels {
			return fmt.Errorf("%s:%d: chunk has too many syntax levels", name, tok.Pos.Line)
		}
	}
}
