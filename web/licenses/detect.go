package main

import (
	"fmt"
	"regexp"
	"strings"
)

// leftOut gives the words from which on the text of a package is left out.
func leftOut() map[string]string {
	return map[string]string{
		// Of the packages inside itself, of which nothing reaches browsers.
		"vite": "# Licenses of bundled dependencies",
		// Before stands that one may choose, and the BSD licence, which is taken.
		"kernel.org/pub/linux/libs/security/libcap/psx": "\nGPL v2.0:\n",
	}
}

// licenseOf names the licences whose words are in the texts of a package.
func licenseOf(name, text string) (string, error) {
	text = strings.Join(regexp.MustCompile(`[\s>*#/]+`).Split(strings.ToLower(text), -1), " ")
	for _, strict := range []string{
		"general public license", "mozilla public license", "eclipse public license", "server side public license", "business source license",
		"creative commons attribution-noncommercial", "commons clause",
	} {
		if strings.Contains(text, strict) {
			return "", fmt.Errorf("%s: its licence speaks of the %s", name, strict)
		}
	}
	var found []string
	for _, l := range []struct{ id, words string }{
		{"Apache-2.0", `apache license,? version 2\.0|apache license version 2\.0`},
		{"BSD-3-Clause", `redistribution and use in source and binary forms.{0,1000}(neither the name|endorse or promote)`},
		{"BSD-2-Clause", `redistribution and use in source and binary forms`},
		{"MIT", `permission is hereby granted, free of charge`},
		{"ISC", `permission to use, copy, modify, and(/or| or)? distribute this software`},
		{"Zlib", `this software is provided 'as-is'`},
		{"CC0-1.0", `cc0 1\.0`},
		{"Unlicense", `this is free and unencumbered software`},
	} {
		if regexp.MustCompile(l.words).MatchString(text) && (l.id != "BSD-2-Clause" || !has3(found)) {
			found = append(found, l.id)
		}
	}
	if len(found) == 0 {
		return "", fmt.Errorf("%s: its licence is not known", name)
	}
	return strings.Join(found, " AND "), nil
}

// has3 tells whether the longer form of the BSD licence, which has the words of the shorter, was found.
func has3(found []string) bool { return len(found) > 0 && found[len(found)-1] == "BSD-3-Clause" }
