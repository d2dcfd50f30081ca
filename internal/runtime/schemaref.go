package runtime

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"strconv"
	"strings"
)

// inlineRef puts what the $ref at the root of a schema points to in its place: a property that is added beside the $ref
// would be refused by a target that allows no others. raw is the whole schema. A $ref by a name ($anchor) stays.
func inlineRef(doc map[string]json.RawMessage, raw json.RawMessage) error {
	for range maxRefs {
		var ref string
		if doc["$ref"] == nil || json.Unmarshal(doc["$ref"], &ref) != nil || ref != "#" && !strings.HasPrefix(ref, "#/") {
			return nil //nolint:nilerr // nothing to put in place of: the schema was compiled, so it is well
		}
		found, ok := pointed(raw, strings.TrimPrefix(ref, "#"))
		if !ok {
			return nil
		}
		var target map[string]json.RawMessage
		if json.Unmarshal(found, &target) != nil { // true: everything is allowed
			delete(doc, "$ref")
			return nil //nolint:nilerr // a schema may be a boolean
		}
		delete(doc, "$ref")
		if err := mergeProperties(doc, target); err != nil {
			return err
		}
		for key, v := range target {
			if _, there := doc[key]; !there {
				doc[key] = v
			}
		}
	}
	return nil
}

// mergeProperties adds the properties of target to those of doc.
func mergeProperties(doc, target map[string]json.RawMessage) error {
	if doc["properties"] == nil || target["properties"] == nil {
		return nil
	}
	var own, theirs map[string]json.RawMessage
	if err := json.Unmarshal(target["properties"], &theirs); err != nil {
		return fmt.Errorf("parse properties: %w", err)
	}
	if err := json.Unmarshal(doc["properties"], &own); err != nil {
		return fmt.Errorf("parse properties: %w", err)
	}
	maps.Copy(theirs, own)
	merged, err := json.Marshal(theirs)
	if err != nil {
		return fmt.Errorf("encode properties: %w", err)
	}
	doc["properties"] = merged
	return nil
}

// pointed follows a JSON pointer, as it stands in a URL's fragment.
func pointed(raw json.RawMessage, pointer string) (json.RawMessage, bool) {
	for _, token := range strings.Split(pointer, "/")[1:] {
		token, err := url.PathUnescape(token)
		if err != nil {
			return nil, false
		}
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		var object map[string]json.RawMessage
		if json.Unmarshal(raw, &object) == nil {
			var ok bool
			if raw, ok = object[token]; !ok {
				return nil, false
			}
			continue
		}
		var list []json.RawMessage
		i, err := strconv.Atoi(token)
		if err != nil || json.Unmarshal(raw, &list) != nil || i < 0 || i >= len(list) {
			return nil, false
		}
		raw = list[i]
	}
	return raw, true
}
