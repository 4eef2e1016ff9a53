package sessions

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
)

// keyLength is what the client asks KMS for: two halves of 32 bytes, the first for what the agent sends, the second for
// what the client sends.
const keyLength = 64

// sealer encrypts what one side sends and decrypts what the other one sends: AES-256-GCM, the nonce before the text.
type sealer struct {
	seal, open cipher.AEAD
}

// newSealer is the agent's side of a data key.
func newSealer(key []byte) (*sealer, error) {
	if len(key) != keyLength {
		return nil, fmt.Errorf("the data key has %d bytes, expected %d", len(key), keyLength)
	}
	s := &sealer{}
	for half, into := range []*cipher.AEAD{&s.seal, &s.open} {
		block, err := aes.NewCipher(key[half*keyLength/2 : (half+1)*keyLength/2])
		if err != nil {
			return nil, err
		}
		if *into, err = cipher.NewGCM(block); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *sealer) encrypt(text []byte) []byte {
	nonce := make([]byte, s.seal.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	return s.seal.Seal(nonce, nonce, text, nil)
}

func (s *sealer) decrypt(sealed []byte) ([]byte, error) {
	if len(sealed) < s.open.NonceSize() {
		return nil, errors.New("an encrypted payload is shorter than its nonce")
	}
	return s.open.Open(nil, sealed[:s.open.NonceSize()], sealed[s.open.NonceSize():], nil)
}
