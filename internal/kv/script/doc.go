// Package script runs the Lua scripts of EVAL: a sandbox around gopher-lua with what Redis gives its scripts (redis.call,
// cjson, cmsgpack, struct, bit), bounds of time and memory, and the commands about scripts.
//
// It is apart from the engine so that Lua stays behind one wall: the engine runs commands and knows no script, a script
// runs commands through engine.Ctx.
//
// # Time and memory
//
// A script runs under the engine's lock, in the goroutine of the client that sent it. The interpreter asks its context
// before each instruction, and this package's context counts: every thousand instructions it looks at the clock. After
// the limit it lets others in for a moment now and then, who are answered BUSY, and may end the script with SCRIPT KILL
// as long as it has written nothing. Strings are made by functions of this package wherever a script could make one
// that is much larger than what it came from; a.. b is rewritten into a call of one when a script is compiled.
//
// # State
//
// All scripts share one interpreter, whose globals cannot be changed. It is thrown away when something goes wrong inside
// it. Nothing here starts a goroutine, and all of it is called under the engine's lock.
package script
