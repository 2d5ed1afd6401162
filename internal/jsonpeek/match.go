package jsonpeek

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// match returns the index of the name that encoding/json matches with key, or -1. key is the inside of a valid string.
func match(key []byte, names []string) int {
	for i, name := range names {
		if string(key) == name && strings.IndexByte(name, '\\') < 0 {
			return i
		}
	}
	folded := -1
	for i, name := range names {
		if differ(key, name) {
			continue
		}
		same, exact := compare(key, name)
		if exact {
			return i
		}
		if same && folded < 0 {
			folded = i
		}
	}
	return folded
}

// differ is a cheap check. It returns true for most pairs that do not match.
func differ(key []byte, name string) bool {
	if len(key) == 0 || len(name) == 0 {
		return len(key) != len(name)
	}
	k, n := key[0], name[0]
	return k < utf8.RuneSelf && n < utf8.RuneSelf && k != '\\' && k|0x20 != n|0x20
}

// compare reports whether key equals name except for case, and whether it equals name exactly.
func compare(key []byte, name string) (same, exact bool) {
	exact = true
	for len(key) > 0 && len(name) > 0 {
		k, size := char(key)
		key = key[size:]
		n, size := utf8.DecodeRuneInString(name)
		name = name[size:]
		if k != n {
			if fold(k) != fold(n) {
				return false, false
			}
			exact = false
		}
	}
	same = len(key) == 0 && len(name) == 0
	return same, same && exact
}

// fold returns the smallest character that differs from r by case only, as encoding/json folds names.
func fold(r rune) rune {
	for {
		next := unicode.SimpleFold(r)
		if next <= r {
			return next
		}
		r = next
	}
}
