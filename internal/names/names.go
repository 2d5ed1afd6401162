// Package names bounds the names that come out of a body or a header: types, ids, and what keys are made of.
package names

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/aihooks/aihooks-go/internal/jsonpeek"
)

// The longest names that are used as they are. In place of a longer one comes a digest of it, so that no log, store or
// inbox gets a name as long as a body.
const (
	Max        = 256 // of a type or an id, in bytes
	maxKeyName = 128 // within a key
	MaxKey     = 512 // of a key
)

// digest returns what takes the place of a name that is too long.
func digest[T string | []byte](name T) string {
	sum := sha256.Sum256([]byte(name))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Bounded returns name, or a digest of it if it is longer than limit bytes.
func Bounded(name string, limit int) string {
	if len(name) <= limit {
		return name
	}
	return digest(name)
}

// InJSON returns the type or id that a JSON value holds. It is empty if the value holds none.
func InJSON(raw []byte) string {
	name := text(raw)
	if len(name) > Max && strings.ContainsRune(name, '\uFFFD') {
		return digest(raw) // several names that are not UTF-8 have the same text
	}
	return Bounded(name, Max)
}

// keyName returns name, or a digest of it where it is long or has bytes that a store might not keep apart.
func keyName(name string) string {
	plain := len(name) <= maxKeyName
	for i := 0; plain && i < len(name); i++ {
		plain = name[i] > ' ' && name[i] < 0x7f
	}
	if plain && !strings.HasPrefix(name, "sha256:") {
		return name
	}
	return digest(name)
}

// Typed returns a key's name for what has that type and that name of its own. The first slash ends the type.
func Typed(eventType, name string) string {
	if strings.Contains(eventType, "/") {
		eventType += "\n" // keyName takes a digest of it
	}
	return keyName(eventType) + "/" + keyName(name)
}

// text returns a JSON string's value, or a number as it is written; anything else, and a string of whitespace, is empty.
func text(raw []byte) string {
	if s, ok := jsonpeek.String(raw); ok {
		if strings.TrimSpace(s) == "" {
			return ""
		}
		return s
	}
	if jsonpeek.KindOf(raw) == jsonpeek.KindNumber {
		return string(raw)
	}
	return ""
}
