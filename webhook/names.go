package webhook

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// The longest names that are used as they are. In place of a longer one comes a digest of it, so that no log, store or
// inbox gets a name as long as a body.
const (
	maxName    = 256 // of a type or an id, in bytes
	maxKeyName = 128 // within a key
	maxKey     = 512 // of an Identity
)

// digestOf returns what takes the place of a name that is too long.
func digestOf[T string | []byte](name T) string {
	digest := sha256.Sum256([]byte(name))
	return "sha256:" + hex.EncodeToString(digest[:])
}

// bounded returns name, or a digest of it if it is longer than limit bytes.
func bounded(name string, limit int) string {
	if len(name) <= limit {
		return name
	}
	return digestOf(name)
}

// nameIn returns the type or id that a JSON value holds. It is empty if the value holds none.
func nameIn(raw []byte) string {
	name := text(raw)
	if len(name) > maxName && strings.ContainsRune(name, '\uFFFD') {
		return digestOf(raw) // several names that are not UTF-8 have the same text
	}
	return bounded(name, maxName)
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
	return digestOf(name)
}

// typedName returns a key's name for what has that type and that name of its own. The first slash ends the type.
func typedName(eventType, name string) string {
	if strings.Contains(eventType, "/") {
		eventType += "\n" // keyName takes a digest of it
	}
	return keyName(eventType) + "/" + keyName(name)
}
