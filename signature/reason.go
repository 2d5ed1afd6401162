package signature

// A Reason says, from a fixed list, why a delivery was refused. It is an error, so that a caller can write
// errors.Is(err, signature.Stale).
type Reason string

// The reasons for which a delivery is refused.
const (
	// Missing: a header that the scheme needs is not there, or is empty.
	Missing Reason = "header_missing"
	// Repeated: a header that must be single came twice.
	Repeated Reason = "header_repeated"
	// Malformed: a header does not have the form that the scheme gives it.
	Malformed Reason = "header_malformed"
	// Mismatch: no live key makes the signature, in any accepted form.
	Mismatch Reason = "signature_mismatch"
	// Stale: the signed time is further back than the window allows.
	Stale Reason = "stale"
	// Future: the signed time is further ahead than the allowed skew.
	Future Reason = "future"
)

// Error returns the reason's name.
func (r Reason) Error() string { return string(r) }

// An Error is a refusal. It is meant for the log and for tests: what it says is of no use to an honest sender and of
// some to a forger. It carries no secret, no MAC and no value of a header.
type Error struct {
	Reason Reason
	Header string // the header that it is about, where it is about one
	detail string
}

// Error returns one plain sentence.
func (e *Error) Error() string {
	if e.Header == "" {
		return "signature: " + e.detail
	}
	return "signature: the header " + e.Header + " " + e.detail
}

// Unwrap returns the Reason, so that errors.Is finds it.
func (e *Error) Unwrap() error { return e.Reason }
