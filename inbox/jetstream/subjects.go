package jetstreaminbox

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// names returns the names of the streams and their subjects. With the name AIHOOKS, those are:
//
//	AIHOOKS              AIHOOKS.in.VENDOR.ENDPOINT             deliveries to run
//	AIHOOKS_DEFERRED     AIHOOKS.deferred.VENDOR.ENDPOINT.ID    deliveries without a callback for their type
//	                     AIHOOKS.attempts.SEQUENCE-TIME         attempt records of deliveries to run
//	                     AIHOOKS.record.KIND.KEY                pauses and the audit: see engine.Records
//	AIHOOKS_DEADLETTERS  AIHOOKS.deadletter.VENDOR.ENDPOINT.ID  dead letters
type names struct{ name string }

func (n names) main() string        { return n.name }
func (n names) deferred() string    { return n.name + "_DEFERRED" }
func (n names) deadLetters() string { return n.name + "_DEADLETTERS" }

const (
	kindIn            = "in"
	kindDeferred      = "deferred"
	kindDeadLetter    = "deadletter"
	kindAttemptRecord = "attempts"
	kindRecord        = "record"
)

const all = ">" // NATS wildcard for all further tokens

// subject joins the tokens without escaping them.
func (n names) subject(kind string, tokens ...string) string {
	return strings.Join(append([]string{n.name, kind}, tokens...), ".")
}

func (n names) in(vendor, endpoint string) string {
	return n.subject(kindIn, token(vendor), token(endpoint))
}

func (n names) entrySubject(kind, vendor, endpoint, id string) string {
	return n.subject(kind, token(vendor), token(endpoint), id)
}

// A position identifies a stored message. The sequence is not enough, because a stream that is deleted and created again
// may count from 1. The server's time of storing is part of the position. Both survive a backup.
type position struct {
	seq uint64
	at  time.Time
}

func (p position) String() string {
	return strconv.FormatUint(p.seq, 10) + "-" + strconv.FormatInt(p.at.UnixNano(), 10)
}

// sequenceOf returns the sequence in the text of a position.
func sequenceOf(text string) (uint64, error) {
	seq, _, _ := strings.Cut(text, "-")
	return strconv.ParseUint(seq, 10, 64)
}

func (n names) attemptRecord(p position) string { return n.subject(kindAttemptRecord, p.String()) }

// consumerName returns the name of the consumer of a handler's deliveries.
func consumerName(vendor, endpoint string) string { return token(vendor) + "_" + token(endpoint) }

// endpointOf returns the vendor and the endpoint in a subject.
func (n names) endpointOf(subject string) (vendor, endpoint string, ok bool) {
	tokens := strings.Split(strings.TrimPrefix(subject, n.name+"."), ".")
	if len(tokens) < 3 {
		return "", "", false
	}
	vendor, ok1 := untoken(tokens[1])
	endpoint, ok2 := untoken(tokens[2])
	return vendor, endpoint, ok1 && ok2
}

// token escapes a name so that it is a valid token of a subject, and of a consumer's name.
func token(name string) string {
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; plain(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "=%02X", c)
		}
	}
	if b.Len() == 0 {
		return "=" // a token must not be empty
	}
	return b.String()
}

func plain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-'
}

func untoken(text string) (string, bool) {
	if text == "=" {
		return "", true
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '=' {
			b.WriteByte(text[i])
			continue
		}
		if i+3 > len(text) {
			return "", false
		}
		c, err := strconv.ParseUint(text[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(c))
		i += 2
	}
	return b.String(), true
}

// digest returns the message id of a delivery, which is also the ID of its entry. Half of SHA-256 is enough: equal
// digests do not happen by chance, and only the sender could search for them.
func digest(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:16])
}

func isDigest(id string) bool {
	if len(id) != 32 {
		return false
	}
	return strings.Trim(id, "0123456789abcdef") == ""
}
