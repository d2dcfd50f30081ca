package aof

import "testing"

// BenchmarkFrame is what an effect takes under the engine's lock.
func BenchmarkFrame(b *testing.B) {
	small := [][]byte{[]byte("SET"), []byte("key:000000000123"), []byte("xxxxxxxxxxxxxxxx")}
	many := make([][]byte, 1<<20)
	for i := range many {
		many[i] = []byte("x")
	}
	for _, bc := range []struct {
		name string
		args [][]byte
	}{{"SET", small}, {"a million arguments", many}} {
		b.Run(bc.name, func(b *testing.B) {
			f := framer{db: -1}
			for b.Loop() {
				if len(f.buf) > frameBytes {
					f = framer{}
				}
				f.add(0, bc.args)
				f.close(0)
			}
		})
	}
}
