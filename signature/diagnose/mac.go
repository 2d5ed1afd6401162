package diagnose

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // to recognize senders that use it
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"

	"github.com/aihooks/aihooks-go/signature"
)

const (
	maxHeader = 1024 // bytes of a header that is searched for a MAC
	maxLabel  = 32   // bytes before a MAC
	maxParts  = 8    // of a list
)

// A reading is one possible interpretation of a header as a signature.
type reading struct {
	cause Cause
	says  string
	mac   []byte
	stamp string // the time in a list; the sender may sign it before the body
}

// timed is the form of a sender that signs the time in a list.
var timed = &signature.Form{Signs: "{t}.{body}"}

// otherWriting tries other ways to write the signature, if none is written as the scheme requires.
func (d *diagnoser) otherWriting() (Explanation, bool) {
	if d.gotErr == nil {
		return Explanation{}, false
	}
	name, value := d.in.Scheme.Header, d.in.Header[d.in.Scheme.Header][0]
	if len(value) <= maxHeader {
		for _, r := range d.readings(value) {
			if d.proves(&r, d.forms) {
				return explainf(r.cause, "the signature is right, but the header %s %s; it must have %s", name, r.says, d.wanted())
			}
			if r.stamp != "" && d.proves(&r, []composed{{timed, []string{r.stamp}}}) {
				return explainf(r.cause, "the header %s has the signature in a list, and the sender signs the time in the list, a dot and the body. "+
					"That is another scheme than this one, which signs %s", name, d.layouts())
			}
		}
	}
	malformed := strings.TrimPrefix(d.gotErr.Error(), "signature: ")
	if d.in.Scheme.Separator != "" {
		return explainf(HeaderMalformed, "%s: it must have %s", malformed, d.wanted())
	}
	return explainf(HeaderMalformed, "%s, %s%s", malformed, d.prefixExpected(&d.versions[0]), d.shape(value))
}

// layouts returns what the scheme signs, in each of its forms.
func (d *diagnoser) layouts() string {
	forms := make([]string, len(d.in.Scheme.Forms))
	for i, f := range d.in.Scheme.Forms {
		forms[i] = strings.NewReplacer("{", "", "}", "").Replace(cmp.Or(f.Signs, "{body}"))
	}
	return strings.Join(forms, " or ")
}

// wanted returns how the live keys' signatures must be written.
func (d *diagnoser) wanted() string {
	all := make([]string, len(d.versions))
	for i := range d.versions {
		v := &d.versions[i]
		text := fmt.Sprintf("%d hex digits", hex.EncodedLen(v.Algorithm.Size()))
		if v.Encoding == signature.Base64 {
			text = fmt.Sprintf("%d characters of base64", base64.StdEncoding.EncodedLen(v.Algorithm.Size()))
		}
		all[i] = text + ", " + d.prefixExpected(v)
	}
	return strings.Join(all, ", or ")
}

func (d *diagnoser) prefixExpected(v *signature.Version) string {
	switch {
	case v.Prefix == "":
		return "without a prefix"
	case d.marked():
		return "with the prefix " + v.Prefix
	default:
		return "with or without the prefix " + v.Prefix
	}
}

// marked reports whether the prefix of each signature is required.
func (d *diagnoser) marked() bool {
	return d.in.Scheme.Separator != "" || len(d.in.Scheme.Versions) > 1
}

// shape describes the value of a header, if it is recognized.
func (d *diagnoser) shape(value string) string {
	v := &d.versions[0]
	bare, size := strings.Trim(value, around), v.Algorithm.Size()
	if raw, err := hex.DecodeString(bare); err == nil {
		switch {
		case len(raw) == 0 || len(raw) == size && v.Encoding == signature.Hex:
			return ""
		case v.Encoding == signature.Hex:
			return fmt.Sprintf(": it has hex digits, but not %d", hex.EncodedLen(size))
		}
		return ": it looks like hex"
	}
	if raw := decodeBase64(bare); len(raw) != size || v.Encoding == signature.Base64 {
		return ""
	}
	if d.ended || len(value) > maxHeader {
		return ": it looks like base64"
	}
	return ": it looks like base64, but no live key makes that MAC either"
}

// proves reports whether a live key makes the signature that was read, with any hash.
func (d *diagnoser) proves(r *reading, forms []composed) bool {
	for _, c := range forms {
		var signed []byte
		for _, k := range d.live {
			if !d.spend(costOf(k.version.Algorithm, d.in.Body)) {
				return false
			}
			if signed == nil {
				signed = d.bytes(&c, d.in.Body)
			}
			if k.version.Algorithm == signature.Ed25519 {
				if verifies(signature.Ed25519, k.raw, signed, r.mac) {
					return true
				}
			} else if makes(hashes[len(r.mac)], k.raw, signed, r.mac) {
				return true
			}
		}
	}
	return false
}

func makes(newHash func() hash.Hash, secret, signed, mac []byte) bool {
	defer func() { _ = recover() }() // in FIPS mode, crypto/hmac panics for a short key and for SHA-1
	m := hmac.New(newHash, secret)
	m.Write(signed)
	return hmac.Equal(m.Sum(nil), mac)
}

// around are the bytes that may surround a MAC or a secret.
const around = " \t\r\n\"'`"

// readings returns the possible interpretations of value, the most likely first.
func (d *diagnoser) readings(value string) []reading {
	bare := strings.Trim(value, around)
	label, rest := cutLabel(bare)
	var all []reading
	add := func(c Cause, says string, mac []byte) {
		if mac != nil {
			all = append(all, reading{cause: c, says: says, mac: mac})
		}
	}
	for i := range d.versions {
		v := &d.versions[i]
		size, own, other := v.Algorithm.Size(), decodeHexOf, decodeBase64Of
		if v.Encoding == signature.Base64 {
			own, other = decodeBase64Of, decodeHexOf
		}
		if bare == value && d.marked() {
			add(MACPrefix, "lacks the prefix", own(bare, size))
		} else {
			add(MACQuoted, "has whitespace or quotes around it", own(bare, size))
		}
		if label != "" {
			add(MACPrefix, "has another prefix", own(rest, size))
		}
		for _, text := range []string{bare, rest} {
			if v.Encoding == signature.Base64 {
				add(MACInHex, "has it in hex", other(text, size))
				continue
			}
			add(MACInBase64, "has it in base64", other(text, size))
			add(MACInBase64, "has the hex digits in base64", decodeHexOf(string(decodeBase64(text)), size))
		}
		for _, text := range []string{bare, rest} {
			for _, length := range []int{sha1.Size, sha256.Size, sha512.Size384, sha512.Size} {
				if length != size {
					add(MACAlgorithm, "has it as an HMAC-"+names[length], decodeHexOf(text, length))
				}
			}
		}
	}
	return append(all, d.listed(bare)...)
}

// cutLabel cuts off the label before a MAC: "sha256=", "v0:", "HMAC-SHA256 " or "0x".
func cutLabel(s string) (label, rest string) {
	if rest, ok := strings.CutPrefix(s, "0x"); ok {
		return "0x", rest
	}
	at := strings.IndexAny(s, "=: ,")
	if at < 1 || at > maxLabel || !isToken(s[:at]) {
		return "", ""
	}
	return s[:at+1], strings.Trim(s[at+1:], around)
}

// listed parses a list of named values, or of versions and values, as some senders use.
func (d *diagnoser) listed(s string) []reading {
	parts := strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ';' || r == ' ' })
	if len(parts) < 2 || len(parts) > maxParts {
		return nil
	}
	var all []reading
	stamp := ""
	for _, part := range parts {
		if t, ok := strings.CutPrefix(part, "t="); ok && signature.UnixTime.Accepts(t) {
			stamp = t
		}
	}
	for _, part := range parts {
		_, named := cutLabel(part)
		for _, text := range []string{part, named} {
			for i := range d.versions {
				size := d.versions[i].Algorithm.Size()
				mac := decodeHexOf(text, size)
				if mac == nil {
					mac = decodeBase64Of(text, size)
				}
				if mac != nil {
					all = append(all, reading{cause: MACInList, says: "has it in a list", mac: mac, stamp: stamp})
				}
			}
		}
	}
	return all
}

var (
	names  = map[int]string{sha1.Size: "SHA1", sha256.Size: "SHA256", sha512.Size384: "SHA384", sha512.Size: "SHA512"}
	hashes = map[int]func() hash.Hash{sha1.Size: sha1.New, sha256.Size: sha256.New, sha512.Size384: sha512.New384, sha512.Size: sha512.New}
)

func decodeHexOf(s string, size int) []byte {
	if len(s) != hex.EncodedLen(size) {
		return nil
	}
	mac, err := hex.DecodeString(s)
	if err != nil {
		return nil
	}
	return mac
}

func decodeBase64Of(s string, size int) []byte {
	if mac := decodeBase64(s); len(mac) == size {
		return mac
	}
	return nil
}

// decodeBase64 decodes either alphabet, with or without padding. It returns nil for other text.
func decodeBase64(s string) []byte {
	bare := strings.TrimRight(s, "=")
	for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if raw, err := e.DecodeString(bare); err == nil && len(raw) > 0 {
			return raw
		}
	}
	return nil
}
