// Package app wires the appliance: it opens every part in order, connects the interfaces that packages declare to the
// packages that fulfil them, runs everything that runs, and shuts it down in the reverse order.
//
// It is the only package that starts components, so that the order of start and stop stands in one place. Goroutines:
// Run owns one group; the first of its members that fails stops all.
package app
