package signtest

import "github.com/aihooks/aihooks-go/signature"

// GitHubScheme returns the scheme of GitHub, by its documentation.
func GitHubScheme() signature.Scheme {
	return signature.Scheme{
		Header:   "X-Hub-Signature-256",
		Versions: []signature.Version{{Prefix: "sha256="}},
		Forms:    []signature.Form{{Name: "body"}},
	}
}

// StripeScheme returns the scheme of Stripe, by its documentation.
func StripeScheme() signature.Scheme {
	return signature.Scheme{
		Header:    "Stripe-Signature",
		Separator: ",",
		Versions:  []signature.Version{{Prefix: "v1="}},
		Forms:     []signature.Form{{Name: "t.body", Signs: "{t}.{body}"}},
		Fields:    []signature.Field{{Element: "t", Grammar: signature.UnixTime, Required: true}},
	}
}

// SlackScheme returns the scheme of Slack, by its documentation.
func SlackScheme() signature.Scheme {
	return signature.Scheme{
		Header:   "X-Slack-Signature",
		Versions: []signature.Version{{Prefix: "v0="}},
		Forms:    []signature.Form{{Name: "v0", Signs: "v0:{X-Slack-Request-Timestamp}:{body}"}},
		Fields:   []signature.Field{{Header: "X-Slack-Request-Timestamp", Grammar: signature.UnixTime, Required: true}},
	}
}
