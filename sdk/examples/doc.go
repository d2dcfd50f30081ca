// Package examples holds the same decoder in Go, C and Rust, and the tests that hold the three against each other and
// against the same golden files. See README.md for its format. It owns test inputs only.
package examples
