package module

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/sdk/go/abi"
)

func TestVectors(t *testing.T) {
	want := []Vector{
		{Vector: abi.Vector{Name: "one"}, Input: []byte("a\nb\n")},
		{Vector: abi.Vector{Name: "two.bin", Params: json.RawMessage(`{"x":1}`), Parts: []abi.VectorPart{{Name: "p", Size: 1}, {Name: "q", Size: 2}}}, Input: []byte("abc")},
		{Vector: abi.Vector{Name: "empty"}, Input: []byte{}},
	}
	b := lines()
	for _, v := range want {
		var err error
		if b, err = WithVector(b, v); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Vectors(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := Check(b, Limits{}); err != nil {
		t.Errorf("the module with vectors: %v", err)
	}
	for name, v := range map[string]Vector{
		"name":            {Vector: abi.Vector{Name: "Up/../x"}},
		"no name":         {},
		"input":           {Vector: abi.Vector{Name: "x"}, Input: make([]byte, abi.MaxVectorBytes+1)},
		"params":          {Vector: abi.Vector{Name: "x", Params: json.RawMessage(`[1]`)}},
		"part too long":   {Vector: abi.Vector{Name: "x", Parts: []abi.VectorPart{{Size: 2}}}, Input: []byte("a")},
		"part of nothing": {Vector: abi.Vector{Name: "x", Parts: []abi.VectorPart{{Size: -1}}}, Input: []byte("a")},
		"rest":            {Vector: abi.Vector{Name: "x", Parts: []abi.VectorPart{{Size: 1}}}, Input: []byte("ab")},
	} {
		if _, err := WithVector(lines(), v); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	one, _ := WithVector(lines(), want[0])
	twice, _ := WithVector(one, want[0])
	many := lines()
	for i := range abi.MaxVectors + 1 {
		many, _ = WithVector(many, Vector{Vector: abi.Vector{Name: "v" + strings.Repeat("x", i%60) + string(rune('a'+i/60))}})
	}
	for name, b := range map[string][]byte{
		"twice": twice, "many": many, "no head": WithCustom(lines(), abi.SectionVector, nil),
		"cut head": WithCustom(lines(), abi.SectionVector, []byte{9, '{'}), "no JSON": WithCustom(lines(), abi.SectionVector, []byte{1, '{'}),
	} {
		if _, err := Vectors(b); err == nil {
			t.Errorf("%s: read", name)
		}
	}
}

func TestSignature(t *testing.T) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, otherKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := SignatureOf(lines()); s != nil || err != nil {
		t.Errorf("unsigned: %v, %v", s, err)
	}
	signed, err := Sign(lines(), key)
	if err != nil {
		t.Fatal(err)
	}
	s, err := SignatureOf(signed)
	if err != nil || s.KeyID != KeyID(pub) {
		t.Fatalf("%+v, %v", s, err)
	}
	if !s.Verify([]ed25519.PublicKey{other, pub}) || s.Verify([]ed25519.PublicKey{other}) || s.Verify(nil) || s.Verify([]ed25519.PublicKey{nil}) {
		t.Error("wrong keys")
	}
	// Every bit counts, the lengths and the key's name apart: those only find the signature.
	for i := range len(signed) - 64 - keyIDBytes - len(abi.SectionSignature) - 3 {
		bad := append([]byte(nil), signed...)
		bad[i] ^= 0x10
		if s, err := SignatureOf(bad); err == nil && s != nil && s.Verify([]ed25519.PublicKey{pub}) {
			t.Errorf("byte %d may change", i)
		}
	}
	if _, err := SignatureOf(WithCustom(signed, "more", nil)); err == nil {
		t.Error("a section after the signature is taken")
	}
	if _, err := SignatureOf(WithCustom(lines(), abi.SectionSignature, []byte("short"))); err == nil {
		t.Error("a short signature is taken")
	}
	again, err := Sign(signed, otherKey)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := SignatureOf(again); err != nil || !s.Verify([]ed25519.PublicKey{other}) || len(again) != len(signed) {
		t.Errorf("signed again: %v", err)
	}
}

func TestKeys(t *testing.T) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		base64.StdEncoding.EncodeToString(pub), string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
	} {
		if got, err := ParsePublicKey(" " + text + "\n"); err != nil || !got.Equal(pub) {
			t.Errorf("%s: %v", text, err)
		}
	}
	p8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: p8})
	if got, err := ParsePrivateKey(private); err != nil || !got.Equal(key) {
		t.Errorf("private key: %v", err)
	}
	for _, text := range []string{"", "abc", "AAAA", string(private)} {
		if _, err := ParsePublicKey(text); err == nil {
			t.Errorf("%q is a public key", text)
		}
	}
	if _, err := ParsePrivateKey([]byte("x")); err == nil {
		t.Error("x is a private key")
	}
}
