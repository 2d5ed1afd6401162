// Package signature verifies and creates the signatures of webhook deliveries.
//
// It protects against forged and replayed deliveries. A [Scheme] describes, as data, how a sender signs. A [Verifier]
// checks the MAC of a delivery in constant time, over the exact bytes received, with every key of a [Keyring]. A
// [Window] then checks whether the signed time is fresh.
//
// A delivery is accepted if two conditions hold. The scheme's header is present once, and has one HMAC-SHA256 in hex of
// either case, with or without the scheme's prefix. A live key makes that MAC over one of the scheme's forms. Every
// other delivery is refused with an [Error] whose [Reason] comes from a fixed list. No error contains a secret or a
// computed MAC.
//
// Package diagnose explains a refusal in one sentence. For example, the secret has a line break at its end, or something
// parsed the body and serialized it again.
//
// The package handles bytes, headers, keys and time. It knows no vendor, and reads no request.
package signature
