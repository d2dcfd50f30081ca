// Package observe owns what people and programs see of the running appliance: its log, its metrics and its health.
//
// Log lines leave through one handler, which adds the ids of the request, hides what is private and decides by the
// logger's name what is written, so that no package can go around it. Metrics live in a registry of their own; the
// packages that are measured declare what they report as small interfaces, and Metrics has the methods, so that only
// this package knows Prometheus. Health asks the parts that registered with it, in the
// background, and remembers what they said.
//
// The package is apart because only app may know all three; the others get a logger, an interface or a function. Its
// only goroutines are those of Health, one a part while Run runs. Locks: Logs' writer and Health have one each, and neither is held while calling out of the
// package.
package observe

//go:generate go test -run "Test(Log)?ListIsCurrent" -update .
