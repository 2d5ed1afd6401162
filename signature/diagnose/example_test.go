package diagnose_test

import (
	"fmt"
	"net/http"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/signature/diagnose"
)

// The sender signs "<timestamp>.<body>".
var acme = signature.Scheme{
	Header:   "X-Acme-Signature",
	Versions: []signature.Version{{Prefix: "sha256="}},
	Forms:    []signature.Form{{Name: "timestamp.body", Signs: "{X-Acme-Time}.{body}"}},
	Fields:   []signature.Field{{Header: "X-Acme-Time", Grammar: signature.UnixTime, Required: true}},
}

func ExampleExplain() {
	// The secret was read from a file, with the line break at its end.
	keys, err := signature.NewKeyring(acme, signature.NewKey("default", "a-secret-that-acme-gave-us\n"))
	if err != nil {
		panic(err)
	}
	captured := diagnose.Input{
		Scheme: acme,
		Keys:   keys,
		Header: http.Header{
			"X-Acme-Time":      {"1795283259"},
			"X-Acme-Signature": {"sha256=0c88bd5cf5d5704d5e529d76346b987456cb9d608b1b6ce08d9f1c6918d98e27"},
		},
		Body: []byte(`{"type":"ping"}`),
	}
	fmt.Println(diagnose.Explain(captured))
	// Output: the secret of key "default" has whitespace around it that is not part of it: trim it
}
