package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestGeo(t *testing.T) {
	newRig(t, Config{}).steps(
		[2]string{"geoadd g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania", "2"},
		[2]string{"zscore g Palermo", "3479099956230698"}, [2]string{"geodist g Palermo Catania", "166274.1516"}, [2]string{"geodist g Palermo Catania km", "166.2742"},
		[2]string{"geodist g Palermo Catania mi", "103.3182"}, [2]string{"geodist g Palermo none", "(nil)"}, [2]string{"geodist g Palermo Palermo", "0.0000"},
		[2]string{"geohash g Palermo Catania none", "[sqc8b49rny0 sqdtr74hyu0 (nil)]"},
		[2]string{"geopos g Palermo none", "[[13.36138933897018433 38.11555639549629859] (nil)]"},
		[2]string{"georadius g 15 37 200 km withdist withhash withcoord asc", "[[Catania 56.4413 3479447370796909 [15.08726745843887329 37.50266842333162032]] [Palermo 190.4424 3479099956230698 [13.36138933897018433 38.11555639549629859]]]"},
		[2]string{"georadius g 15 37 200 km desc count 1", "[Palermo]"}, [2]string{"georadius g 15 37 200 km store h", "2"}, [2]string{"zcard h", "2"},
		[2]string{"georadiusbymember g Palermo 200 km storedist h asc", "2"}, [2]string{"zrange h 0 -1 withscores", "[Palermo 0 Catania 166.27415156960032]"},
		[2]string{"geosearch g fromlonlat 15 37 bybox 400 400 km asc", "[Catania Palermo]"}, [2]string{"geosearch g frommember Catania byradius 1 m", "[Catania]"},
		[2]string{"geosearchstore h g fromlonlat 15 37 byradius 100 km storedist", "1"}, [2]string{"georadiusbymember none x 1 km", "[]"},
		[2]string{"georadiusbymember g none 1 km", "-" + errGeoMember}, [2]string{"geoadd g 181 0 x", "-ERR invalid longitude,latitude pair 181.000000,0.000000"},
		[2]string{"geoadd g nx xx 1 1 x", "-ERR syntax error"}, [2]string{"geodist g Palermo Catania yd", "-" + errGeoUnit}, [2]string{"georadius_ro g 15 37 200 km store h", "-ERR syntax error"},
		[2]string{"GeoSearch g bybox 1 1 km asc", "-ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GeoSearch"}, [2]string{"georadius g 1 1 -1 km", "-ERR radius cannot be negative"},
		[2]string{"georadius g 1 1 1 km count 0", "-ERR COUNT must be > 0"}, [2]string{"georadius g 1 1 1 km any", "-ERR the ANY argument requires COUNT argument"},
		[2]string{"georadius g 1 1 1 km withdist store h", "-ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options"},
	)
}

// TestGeoSearchFindsAll compares searches with looking at every member.
func TestGeoSearchFindsAll(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	r := newRig(t, Config{})
	type place struct{ lon, lat float64 }
	places := map[string]place{}
	for i := range 3000 {
		name := fmt.Sprint("m", i)
		r.call("geoadd", "g", fmt.Sprint(rng.Float64()*360-180), fmt.Sprint(rng.Float64()*170-85), name)
	}
	z, _ := r.e.dbs[0].items.find([]byte("g")).val.obj.(*zset)
	for member, score := range z.each {
		lon, lat := geoPlace(score)
		places[member] = place{lon, lat}
	}
	for range 300 {
		s := geoShape{lon: rng.Float64()*300 - 150, lat: rng.Float64()*140 - 70, radius: rng.Float64() * 2000, unit: 1000}
		var want []string
		for name, p := range places {
			if _, ok := s.holds(p.lon, p.lat); ok {
				want = append(want, name)
			}
		}
		got := strings.Fields(strings.Trim(r.say(fmt.Sprintf("georadius g %v %v %v km", s.lon, s.lat, s.radius)), "[]"))
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("%+v: %d found, want %d", s, len(got), len(want))
		}
	}
}
