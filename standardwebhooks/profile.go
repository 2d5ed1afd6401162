package standardwebhooks

import (
	"time"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// Profile returns everything that the handler knows about senders of Standard Webhooks, for test kits and tools. It follows
// the specification. Comments mark where the specification is silent.
func Profile() vendors.Profile { return profileOf("Webhook") }

// profileOf returns the profile of senders whose headers begin with a prefix.
func profileOf(prefix string) vendors.Profile {
	headerID, headerTimestamp := prefix+"-Id", prefix+"-Timestamp"
	return vendors.Profile{
		Name: "standardwebhooks",
		Scheme: &signature.Scheme{
			Header:    prefix + "-Signature",
			Separator: " ",
			Versions: []signature.Version{
				{Prefix: "v1,", Encoding: signature.Base64, KeyEncoding: signature.Base64, KeyPrefixes: []string{"whsec_"}},
				{
					Prefix: "v1a,", Algorithm: signature.Ed25519, Encoding: signature.Base64,
					KeyEncoding: signature.Base64, KeyPrefixes: []string{"whpk_"}, SeedPrefixes: []string{"whsk_"},
				},
			},
			Forms: []signature.Form{{Name: "id.timestamp.body", Signs: "{" + headerID + "}.{" + headerTimestamp + "}.{body}"}},
			Fields: []signature.Field{
				{Header: headerID, Grammar: signature.Visible, Required: true},
				{Header: headerTimestamp, Grammar: signature.UnixTime, Required: true},
			},
		},
		Envelope: vendors.EnvelopeNames{
			Type: []string{"type"},
			ID:   []string{"id"}, // silent: some senders have one
			Time: []string{"timestamp"},
			Data: []string{"data"},
		},
		DedupKeys:     vendors.ByHeader(headerID),
		TimeField:     headerTimestamp,
		Headers:       []string{headerID},
		Window:        5 * time.Minute,                               // silent about the length: that of the reference libraries
		RespondWithin: 15 * time.Second,                              // "somewhere between 15 and 30s"
		RetryWindow:   75*time.Hour + 35*time.Minute + 5*time.Second, // the example schedule
	}
}
