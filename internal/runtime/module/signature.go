package module

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// keyIDBytes is how much of a public key's hash names the key.
const keyIDBytes = 8

// Signature is what the last section of a module says about the bytes before it.
type Signature struct {
	KeyID  string // hex; a hint which key to try, proof of nothing
	sig    []byte
	signed []byte
}

// SignatureOf gives the signature of a module, nil if it has none. A signature that is not the last section or has not
// the right length is an error: somebody has changed the module.
func SignatureOf(b []byte) (*Signature, error) {
	secs, err := Sections(b)
	if err != nil {
		return nil, err
	}
	for i, s := range secs {
		if s.ID != secCustom || s.Name != abi.SectionSignature {
			continue
		}
		if i != len(secs)-1 {
			return nil, rejected("the module was changed after it was signed: the signature is not its last section")
		}
		if len(s.Body) != keyIDBytes+ed25519.SignatureSize {
			return nil, rejected("the signature has %d bytes instead of %d", len(s.Body), keyIDBytes+ed25519.SignatureSize)
		}
		return &Signature{
			KeyID: hex.EncodeToString(s.Body[:keyIDBytes]), sig: s.Body[keyIDBytes:], signed: ahead(b),
		}, nil
	}
	return nil, nil
}

// ahead gives the bytes of b ahead of its last section. It is found by walking: whoever wrote it may have padded the
// length.
func ahead(b []byte) []byte {
	r := reader{b: b, p: len(header)}
	start := r.p
	for r.more() {
		start = r.p
		r.byte()
		r.take(r.u32())
	}
	return b[:start:start]
}

// Verify reports whether one of the keys made the signature.
func (s *Signature) Verify(keys []ed25519.PublicKey) bool {
	for _, k := range keys {
		if len(k) == ed25519.PublicKeySize && ed25519.Verify(k, s.signed, s.sig) {
			return true
		}
	}
	return false
}

// Sign returns the module with the signature as its last section, in the place of an older one.
func Sign(b []byte, key ed25519.PrivateKey) ([]byte, error) {
	b, err := WithoutCustom(b, abi.SectionSignature)
	if err != nil {
		return nil, err
	}
	pub, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("sign: not an ed25519 key")
	}
	id := sha256.Sum256(pub)
	return WithCustom(b, abi.SectionSignature, append(id[:keyIDBytes:keyIDBytes], ed25519.Sign(key, b)...)), nil
}

// WithoutCustom returns the module without its custom sections of that name.
func WithoutCustom(b []byte, name string) ([]byte, error) {
	secs, err := Sections(b)
	if err != nil {
		return nil, err
	}
	kept := secs[:0:0]
	for _, s := range secs {
		if s.ID != secCustom || s.Name != name {
			kept = append(kept, s)
		}
	}
	if len(kept) == len(secs) {
		return b, nil
	}
	return join(kept), nil
}

// KeyID names a public key: the first 8 bytes of its SHA-256, in hex.
func KeyID(k ed25519.PublicKey) string {
	id := sha256.Sum256(k)
	return hex.EncodeToString(id[:keyIDBytes])
}

// ParsePublicKey reads a public key: PEM as `openssl pkey -pubout` writes it, or the base64 of its 32 bytes.
func ParsePublicKey(text string) (ed25519.PublicKey, error) {
	text = strings.TrimSpace(text)
	if block, _ := pem.Decode([]byte(text)); block != nil {
		k, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("parse public key: %w", err)
		}
		if pub, ok := k.(ed25519.PublicKey); ok {
			return pub, nil
		}
		return nil, errors.New("parse public key: it is not an ed25519 key")
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) != ed25519.PublicKeySize {
		return nil, errors.New("parse public key: neither PEM nor the base64 of 32 bytes")
	}
	return raw, nil
}

// ParsePrivateKey reads a private key: PEM (PKCS #8) as `openssl genpkey -algorithm ed25519` writes it.
func ParsePrivateKey(b []byte) (ed25519.PrivateKey, error) {
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, errors.New("parse private key: not PEM")
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse private key: %w", err)
	}
	if key, ok := k.(ed25519.PrivateKey); ok {
		return key, nil
	}
	return nil, errors.New("parse private key: it is not an ed25519 key")
}
