// Package signature verifies, and makes, the signatures that senders put on webhook deliveries.
//
// It protects from forged deliveries and from replayed ones. How a sender signs is data: a [Scheme]. A [Verifier]
// checks the MAC of a delivery, in constant time and over the bytes exactly as they were received, against every key
// of a [Keyring]; a [Window] then says whether the time that the MAC covers is fresh.
//
// A delivery is let through when the scheme's header is there once, holds one HMAC-SHA256 in hex of either case, with
// or without the scheme's prefix, and some live key makes that MAC over one of the scheme's forms. Everything else is
// refused with an [Error] whose [Reason] comes from a fixed list. No error ever carries a secret or a computed MAC.
//
// Package diagnose, below this one, explains a refusal in one sentence: the secret has a line break at its end, for example,
// or something parsed the body and wrote it again.
//
// The package knows bytes, headers, keys and time. It knows no vendor and reads no request.
package signature
