package telegramlist_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/plugins/rail/eurobalise"
	"github.com/wayside-edge/wayside/plugins/rail/telegramlist"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// samples gives the folder of the sample collection, and skips the test where it is absent.
func samples(t *testing.T) string {
	t.Helper()
	dir := filepath.FromSlash("../../../../shared/samples")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no samples beside the project: ", err)
	}
	return dir
}

// TestSamplesAreRecognised has the sniff rule look at every sample of every format: it takes the telegram lists and
// nothing else.
func TestSamplesAreRecognised(t *testing.T) {
	dir, r := samples(t), rule(t)
	want := []string{"fokkeb_dummy_input.csv", "sedlogram_a.expected", "sedlogram_a.hex", "sedlogram_real_dev.hex", "tra_reshaped_dev.hex"}
	var byRule, bySniff []string
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		head, err := io.ReadAll(io.LimitReader(f, abi.SniffHead))
		if err != nil {
			return err
		}
		files++
		if r.Match(head, info.Size()) > 0 {
			byRule = append(byRule, d.Name())
		}
		if telegramlist.Sniff(head) > 0 {
			bySniff = append(bySniff, d.Name())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(byRule, want) || !slices.Equal(bySniff, want) {
		t.Errorf("the rule takes %q, Sniff %q, want %q", byRule, bySniff, want)
	}
	t.Logf("%d files looked at", files)
}

// decodeSample reads a sample and decodes what is shaped in it: user bits as hex, by line as they come.
func decodeSample(t *testing.T, name string) (users []string, entries []telegramlist.Entry) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(samples(t), "rail-balise", name))
	if err != nil {
		t.Fatal(err)
	}
	dec := eurobalise.NewDecoder()
	for list := telegramlist.NewReader(bytes.NewReader(b)); ; {
		e, err := list.Next()
		if errors.Is(err, io.EOF) {
			return users, entries
		}
		if err != nil {
			t.Fatal(err)
		}
		user := e.Bits
		if e.Kind == telegramlist.Shaped {
			tele, err := dec.Decode(e.Bits, e.Long)
			if err != nil {
				t.Fatalf("%s at %d: %v", name, e.Offset, err)
			}
			user = tele.User[:(tele.UserBits+7)/8]
		}
		users = append(users, strings.ToUpper(hex.EncodeToString(user)))
		e.Bits = nil
		entries = append(entries, e)
	}
}

// TestMixedSample has one telegram in every form, which its author says are the same.
func TestMixedSample(t *testing.T) {
	users, entries := decodeSample(t, "fokkeb_dummy_input.csv")
	if len(users) != 14 {
		t.Fatalf("%d telegrams, want 14", len(users))
	}
	for i, u := range users[:10] {
		first := users[i/5*5]
		if u != first {
			t.Errorf("telegram %d is %s, want %s", i+1, u, first)
		}
		if long := i < 5; entries[i].Long != long {
			t.Errorf("telegram %d: long %v", i+1, entries[i].Long)
		}
		if shaped := i%5 == 1 || i%5 == 2; (entries[i].Kind == telegramlist.Shaped) != shaped {
			t.Errorf("telegram %d: kind %v", i+1, entries[i].Kind)
		}
	}
	for i, e := range entries[10:] {
		if !e.Long || e.Kind != telegramlist.User {
			t.Errorf("telegram %d: %+v", i+11, e)
		}
	}
}

func TestShapedSamples(t *testing.T) {
	for name, n := range map[string]int{"sedlogram_a.hex": 9, "sedlogram_real_dev.hex": 1, "tra_reshaped_dev.hex": 53} {
		users, entries := decodeSample(t, name)
		if len(users) != n {
			t.Errorf("%s: %d telegrams, want %d", name, len(users), n)
		}
		for i, e := range entries {
			if e.Kind != telegramlist.Shaped {
				t.Errorf("%s: telegram %d is not shaped", name, i+1)
			}
		}
	}
	want, err := os.ReadFile(filepath.Join(samples(t), "rail-balise", "sedlogram_a.expected"))
	if err != nil {
		t.Fatal(err)
	}
	users, _ := decodeSample(t, "sedlogram_a.hex")
	for i, line := range strings.Fields(string(want)) {
		if !strings.HasPrefix(users[i], line) {
			t.Errorf("telegram %d: %s, want %s", i+1, users[i], line)
		}
	}
}
