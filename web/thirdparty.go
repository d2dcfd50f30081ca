package web

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

// licensesPath is where browsers find licenses.json.
const licensesPath = "/assets/licenses.json"

//go:generate go run ./licenses

//go:embed licenses.json
var licensesFile []byte

// Licenses are the packages of others that are in the binary, and the texts they are licensed under. Command licenses
// writes them.
type Licenses struct {
	Packages []LicensedPackage `json:"packages"`
	Texts    []string          `json:"texts"` // many packages share one
}

// LicensedPackage is a Go module that is linked into the binary, or a package of npm that reaches browsers.
type LicensedPackage struct {
	Kind    string `json:"kind"` // go or npm
	Name    string `json:"name"`
	Version string `json:"version"`
	License string `json:"license"` // SPDX expression
	Texts   []int  `json:"texts"`   // of Licenses.Texts
}

// ReadLicenses gives what is embedded.
func ReadLicenses() (Licenses, error) {
	var l Licenses
	if err := json.Unmarshal(licensesFile, &l); err != nil {
		return l, fmt.Errorf("read licenses.json: %w", err)
	}
	return l, nil
}
