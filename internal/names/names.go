// Package names bounds the length of names from a body or a header: types, ids, and parts of keys.
package names

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/aihooks/aihooks-go/internal/jsonpeek"
)

// The maximum lengths in bytes. A longer name is replaced by a digest, so that no log, store or inbox gets a name as long as
// a body.
const (
	Max        = 256 // a type or an id
	maxKeyName = 128 // a type or an id within a key
	MaxKey     = 512 // a key
)

// digest returns the replacement of a name that is too long.
func digest[T string | []byte](name T) string {
	sum := sha256.Sum256([]byte(name))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Bounded returns name, or its digest if name is longer than limit bytes.
func Bounded(name string, limit int) string {
	if len(name) <= limit {
		return name
	}
	return digest(name)
}

// InJSON returns the type or id in a JSON value. It returns "" for a value that is not a string or a number.
func InJSON(raw []byte) string {
	name := text(raw)
	if len(name) > Max && strings.ContainsRune(name, '\uFFFD') {
		return digest(raw) // different names with invalid UTF-8 have the same text
	}
	return Bounded(name, Max)
}

// keyName returns name, or its digest if name is long or has bytes that a store might not distinguish.
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

// Typed returns the part of a key with that type and name. The first slash ends the type.
func Typed(eventType, name string) string { return Segment(eventType) + "/" + keyName(name) }

// Segment returns a name for a key, without a slash.
func Segment(name string) string {
	if strings.Contains(name, "/") {
		name += "\n" // makes keyName return a digest
	}
	return keyName(name)
}

// text returns the value of a JSON string, or a number as written. It returns "" for other values and for whitespace.
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
