package plugindev

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/module"
)

const mostKey = 64 << 10

// KeyPair says where Keygen has put a pair of keys.
type KeyPair struct {
	Private string `json:"private"`
	Public  string `json:"public"`
	KeyID   string `json:"key_id"`
}

// Keygen makes a pair of keys for signing, NAME.pem (mode 0600) and NAME.pub.pem. It replaces neither.
func Keygen(name string) (KeyPair, error) {
	k := KeyPair{Private: name + ".pem", Public: name + ".pub.pem"}
	for _, path := range []string{k.Private, k.Public} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return KeyPair{}, errcode.Invalid("NAME", "%s is there already: a key is not replaced", path)
		}
	}
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return KeyPair{}, fmt.Errorf("make key: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		return KeyPair{}, fmt.Errorf("make key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return KeyPair{}, fmt.Errorf("make key: %w", err)
	}
	if err := writeNew(k.Private, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600); err != nil {
		return KeyPair{}, err
	}
	if err := writeNew(k.Public, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), 0o644); err != nil {
		return KeyPair{}, err
	}
	k.KeyID = module.KeyID(pub)
	return k, nil
}

// writeNew writes a file that must not be there yet.
func writeNew(path string, b []byte, perm os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// Sign puts a signature into a module, in the place of an older one, and gives the name of the key. The file is replaced
// at once, so that an appliance that watches its folder sees the old one or the new one.
func Sign(file, key string) (keyID string, err error) {
	text, err := readBounded(key, mostKey)
	if err != nil {
		return "", fmt.Errorf("read key: %w", err)
	}
	priv, err := module.ParsePrivateKey(text)
	if err != nil {
		return "", fmt.Errorf("read key %s: %w", key, err)
	}
	b, err := readModule(file)
	if err != nil {
		return "", err
	}
	if _, err := module.Check(b, module.Limits{}); err != nil {
		return "", fmt.Errorf("sign %s: %w", file, err)
	}
	raw, err := module.EmbeddedManifest(b)
	if err != nil {
		return "", fmt.Errorf("sign %s: %w", file, err)
	}
	if raw == nil {
		return "", errcode.Newf(errcode.PluginRejected, "%s has no manifest yet: wayside plugin pack adds it, then sign", file)
	}
	signed, err := module.Sign(b, priv)
	if err != nil {
		return "", fmt.Errorf("sign %s: %w", file, err)
	}
	if err := replace(file, signed); err != nil {
		return "", err
	}
	pub, ok := priv.Public().(ed25519.PublicKey)
	if !ok {
		return "", errors.New("sign: not an ed25519 key")
	}
	return module.KeyID(pub), nil
}

// replace makes a file hold b at once, with the permissions it had.
func replace(file string, b []byte) error {
	perm := os.FileMode(0o644)
	if st, err := os.Stat(file); err == nil {
		perm = st.Mode().Perm()
	}
	if err := disk.WriteFile(disk.OS, file, b, perm); err != nil {
		return fmt.Errorf("write module: %w", err)
	}
	return nil
}

// Verification is what Verify found.
type Verification struct {
	File   string `json:"file"`
	Signed bool   `json:"signed"`
	KeyID  string `json:"key_id,omitempty"` // the key that the signature names
	Valid  bool   `json:"valid"`
	Reason string `json:"reason,omitempty"` // why it is not valid
}

// Verify checks the signature of a module against public keys: those given, each the path of a PEM file or the base64 of
// the key, and those that the configuration trusts.
func Verify(file string, given []string, configured []ed25519.PublicKey) (Verification, error) {
	v := Verification{File: file}
	if len(given)+len(configured) == 0 {
		return v, errcode.Invalid("--key", "no key to check against: give one, or set plugins.keys in the configuration")
	}
	trusted := make([]ed25519.PublicKey, 0, len(given)+len(configured))
	for _, k := range given {
		pub, err := publicKey(k)
		if err != nil {
			return v, err
		}
		trusted = append(trusted, pub)
	}
	trusted = append(trusted, configured...)
	b, err := readModule(file)
	if err != nil {
		return v, err
	}
	sig, err := module.SignatureOf(b)
	switch {
	case err != nil:
		v.Reason = err.Error()
	case sig == nil:
		v.Reason = "the module is not signed"
	default:
		v.Signed, v.KeyID = true, sig.KeyID
		if v.Valid = sig.Verify(trusted); !v.Valid {
			v.Reason = "the signature, by key " + sig.KeyID + ", is not that of a trusted key over these bytes"
		}
	}
	return v, nil
}

func publicKey(given string) (ed25519.PublicKey, error) {
	text, err := readBounded(given, mostKey)
	if err != nil {
		if pub, perr := module.ParsePublicKey(given); perr == nil {
			return pub, nil
		}
		return nil, fmt.Errorf("read key: %w", err)
	}
	pub, err := module.ParsePublicKey(string(text))
	if err != nil {
		return nil, fmt.Errorf("read key %s: %w", given, err)
	}
	return pub, nil
}
