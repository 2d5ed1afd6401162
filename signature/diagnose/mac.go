package diagnose

import (
	"crypto/sha1" //nolint:gosec // to recognize senders that use it
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"slices"
	"strings"

	"github.com/aihooks/aihooks-go/signature"
)

const (
	maxHeader = 1024 // bytes of a header that is searched for a MAC
	maxLabel  = 32   // bytes before a MAC
	maxParts  = 8    // of a list
)

// A reading is one possible interpretation of a header as a MAC.
type reading struct {
	cause Cause
	says  string
	mac   []byte
	stamp string // the time in a list; the sender may sign it before the body
}

// otherWriting tries other encodings of the MAC, if it is not encoded as the scheme requires.
func (d *diagnoser) otherWriting() (Explanation, bool) {
	if d.readable {
		return Explanation{}, false
	}
	name, value := d.in.Scheme.Header, d.in.Header[d.in.Scheme.Header][0]
	if len(value) <= maxHeader {
		for _, r := range readings(value) {
			if d.proves(&r, d.forms) {
				return explainf(r.cause, "the signature is right, but the header %s %s; it must have 64 hex digits, %s", name, r.says, d.prefixExpected())
			}
			if r.stamp != "" && d.proves(&r, []composed{{nil, []string{r.stamp}}}) {
				return explainf(r.cause, "the header %s has the signature in a list, and the sender signs the time in the list, a dot and the body. "+
					"That is another scheme than this one, which signs %s", name, d.layouts())
			}
		}
	}
	return explainf(HeaderMalformed, "the header %s is not one HMAC-SHA256 in hex, %s%s", name, d.prefixExpected(), d.shape(value))
}

// layouts returns what the scheme signs, in each of its forms.
func (d *diagnoser) layouts() string {
	forms := make([]string, len(d.in.Scheme.Forms))
	for i, f := range d.in.Scheme.Forms {
		forms[i] = strings.Join(append(slices.Clone(f.Covers), "body"), ".")
	}
	return strings.Join(forms, " or ")
}

func (d *diagnoser) prefixExpected() string {
	if d.in.Scheme.Prefix == "" {
		return "without a prefix"
	}
	return "with or without the prefix " + d.in.Scheme.Prefix
}

// shape describes the value of a header, if it is recognized.
func (d *diagnoser) shape(value string) string {
	bare := strings.Trim(value, around)
	if raw, err := hex.DecodeString(bare); err == nil {
		if len(raw) == 0 || len(raw) == sha256.Size {
			return ""
		}
		return ": it has hex digits, but not 64"
	}
	if raw := decodeBase64(bare); len(raw) != sha256.Size {
		return ""
	}
	if d.ended || len(value) > maxHeader {
		return ": it looks like base64"
	}
	return ": it looks like base64, but no live key makes that MAC either"
}

func (d *diagnoser) proves(r *reading, forms []composed) bool {
	if len(r.mac) == sha256.Size {
		copy(d.want[:], r.mac)
		_, _, ok := d.signedBy(d.live, forms, d.in.Body)
		return ok
	}
	for _, k := range d.live {
		if d.signedWith(hashOf(len(r.mac)), k.secret.Reveal(), r.mac, forms) {
			return true
		}
	}
	return false
}

// around are the bytes that may surround a MAC or a secret.
const around = " \t\r\n\"'`"

// readings returns the possible interpretations of value, the most likely first.
func readings(value string) []reading {
	bare := strings.Trim(value, around)
	label, rest := cutLabel(bare)
	var all []reading
	add := func(m Cause, says, text string, decode func(string) []byte) {
		if mac := decode(text); mac != nil {
			all = append(all, reading{cause: m, says: says, mac: mac})
		}
	}
	add(MACQuoted, "has whitespace or quotes around it", bare, decodeHex)
	if label != "" {
		add(MACPrefix, "has another prefix", rest, decodeHex)
	}
	for _, text := range []string{bare, rest} {
		add(MACInBase64, "has it in base64", text, decodeBase64MAC)
		add(MACInBase64, "has the hex digits in base64", text, decodeBase64Hex)
		for _, size := range []int{sha1.Size, sha512.Size384, sha512.Size} {
			add(MACAlgorithm, "has it as an HMAC-"+names[size], text, func(text string) []byte { return decodeHexOf(text, size) })
		}
	}
	return append(all, listed(bare)...)
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
func listed(s string) []reading {
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
			mac := decodeHex(text)
			if mac == nil {
				mac = decodeBase64MAC(text)
			}
			if mac != nil {
				all = append(all, reading{cause: MACInList, says: "has it in a list", mac: mac, stamp: stamp})
			}
		}
	}
	return all
}

var names = map[int]string{sha1.Size: "SHA1", sha512.Size384: "SHA384", sha512.Size: "SHA512"}

func hashOf(size int) func() hash.Hash {
	switch size {
	case sha1.Size:
		return sha1.New
	case sha512.Size384:
		return sha512.New384
	default:
		return sha512.New
	}
}

func decodeHex(s string) []byte { return decodeHexOf(s, sha256.Size) }

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

func decodeBase64MAC(s string) []byte {
	if mac := decodeBase64(s); len(mac) == sha256.Size {
		return mac
	}
	return nil
}

func decodeBase64Hex(s string) []byte { return decodeHex(string(decodeBase64(s))) }

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
