package recorder

import (
	"bytes"
	"testing"

	"github.com/wayside-edge/wayside/plugins/rail/railtest"
	"github.com/wayside-edge/wayside/sdk/go"
	"github.com/wayside-edge/wayside/sdk/go/sdktest"
)

// BenchmarkDecode decodes natively into a sink that counts: what a guest's speed is compared with.
func BenchmarkDecode(b *testing.B) {
	for name, size := range map[string]int{"12kB": railtest.ExampleBytes, "8MB": 8 << 20} {
		for _, variables := range []string{"true", "false"} {
			b.Run(name+"/variables="+variables, func(b *testing.B) {
				var in bytes.Buffer
				if err := railtest.WriteLarge(&in, int64(size), railtest.Options{Seed: 4}); err != nil {
					b.Fatal(err)
				}
				params := sdktest.Params(map[string]string{"variables": variables})
				b.SetBytes(int64(in.Len()))
				b.ReportAllocs()
				for b.Loop() {
					Plugin().Run(sdk.Host{Input: bytes.NewReader(in.Bytes()), Param: params, Sink: &sdktest.Counter{}})
				}
			})
		}
	}
}
