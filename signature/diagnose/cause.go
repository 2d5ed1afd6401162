package diagnose

// A Cause is the cause of a refusal, from a fixed list. Packages that authenticate without a [signature.Scheme] define
// further causes.
type Cause string

// The causes. A cause about a MAC or a secret is proven: with that one change, a key makes the MAC that arrived.
const (
	// Unexplained: no known cause explains the refusal. Usually, the secret is a different one.
	Unexplained Cause = "unexplained"
	// None: the delivery is authentic and, where a window was given, fresh.
	None Cause = "none"

	// HeaderMissing: a header that the scheme needs is missing or empty.
	HeaderMissing Cause = "header_missing"
	// HeaderOfAnother: the signature header is missing, but the request has one that looks like another sender's.
	HeaderOfAnother Cause = "header_of_another_sender"
	// HeaderSpelling: the header is present, but its name is not in canonical form.
	HeaderSpelling Cause = "header_spelling"
	// HeaderRepeated: a header that must appear once appears more than once.
	HeaderRepeated Cause = "header_repeated"
	// HeaderMalformed: a header does not have the format of the scheme, and no other reading is proven.
	HeaderMalformed Cause = "header_malformed"

	// MACInBase64: the MAC is right, but in base64 instead of hex.
	MACInBase64 Cause = "mac_in_base64"
	// MACInHex: the MAC is right, but in hex instead of base64.
	MACInHex Cause = "mac_in_hex"
	// MACPrefix: the MAC is right, but its prefix is missing or is not the scheme's.
	MACPrefix Cause = "mac_prefix"
	// MACQuoted: the MAC is right, but has whitespace or quotes around it.
	MACQuoted Cause = "mac_quoted"
	// MACInList: the MAC is right, but in a list such as t=…,v1=…. It covers what the scheme signs, or what such lists
	// sign.
	MACInList Cause = "mac_in_list"
	// MACAlgorithm: the MAC is right, but with another hash than the scheme's.
	MACAlgorithm Cause = "mac_algorithm"

	// SecretWhitespace: the secret has extra whitespace, line breaks or invisible characters, or lacks a line break.
	SecretWhitespace Cause = "secret_whitespace"
	// SecretQuoted: the secret has quotes around it that are not part of it.
	SecretQuoted Cause = "secret_quoted"
	// SecretPrefix: the secret has an extra prefix, lacks one, or is a whole line of a configuration file.
	SecretPrefix Cause = "secret_prefix"
	// SecretEncoded: the secret must be decoded from base64, hex or UTF-16 before it is passed to [signature.NewKey].
	SecretEncoded Cause = "secret_encoded"
	// SecretDecoded: the secret was decoded from base64 or hex, and must not be.
	SecretDecoded Cause = "secret_decoded"
	// KeyPrevious: the delivery was signed with a previous key.
	KeyPrevious Cause = "key_previous"
	// KeyLifetime: the delivery was signed with a live key that is not yet valid, or no longer: see [signature.Key].
	KeyLifetime Cause = "key_lifetime"
	// OtherForm: the delivery was signed in another form of the scheme, which is not accepted.
	OtherForm Cause = "other_form"
	// FormAmbiguous: the signature is right, but the body begins like a covered header: see [signature.Grammar].
	FormAmbiguous Cause = "form_ambiguous"

	// BodyEmpty: the body is empty. Usually, something read it before.
	BodyEmpty Cause = "body_empty"
	// BodyLength: the body does not have the length that the request declared.
	BodyLength Cause = "body_length"
	// BodyReserialized: the signature is that of the same JSON in another serialization.
	BodyReserialized Cause = "body_reserialized"
	// BodyEnds: whitespace or line breaks were added or removed at the start or end of the body.
	BodyEnds Cause = "body_ends"
	// BodyEscaped: the body was escaped: its single quotes by a gateway's template, or all of it for HTML.
	BodyEscaped Cause = "body_escaped"
	// BodyLineBreaks: line breaks within the body were converted between LF and CRLF.
	BodyLineBreaks Cause = "body_line_breaks"
	// BodyByteOrderMark: a byte order mark was added to the body, or removed.
	BodyByteOrderMark Cause = "body_byte_order_mark"
	// BodyInBase64: a gateway passed the body on in base64.
	BodyInBase64 Cause = "body_in_base64"
	// BodyWrapped: the real body is inside the given body: in a gateway's event, a JSON string, a list or a form.
	BodyWrapped Cause = "body_wrapped"
	// BodyCompressed: the body is compressed, and the signature is that of the uncompressed body.
	BodyCompressed Cause = "body_compressed"
	// BodyCharset: the body was converted between UTF-8 and another encoding: Latin-1, Windows-1252 or UTF-16.
	BodyCharset Cause = "body_charset"

	// TimeUnit: the time in a header has another unit than the signed one, or a unit that the scheme does not accept.
	TimeUnit Cause = "time_unit"
	// TimeFormat: the time in a header is a fraction or a date instead of a plain Unix time.
	TimeFormat Cause = "time_format"
	// TimeStale: the signed time is older than the window allows.
	TimeStale Cause = "time_stale"
	// TimeAhead: the signed time is further ahead than the allowed skew.
	TimeAhead Cause = "time_ahead"
)

// An Explanation is why a delivery was refused. It is for logs and tests, and must not go to the sender.
type Explanation struct {
	Cause Cause

	// Text is one sentence. It names headers, keys with their lifetimes, and durations. It contains no secret, no MAC, no header value and no
	// byte of the body.
	Text string
}

// String returns the sentence.
func (e Explanation) String() string { return e.Text }
