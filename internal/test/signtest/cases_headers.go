package signtest

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
	"time"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/signature/diagnose"
)

func headers() []Case {
	return []Case{
		changes("no signature", diagnose.HeaderMissing, "is missing: either the sender does not sign", func(s *Sender, d *Delivery) {
			d.Header.Del(s.Scheme.Header)
		}),
		changes("an empty signature", diagnose.HeaderMissing, "present but empty", func(s *Sender, d *Delivery) {
			d.Header.Set(s.Scheme.Header, "")
		}),
		changes("another sender's signature", diagnose.HeaderOfAnother, "X-Hub-Signature-256 is present", func(s *Sender, d *Delivery) {
			d.Header["X-Hub-Signature-256"] = d.Header[s.Scheme.Header]
			d.Header["X-Shopify-Hmac-Sha256"] = d.Header[s.Scheme.Header]
			d.Header.Del(s.Scheme.Header)
		}),
		changes("another sender's HMAC", diagnose.HeaderOfAnother, "X-Shopify-Hmac-Sha256 is present", func(s *Sender, d *Delivery) {
			d.Header["X-Shopify-Hmac-Sha256"] = d.Header[s.Scheme.Header]
			d.Header["X-Signature \x1b[31m"] = []string{"not to be printed"}
			d.Header["X-Signature-"+strings.Repeat("long-", 20)] = []string{"not to be printed"}
			d.Header.Del(s.Scheme.Header)
		}),
		changes("a name that is not canonical", diagnose.HeaderSpelling, "canonical form", func(s *Sender, d *Delivery) {
			d.Header[strings.ToLower(s.Scheme.Header)] = d.Header[s.Scheme.Header]
			d.Header.Del(s.Scheme.Header)
		}).unseen(),
		changes("two signatures", diagnose.HeaderRepeated, "appears 2 times", func(s *Sender, d *Delivery) {
			d.Header.Add(s.Scheme.Header, d.Header.Get(s.Scheme.Header))
		}),
		changes("no MAC at all", diagnose.HeaderMalformed, "is not one HMAC-SHA256 in hex", func(s *Sender, d *Delivery) {
			d.Header.Set(s.Scheme.Header, "none; of your business")
		}),
		changes("hex digits, but too few", diagnose.HeaderMalformed, "hex digits, but not 64", func(s *Sender, d *Delivery) {
			d.Header.Set(s.Scheme.Header, "00112233")
		}),
		changes("a signature as long as a body", diagnose.HeaderMalformed, "is not one HMAC-SHA256 in hex", func(s *Sender, d *Delivery) {
			d.Header.Set(s.Scheme.Header, strings.Repeat("!", 1<<16))
		}),
	}
}

// timed returns a case with a mistake in the time header.
func timed(name string, c diagnose.Cause, says string, stamp func(seconds string) string) Case {
	return field(name, c, says, signature.UnixTime, func(d *Delivery, header string) { d.Header.Set(header, stamp(d.Header.Get(header))) })
}

func field(name string, c diagnose.Cause, says string, g signature.Grammar, change func(d *Delivery, header string)) Case {
	return Case{Name: name, Cause: c, Says: says, Make: func(s *Sender) *Delivery {
		header, ok := s.field(g)
		if !ok {
			return nil
		}
		d := s.Send(OddSecret, []byte(Body))
		change(d, header)
		return d
	}}
}

func times() []Case {
	constant := func(value string) func(string) string { return func(string) string { return value } }
	return []Case{
		timed("a time in microseconds", diagnose.TimeUnit, "in microseconds", func(s string) string { return s + "000000" }),
		timed("a time in nanoseconds", diagnose.TimeUnit, "in nanoseconds", func(s string) string { return s + "000000000" }),
		timed("a time with a fraction", diagnose.TimeFormat, "with a fraction", func(s string) string { return s + ".123" }),
		timed("a date", diagnose.TimeFormat, "has a date", constant("2026-11-22T10:07:39Z")),
		timed("a date of HTTP", diagnose.TimeFormat, "has a date", constant("Sun, 22 Nov 2026 10:07:39 GMT")),
		timed("no time", diagnose.HeaderMalformed, "has no valid time", constant("now")),
		field("no header with a time", diagnose.HeaderMissing, "either the sender does not send it", signature.UnixTime, func(d *Delivery, header string) { d.Header.Del(header) }),
		field("two times", diagnose.HeaderRepeated, "appears 2 times", signature.UnixTime, func(d *Delivery, header string) { d.Header.Add(header, "1795283259") }),
		field("an id with a dot", diagnose.HeaderMalformed, "documented format", signature.Opaque, func(d *Delivery, header string) { d.Header.Set(header, "a.b") }),
		restamped("milliseconds where seconds are signed", "signs the time in seconds", func(s string) string { return s }, func(s string) string { return s + "123" }),
		restamped("seconds where milliseconds are signed", "signs the time in milliseconds", func(s string) string { return s + "000" }, func(s string) string { return s }),
	}
}

// restamped returns a case in which the time in the header has another unit than the signed time.
func restamped(name, says string, signed, arrived func(seconds string) string) Case {
	return Case{Name: name, Cause: diagnose.TimeUnit, Says: says, Make: func(s *Sender) *Delivery {
		header, ok := s.field(signature.UnixTime)
		seconds := strconv.FormatInt(s.Now.Unix(), 10)
		d := s.send(OddSecret, []byte(Body), signed(seconds))
		if !ok || s.covered(d.Header) == "" {
			return nil
		}
		d.Header.Set(header, arrived(seconds))
		return d
	}}
}

// prefixOf returns the prefix of the scheme's first version.
func prefixOf(s signature.Scheme) string {
	if len(s.Versions) == 0 {
		return ""
	}
	return s.Versions[0].Prefix
}

// written returns a case with a right MAC in another encoding than hex.
func written(name string, c diagnose.Cause, says string, write func(digits string) string) Case {
	return changes(name, c, says, func(s *Sender, d *Delivery) {
		digits := strings.TrimPrefix(d.Header.Get(s.Scheme.Header), prefixOf(s.Scheme))
		d.Header.Set(s.Scheme.Header, write(digits))
	})
}

// hashed returns a case with a MAC by another hash.
func hashed(name, says, prefix string, newHash func() hash.Hash) Case {
	return changes(name, diagnose.MACAlgorithm, says, func(s *Sender, d *Delivery) {
		d.Header.Set(s.Scheme.Header, prefix+macOver(newHash, s.covered(d.Header)+Body))
	})
}

func macOver(newHash func() hash.Hash, text string) string {
	m := hmac.New(newHash, []byte(OddSecret))
	m.Write([]byte(text))
	return hex.EncodeToString(m.Sum(nil))
}

func macs() []Case {
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
	return []Case{
		written("base64", diagnose.MACInBase64, "has it in base64", inBase64(base64.StdEncoding, "")),
		written("base64 without padding", diagnose.MACInBase64, "has it in base64", inBase64(base64.RawStdEncoding, "")),
		written("base64 of URLs", diagnose.MACInBase64, "has it in base64", inBase64(base64.URLEncoding, "")),
		written("base64 after a prefix", diagnose.MACInBase64, "has it in base64", inBase64(base64.StdEncoding, "sha256=")),
		written("base64 of the digits", diagnose.MACInBase64, "the hex digits in base64", func(digits string) string {
			return base64.StdEncoding.EncodeToString([]byte(digits))
		}),
		written("a prefix in another case", diagnose.MACPrefix, "another prefix", before("SHA256=")),
		written("the prefix v0", diagnose.MACPrefix, "another prefix", before("v0=")),
		written("the prefix hmac-sha256", diagnose.MACPrefix, "another prefix", before("hmac-sha256=")),
		written("the name of the hash and a space", diagnose.MACPrefix, "another prefix", before("HMAC-SHA256 ")),
		written("the prefix of hex numbers", diagnose.MACPrefix, "another prefix", before("0x")),
		written("whitespace", diagnose.MACQuoted, "whitespace or quotes", around(" ")),
		written("quotes", diagnose.MACQuoted, "whitespace or quotes", around(`"`)),
		written("a list", diagnose.MACInList, "in a list", func(digits string) string { return "t=1795283259,v1=" + digits }),
		written("a list of several", diagnose.MACInList, "in a list", func(digits string) string {
			return "v1=" + strings.Repeat("0", 64) + " v1=" + digits
		}),
		written("a version and base64", diagnose.MACInList, "in a list", func(digits string) string {
			return "v1," + strings.Repeat("A", 43) + "= " + inBase64(base64.StdEncoding, "v1,")(digits)
		}),
		changes("a list with the time that is signed", diagnose.MACInList, "another scheme", func(s *Sender, d *Delivery) {
			d.Header.Set(s.Scheme.Header, "t=1795283200,v1="+macOver(sha256.New, "1795283200."+Body))
		}),
		hashed("SHA-1", "HMAC-SHA1", "", sha1.New),
		hashed("SHA-1 after a prefix", "HMAC-SHA1", "sha1=", sha1.New),
		hashed("SHA-384", "HMAC-SHA384", "", sha512.New384),
		hashed("SHA-512", "HMAC-SHA512", "sha512=", sha512.New),
	}
}

// forms returns the cases with mistakes in keys and forms.
func forms() []Case {
	return []Case{
		{Name: "a previous key", Cause: diagnose.KeyPrevious, Says: `the previous key "default"`, Make: func(s *Sender) *Delivery {
			d := s.Send(OddSecret, []byte(Body))
			d.Previous, d.Given = OddSecret, "the secret that came after it"
			return d
		}},
		{Name: "a key after its lifetime", Cause: diagnose.KeyLifetime, Says: `the key "default", which is valid only until 2001-09-09T01:46:40Z`, Make: func(s *Sender) *Delivery {
			d := s.Send(OddSecret, []byte(Body))
			d.NotAfter = time.Unix(1e9, 0)
			return d
		}},
		{Name: "a form that is not accepted", Cause: diagnose.OtherForm, Says: "is accepted: accept the form", Make: func(s *Sender) *Delivery {
			d := s.Send(OddSecret, []byte(Body))
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
		{Name: "a body that begins like a covered header", Cause: diagnose.FormAmbiguous, Says: "begins like a covered header", Make: func(s *Sender) *Delivery {
			if len(s.Scheme.Forms) < 2 {
				return nil
			}
			return s.Send(OddSecret, []byte("1795283259."+Body))
		}},
	}
}
