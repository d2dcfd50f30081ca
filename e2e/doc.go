// Package e2e tests the built appliance from outside: the real binary, real processes, real kill -9, real full disks.
// Its tests carry the build tag e2e and need nothing but Go; `make test` runs them after `make build`. It is apart
// from the packages because nothing here may reach into one.
package e2e
