package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/web"
)

// The committed file is about the modules that are linked now, and about what package-lock.json and the console's build
// say is in web/dist. Texts are not compared: the modules need not be there.
func TestFileIsAboutWhatIsInTheBinary(t *testing.T) {
	found, err := sources("..")
	if err != nil {
		t.Fatal(err)
	}
	l, err := web.ReadLicenses()
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, s := range found {
		want = append(want, s.kind+" "+s.name+" "+s.version)
	}
	for _, p := range l.Packages {
		got = append(got, p.Kind+" "+p.Name+" "+p.Version)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("web/licenses.json is not about what is in the binary; run go generate ./web\n%s", d)
	}
}

func TestEveryPackageHasItsText(t *testing.T) {
	l, err := web.ReadLicenses()
	if err != nil {
		t.Fatal(err)
	}
	used := make([]bool, len(l.Texts))
	for _, p := range l.Packages {
		var text strings.Builder
		for _, i := range p.Texts {
			used[i] = true
			text.WriteString(l.Texts[i])
		}
		if license, err := licenseOf(p.Name, text.String()); err != nil || license != p.License {
			t.Errorf("%s: %q, %v; the file says %q", p.Name, license, err, p.License)
		}
	}
	if i := slices.Index(used, false); i >= 0 {
		t.Errorf("text %d belongs to nothing: %.80s", i, l.Texts[i])
	}
	if len(l.Packages) < 60 {
		t.Errorf("%d packages", len(l.Packages))
	}
}

func TestLicenseOf(t *testing.T) {
	const bsd = "Redistribution and use in source and binary\n// forms, with or without modification, are permitted"
	for _, tc := range []struct{ text, want, fails string }{
		{"Permission is hereby granted,\n  free of charge, to any", "MIT", ""},
		{bsd, "BSD-2-Clause", ""},
		{bsd + ". Neither the name of", "BSD-3-Clause", ""},
		{"Apache License\n   Version 2.0, January 2004", "Apache-2.0", ""},
		{"Licensed under the Apache License, Version 2.0.\nPermission is hereby granted, free of charge", "Apache-2.0 AND MIT", ""},
		{"All rights reserved.", "", "not known"},
		{"GNU Lesser General\nPublic License, or MIT: Permission is hereby granted, free of charge", "", "general public license"},
		{"Mozilla Public License Version 2.0", "", "mozilla"},
	} {
		got, err := licenseOf("a", tc.text)
		if got != tc.want || (err == nil) != (tc.fails == "") || err != nil && !strings.Contains(err.Error(), tc.fails) {
			t.Errorf("%q: %q, %v", tc.text, got, err)
		}
	}
}

func TestClean(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"x", "\ufeffa  \r\nb\r\n\r\n", "a\nb\n"},
		{"vite", "MIT\n\n# Licenses of bundled dependencies\nISC", "MIT\n"},
		{"kernel.org/pub/linux/libs/security/libcap/psx", "BSD\r\nGPL v2.0:\r\nmore", "BSD\n"},
	} {
		if got := clean(tc.name, tc.text); got != tc.want {
			t.Errorf("%s: %q", tc.name, got)
		}
	}
}

func TestPackageWithoutALicence(t *testing.T) {
	if _, err := collect([]source{{"npm", "none", "1", t.TempDir()}}); err == nil || !strings.Contains(err.Error(), "none has no licence") {
		t.Errorf("%v", err)
	}
}
