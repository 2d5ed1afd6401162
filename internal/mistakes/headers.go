package mistakes

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // what some senders use
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"strconv"
	"strings"

	"github.com/aihooks/aihooks-go/signature"
)

func headers() []Mistake {
	return []Mistake{
		changes("no signature", signature.HeaderMissing, "is missing: either the sender does not sign", func(s *Sender, d *Delivery) {
			d.Header.Del(s.Scheme.Header)
		}),
		changes("an empty signature", signature.HeaderMissing, "there but empty", func(s *Sender, d *Delivery) {
			d.Header.Set(s.Scheme.Header, "")
		}),
		changes("another sender's signature", signature.HeaderOfAnother, "X-Hub-Signature-256 is there", func(s *Sender, d *Delivery) {
			d.Header["X-Hub-Signature-256"] = d.Header[s.Scheme.Header]
			d.Header["X-Shopify-Hmac-Sha256"] = d.Header[s.Scheme.Header]
			d.Header.Del(s.Scheme.Header)
		}),
		changes("another sender's HMAC", signature.HeaderOfAnother, "X-Shopify-Hmac-Sha256 is there", func(s *Sender, d *Delivery) {
			d.Header["X-Shopify-Hmac-Sha256"] = d.Header[s.Scheme.Header]
			d.Header["X-Signature \x1b[31m"] = []string{"not to be printed"}
			d.Header["X-Signature-"+strings.Repeat("long-", 20)] = []string{"not to be printed"}
			d.Header.Del(s.Scheme.Header)
		}),
		changes("a name that is not canonical", signature.HeaderSpelling, "canonical form", func(s *Sender, d *Delivery) {
			d.Header[strings.ToLower(s.Scheme.Header)] = d.Header[s.Scheme.Header]
			d.Header.Del(s.Scheme.Header)
		}).unseen(),
		changes("two signatures", signature.HeaderRepeated, "came 2 times", func(s *Sender, d *Delivery) {
			d.Header.Add(s.Scheme.Header, d.Header.Get(s.Scheme.Header))
		}),
		changes("no MAC at all", signature.HeaderMalformed, "is not one HMAC-SHA256 in hex", func(s *Sender, d *Delivery) {
			d.Header.Set(s.Scheme.Header, "none; of your business")
		}),
		changes("hex digits, but too few", signature.HeaderMalformed, "hex digits, but not 64", func(s *Sender, d *Delivery) {
			d.Header.Set(s.Scheme.Header, "00112233")
		}),
		changes("a signature as long as a body", signature.HeaderMalformed, "is not one HMAC-SHA256 in hex", func(s *Sender, d *Delivery) {
			d.Header.Set(s.Scheme.Header, strings.Repeat("!", 1<<16))
		}),
	}
}

// timed is a mistake with the header that carries the time.
func timed(name string, m signature.Mistake, says string, stamp func(seconds string) string) Mistake {
	return field(name, m, says, signature.UnixTime, func(d *Delivery, header string) { d.Header.Set(header, stamp(d.Header.Get(header))) })
}

func field(name string, m signature.Mistake, says string, g signature.Grammar, change func(d *Delivery, header string)) Mistake {
	return Mistake{Name: name, Mistake: m, Says: says, Make: func(s *Sender) *Delivery {
		header, ok := s.field(g)
		if !ok {
			return nil
		}
		d := s.Send(Secret, []byte(Body))
		change(d, header)
		return d
	}}
}

func times() []Mistake {
	constant := func(value string) func(string) string { return func(string) string { return value } }
	return []Mistake{
		timed("a time in microseconds", signature.TimeUnit, "in microseconds", func(s string) string { return s + "000000" }),
		timed("a time in nanoseconds", signature.TimeUnit, "in nanoseconds", func(s string) string { return s + "000000000" }),
		timed("a time with a fraction", signature.TimeFormat, "with a fraction", func(s string) string { return s + ".123" }),
		timed("a date", signature.TimeFormat, "has a date", constant("2026-11-22T10:07:39Z")),
		timed("a date of HTTP", signature.TimeFormat, "has a date", constant("Sun, 22 Nov 2026 10:07:39 GMT")),
		timed("no time", signature.HeaderMalformed, "no time that can be read", constant("now")),
		field("no header with a time", signature.HeaderMissing, "either the sender does not send it", signature.UnixTime, func(d *Delivery, header string) { d.Header.Del(header) }),
		field("two times", signature.HeaderRepeated, "came 2 times", signature.UnixTime, func(d *Delivery, header string) { d.Header.Add(header, "1795283259") }),
		field("an id with a dot", signature.HeaderMalformed, "documented form", signature.Opaque, func(d *Delivery, header string) { d.Header.Set(header, "a.b") }),
		restamped("milliseconds where seconds are signed", "signs the time in seconds", func(s string) string { return s }, func(s string) string { return s + "123" }),
		restamped("seconds where milliseconds are signed", "signs the time in milliseconds", func(s string) string { return s + "000" }, func(s string) string { return s }),
	}
}

// restamped is a time that has another unit in the header than it was signed in.
func restamped(name, says string, signed, arrived func(seconds string) string) Mistake {
	return Mistake{Name: name, Mistake: signature.TimeUnit, Says: says, Make: func(s *Sender) *Delivery {
		header, ok := s.field(signature.UnixTime)
		seconds := strconv.FormatInt(s.Now.Unix(), 10)
		d := s.send(Secret, []byte(Body), signed(seconds))
		if !ok || s.covered(d.Header) == "" {
			return nil
		}
		d.Header.Set(header, arrived(seconds))
		return d
	}}
}

// written is a MAC that is right and written in another way than in hex.
func written(name string, m signature.Mistake, says string, write func(digits string) string) Mistake {
	return changes(name, m, says, func(s *Sender, d *Delivery) {
		digits := strings.TrimPrefix(d.Header.Get(s.Scheme.Header), s.Scheme.Prefix)
		d.Header.Set(s.Scheme.Header, write(digits))
	})
}

// hashed is a MAC over what the sender signs, by another hash.
func hashed(name, says, prefix string, newHash func() hash.Hash) Mistake {
	return changes(name, signature.MACAlgorithm, says, func(s *Sender, d *Delivery) {
		d.Header.Set(s.Scheme.Header, prefix+macOver(newHash, s.covered(d.Header)+Body))
	})
}

func macOver(newHash func() hash.Hash, text string) string {
	m := hmac.New(newHash, []byte(Secret))
	m.Write([]byte(text))
	return hex.EncodeToString(m.Sum(nil))
}

func macs() []Mistake {
	inBase64 := func(e *base64.Encoding, prefix string) func(string) string {
		return func(digits string) string {
			raw, _ := hex.DecodeString(digits)
			return prefix + e.EncodeToString(raw)
		}
	}
	before := func(prefix string) func(string) string { return func(digits string) string { return prefix + digits } }
	around := func(mark string) func(string) string {
		return func(digits string) string { return mark + digits + mark }
	}
	return []Mistake{
		written("base64", signature.MACInBase64, "has it in base64", inBase64(base64.StdEncoding, "")),
		written("base64 without padding", signature.MACInBase64, "has it in base64", inBase64(base64.RawStdEncoding, "")),
		written("base64 of URLs", signature.MACInBase64, "has it in base64", inBase64(base64.URLEncoding, "")),
		written("base64 after a prefix", signature.MACInBase64, "has it in base64", inBase64(base64.StdEncoding, "sha256=")),
		written("base64 of the digits", signature.MACInBase64, "the hex digits in base64", func(digits string) string {
			return base64.StdEncoding.EncodeToString([]byte(digits))
		}),
		written("a prefix in another case", signature.MACPrefix, "another prefix", before("SHA256=")),
		written("the prefix v0", signature.MACPrefix, "another prefix", before("v0=")),
		written("the prefix hmac-sha256", signature.MACPrefix, "another prefix", before("hmac-sha256=")),
		written("the name of the hash and a blank", signature.MACPrefix, "another prefix", before("HMAC-SHA256 ")),
		written("the prefix of hex numbers", signature.MACPrefix, "another prefix", before("0x")),
		written("blanks", signature.MACQuoted, "blanks or quotes", around(" ")),
		written("quotes", signature.MACQuoted, "blanks or quotes", around(`"`)),
		written("a list", signature.MACInList, "in a list", func(digits string) string { return "t=1795283259,v1=" + digits }),
		written("a list of several", signature.MACInList, "in a list", func(digits string) string {
			return "v1=" + strings.Repeat("0", 64) + " v1=" + digits
		}),
		written("a version and base64", signature.MACInList, "in a list", func(digits string) string {
			return "v1," + strings.Repeat("A", 43) + "= " + inBase64(base64.StdEncoding, "v1,")(digits)
		}),
		changes("a list with the time that is signed", signature.MACInList, "by another scheme", func(s *Sender, d *Delivery) {
			d.Header.Set(s.Scheme.Header, "t=1795283200,v1="+macOver(sha256.New, "1795283200."+Body))
		}),
		hashed("SHA-1", "HMAC-SHA1", "", sha1.New),
		hashed("SHA-1 after a prefix", "HMAC-SHA1", "sha1=", sha1.New),
		hashed("SHA-384", "HMAC-SHA384", "", sha512.New384),
		hashed("SHA-512", "HMAC-SHA512", "sha512=", sha512.New),
	}
}

// forms are mistakes with the keys and forms that are accepted.
func forms() []Mistake {
	return []Mistake{
		{Name: "a former key", Mistake: signature.KeyRetired, Says: `a former key "default"`, Make: func(s *Sender) *Delivery {
			d := s.Send(Secret, []byte(Body))
			d.Former, d.Given = Secret, "the secret that came after it"
			return d
		}},
		{Name: "a form that is not accepted", Mistake: signature.OtherForm, Says: "is accepted: accept the one", Make: func(s *Sender) *Delivery {
			d := s.Send(Secret, []byte(Body))
			for _, f := range s.Scheme.Forms {
				if f.Name != s.Form && s.Form != "" {
					pinned, err := s.Scheme.Pin(f.Name)
					if err != nil {
						panic(err)
					}
					d.Scheme = pinned
					return d
				}
			}
			return nil
		}, Unseen: true},
		{Name: "a body that begins as a covered header does", Mistake: signature.FormAmbiguous, Says: "begins as a covered header does", Make: func(s *Sender) *Delivery {
			if len(s.Scheme.Forms) < 2 {
				return nil
			}
			return s.Send(Secret, []byte("1795283259."+Body))
		}},
	}
}
