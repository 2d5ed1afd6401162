package signature

// A Mistake says, from a fixed list, what went wrong with a delivery that was refused. Packages that authenticate in
// another way than by a [Scheme] have mistakes of their own beside these.
type Mistake string

// The mistakes. What is said of a MAC has been proven: under that one change, a key makes the MAC that arrived.
const (
	// Unexplained: none of the known mistakes explains it. A forgery, most often.
	Unexplained Mistake = "unexplained"
	// NoMistake: the delivery is authentic and, where a window was given, fresh.
	NoMistake Mistake = "none"

	// HeaderMissing: a header that the scheme needs is not there, or is empty.
	HeaderMissing Mistake = "header_missing"
	// HeaderOfAnother: the header with the signature is not there, but one that looks like another sender's is.
	HeaderOfAnother Mistake = "header_of_another_sender"
	// HeaderSpelling: the header is there, but under a name that is not in its canonical form.
	HeaderSpelling Mistake = "header_spelling"
	// HeaderRepeated: a header that must be single came more than once.
	HeaderRepeated Mistake = "header_repeated"
	// HeaderMalformed: a header does not have the form that the scheme gives it, and no reading of it is proven.
	HeaderMalformed Mistake = "header_malformed"

	// MACInBase64: the MAC is right, but written in base64 where hex is expected.
	MACInBase64 Mistake = "mac_in_base64"
	// MACPrefix: the MAC is right, but has another prefix than the scheme's.
	MACPrefix Mistake = "mac_prefix"
	// MACQuoted: the MAC is right, but has blanks or quotes around it.
	MACQuoted Mistake = "mac_quoted"
	// MACInList: the MAC is right, but is in a list such as t=…,v1=…, over what the scheme signs or over what such lists sign.
	MACInList Mistake = "mac_in_list"
	// MACAlgorithm: the MAC is right, but by another hash than SHA-256.
	MACAlgorithm Mistake = "mac_algorithm"

	// SecretBlanks: the secret has blanks, a line break or invisible characters that do not belong to it, or lacks them.
	SecretBlanks Mistake = "secret_blanks"
	// SecretQuoted: the secret has quotes around it that do not belong to it.
	SecretQuoted Mistake = "secret_quoted"
	// SecretPrefix: the secret begins with something that does not belong to it, or lacks it, or is a whole line of settings.
	SecretPrefix Mistake = "secret_prefix"
	// SecretEncoded: the secret must be decoded, from base64, hex or UTF-16, before it is given to [NewKey].
	SecretEncoded Mistake = "secret_encoded"
	// SecretDecoded: the secret was decoded, from base64 or hex, and must not be.
	SecretDecoded Mistake = "secret_decoded"
	// KeyRetired: a key made the signature that was live once and has been exchanged.
	KeyRetired Mistake = "key_retired"
	// OtherForm: the signature is that of another form of the same scheme, which is not accepted.
	OtherForm Mistake = "other_form"
	// FormAmbiguous: the signature is right, but the body begins as a covered header does: see [Grammar].
	FormAmbiguous Mistake = "form_ambiguous"

	// BodyEmpty: the body is empty: something read it before, most often.
	BodyEmpty Mistake = "body_empty"
	// BodyLength: the body is not as long as it was declared.
	BodyLength Mistake = "body_length"
	// BodyReserialized: the signature is that of the same JSON, written in another way.
	BodyReserialized Mistake = "body_reserialized"
	// BodyEnds: blanks or line breaks were added at an end of the body, or taken away.
	BodyEnds Mistake = "body_ends"
	// BodyEscaped: the body was escaped: single quotes by a template of a gateway, or all of it for HTML.
	BodyEscaped Mistake = "body_escaped"
	// BodyLineBreaks: line breaks within the body were converted, between LF and CRLF.
	BodyLineBreaks Mistake = "body_line_breaks"
	// BodyByteOrderMark: a byte order mark was added before the body, or taken away.
	BodyByteOrderMark Mistake = "body_byte_order_mark"
	// BodyInBase64: a gateway handed the body over in base64.
	BodyInBase64 Mistake = "body_in_base64"
	// BodyWrapped: the body is inside of what was given as the body: a gateway's event, a JSON string, a list or a form.
	BodyWrapped Mistake = "body_wrapped"
	// BodyCompressed: the body is compressed, and the signature is that of what was compressed.
	BodyCompressed Mistake = "body_compressed"
	// BodyCharset: the body was converted between UTF-8 and another encoding: Latin-1, Windows-1252 or UTF-16.
	BodyCharset Mistake = "body_charset"

	// TimeUnit: the time in a header has another unit than the one that was signed, or one that the scheme does not take.
	TimeUnit Mistake = "time_unit"
	// TimeFormat: the time in a header is no plain Unix time but a fraction or a date.
	TimeFormat Mistake = "time_format"
	// TimeStale: the signed time lies further back than the window allows.
	TimeStale Mistake = "time_stale"
	// TimeAhead: the signed time lies further ahead than the allowed skew.
	TimeAhead Mistake = "time_ahead"
)

// An Explanation says what went wrong. It is meant for the log and for tests, never for the sender.
type Explanation struct {
	Mistake Mistake

	// Text is one plain sentence. It names headers, keys and durations, and carries no secret, no MAC, no value of a
	// header and no byte of the body.
	Text string
}

// String returns the sentence.
func (e Explanation) String() string { return e.Text }
