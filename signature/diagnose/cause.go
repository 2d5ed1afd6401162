package diagnose

// A Cause says, from a fixed list, why a delivery was refused. Packages that authenticate in another way than by a
// [signature.Scheme] define further causes.
type Cause string

// The causes. What a cause says of a MAC or a secret has been proven: under that one change, a key makes the MAC that arrived.
const (
	// Unexplained: none of the known causes explains it. Most often, the secret is a different one.
	Unexplained Cause = "unexplained"
	// None: the delivery is authentic and, where a window was given, fresh.
	None Cause = "none"

	// HeaderMissing: a header that the scheme needs is missing or empty.
	HeaderMissing Cause = "header_missing"
	// HeaderOfAnother: the signature's header is missing, but one that looks like another sender's is there.
	HeaderOfAnother Cause = "header_of_another_sender"
	// HeaderSpelling: the header is there, but under a name that is not in its canonical form.
	HeaderSpelling Cause = "header_spelling"
	// HeaderRepeated: a header that must be single came more than once.
	HeaderRepeated Cause = "header_repeated"
	// HeaderMalformed: a header does not have the form that the scheme gives it, and no other reading of it is proven.
	HeaderMalformed Cause = "header_malformed"

	// MACInBase64: the MAC is right, but written in base64 where hex is expected.
	MACInBase64 Cause = "mac_in_base64"
	// MACPrefix: the MAC is right, but has another prefix than the scheme's.
	MACPrefix Cause = "mac_prefix"
	// MACQuoted: the MAC is right, but has whitespace or quotes around it.
	MACQuoted Cause = "mac_quoted"
	// MACInList: the MAC is right, but is in a list such as t=…,v1=…, over what the scheme signs or over what such lists sign.
	MACInList Cause = "mac_in_list"
	// MACAlgorithm: the MAC is right, but by another hash than SHA-256.
	MACAlgorithm Cause = "mac_algorithm"

	// SecretWhitespace: the secret has whitespace, a line break or invisible characters that do not belong to it, or lacks them.
	SecretWhitespace Cause = "secret_whitespace"
	// SecretQuoted: the secret has quotes around it that do not belong to it.
	SecretQuoted Cause = "secret_quoted"
	// SecretPrefix: the secret begins with something that does not belong to it, or lacks it, or is a whole line of settings.
	SecretPrefix Cause = "secret_prefix"
	// SecretEncoded: the secret must be decoded, from base64, hex or UTF-16, before it is given to [signature.NewKey].
	SecretEncoded Cause = "secret_encoded"
	// SecretDecoded: the secret was decoded, from base64 or hex, and must not be.
	SecretDecoded Cause = "secret_decoded"
	// KeyPrevious: a key made the signature that was live before and is not live now.
	KeyPrevious Cause = "key_previous"
	// OtherForm: the signature is that of another form of the same scheme, which is not accepted.
	OtherForm Cause = "other_form"
	// FormAmbiguous: the signature is right, but the body begins as a covered header does: see [signature.Grammar].
	FormAmbiguous Cause = "form_ambiguous"

	// BodyEmpty: the body is empty. Most often, something read it before.
	BodyEmpty Cause = "body_empty"
	// BodyLength: the body is not as long as the request declared.
	BodyLength Cause = "body_length"
	// BodyReserialized: the signature is that of the same JSON, written in another way.
	BodyReserialized Cause = "body_reserialized"
	// BodyEnds: whitespace or line breaks were added at an end of the body, or taken away.
	BodyEnds Cause = "body_ends"
	// BodyEscaped: the body was escaped: single quotes by a template of a gateway, or all of it for HTML.
	BodyEscaped Cause = "body_escaped"
	// BodyLineBreaks: line breaks within the body were converted, between LF and CRLF.
	BodyLineBreaks Cause = "body_line_breaks"
	// BodyByteOrderMark: a byte order mark was added before the body, or taken away.
	BodyByteOrderMark Cause = "body_byte_order_mark"
	// BodyInBase64: a gateway passed the body on in base64.
	BodyInBase64 Cause = "body_in_base64"
	// BodyWrapped: the body is inside of what was given as the body: a gateway's event, a JSON string, a list or a form.
	BodyWrapped Cause = "body_wrapped"
	// BodyCompressed: the body is compressed, and the signature is that of what was compressed.
	BodyCompressed Cause = "body_compressed"
	// BodyCharset: the body was converted between UTF-8 and another encoding: Latin-1, Windows-1252 or UTF-16.
	BodyCharset Cause = "body_charset"

	// TimeUnit: the time in a header has another unit than the one that was signed, or one that the scheme does not take.
	TimeUnit Cause = "time_unit"
	// TimeFormat: the time in a header is a fraction or a date where a plain Unix time is expected.
	TimeFormat Cause = "time_format"
	// TimeStale: the signed time lies further back than the window allows.
	TimeStale Cause = "time_stale"
	// TimeAhead: the signed time lies further ahead than the allowed skew.
	TimeAhead Cause = "time_ahead"
)

// An Explanation says why a delivery was refused. It is for logs and tests, and must not go to the sender.
type Explanation struct {
	Cause Cause

	// Text is one plain sentence. It names headers, keys and durations, and carries no secret, no MAC, no value of a
	// header and no byte of the body.
	Text string
}

// String returns the sentence.
func (e Explanation) String() string { return e.Text }
