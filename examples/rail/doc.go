// Package rail holds the example recording, example.RU. It has no code; the recording is made by package railtest.
package rail

//go:generate go run ./makeexample
