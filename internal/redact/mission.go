package redact

import "strings"

// maxName bounds how far back from its ending the name of a recording, or of its folder, may begin: no file system takes
// longer ones.
const maxName = 255

// missions hides the names that people gave to recordings of trains and to the folders that these lie in: who drove
// stands in them. A name of six digits is the recorder's own, the time, and stays.
func missions(s string) string {
	var out strings.Builder
	done, last := 0, 0 // what is written, and where the name before this one ended
	for i := 0; i < len(s); i++ {
		if s[i] != '.' || recorderEnding(s[i:]) == 0 {
			continue
		}
		from := last
		last = i + recorderEnding(s[i:])
		stem := nameStart(s[from:i], false) + from
		if domain(s, stem, i) {
			continue
		}
		slash := stem
		for slash > from && (s[slash-1] == '/' || s[slash-1] == '\\') {
			slash--
		}
		if slash < stem && slash > from {
			folder := nameStart(s[from:slash], true) + from
			if folder < slash && s[folder:slash] != Mask && !strings.HasSuffix(s[folder:slash], ":") {
				out.WriteString(s[done:folder])
				out.WriteString(Mask)
				done = slash
			}
		}
		if name := s[stem:i]; name != "" && name != Mask && !clock(name) {
			out.WriteString(s[done:stem])
			out.WriteString(Mask)
			done = i
		}
	}
	if done == 0 {
		return s
	}
	out.WriteString(s[done:])
	return out.String()
}

// recorderEnding gives the length of the ending of a train recorder's files that s begins with, 0 for none.
func recorderEnding(s string) int {
	for _, e := range []string{".ru", ".mmi"} {
		if hasFold(s, e) && (len(s) == len(e) || !wordByte(s[len(e)])) {
			return len(e)
		}
	}
	return 0
}

// domain reports that `.ru` at i is the end of a host, not of a file.
func domain(s string, stem, i int) bool {
	if s[i:i+3] != ".ru" {
		return false
	}
	return stem == 0 || s[stem-1] != '/' && s[stem-1] != '\\' || strings.HasSuffix(s[:stem], "://")
}

// nameStart gives where the name begins that s ends with. Spaces belong to it where a folder or a quote goes before it,
// and to a folder's name everywhere: better a word too much.
func nameStart(s string, folder bool) int {
	from := max(0, len(s)-maxName)
	space := -1
	for i := len(s) - 1; i >= from; i-- {
		switch s[i] {
		case '/', '\\', '"', '\'', '`':
			return i + 1
		case ' ', '\t':
			if space < 0 {
				space = i + 1
			}
		case '\n', '\r', '=', ':', ',', ';', '&', '?', '(', '[', '{', '<', '|', '>':
			if folder {
				return len(s) - len(strings.TrimLeft(s[i+1:], " "))
			}
			return max(space, i+1)
		}
	}
	if folder {
		return len(s) - len(strings.TrimLeft(s[from:], " "))
	}
	if space < 0 {
		return from
	}
	return space
}

func clock(name string) bool {
	return len(name) == 6 && firstGroup(name) == 6
}
