package signature

// A Reason is the reason why a delivery was refused, from a fixed list. It is an error, for errors.Is(err,
// signature.Stale).
type Reason string

// The reasons of a refusal.
const (
	// Missing: a header that the scheme needs is missing or empty.
	Missing Reason = "header_missing"
	// Repeated: a header that must appear once appears more than once.
	Repeated Reason = "header_repeated"
	// Malformed: a header does not have the format that the scheme requires.
	Malformed Reason = "header_malformed"
	// Mismatch: no live key makes the signature, in any accepted form.
	Mismatch Reason = "signature_mismatch"
	// Stale: the signed time is older than the window allows.
	Stale Reason = "stale"
	// Future: the signed time is further ahead than the allowed skew.
	Future Reason = "future"
)

// Error returns the reason's name.
func (r Reason) Error() string { return string(r) }

// An Error is a refusal. It is for logs and tests, and must not go to the sender: it would help a forger and not an
// honest sender. It contains no secret, no MAC and no header value.
type Error struct {
	Reason Reason
	Header string // the header concerned; may be empty
	detail string
}

// Error returns one sentence.
func (e *Error) Error() string {
	if e.Header == "" {
		return "signature: " + e.detail
	}
	return "signature: the header " + e.Header + " " + e.detail
}

// Unwrap returns the Reason, for errors.Is.
func (e *Error) Unwrap() error { return e.Reason }
