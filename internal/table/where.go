package table

import "github.com/wayside-edge/wayside/internal/errcode"

func unknownColumn(field string, s *Schema, name string) error {
	return errcode.Invalid(field, "table %s has no column %.80q", s.Name, name)
}
