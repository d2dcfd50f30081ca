// Package clients runs Go clients of Redis, redis-cli and redis-benchmark against the built appliance.
//
// It is a module of its own, so that what it needs is not among the appliance's modules. Each test starts the binary that
// APPLIANCE_BIN names, and ends it; REDIS_SERVER=redis-server runs the same tests against Redis, to tell a test that asks
// for too much from a server that does too little.
package clients
