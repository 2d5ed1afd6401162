package peers_test

import (
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/aihooks/aihooks-go/internal/test/npmtest"
)

var octokitPackage = npmPackage{npmtest.Package{Name: "@octokit/webhooks-methods", Version: "6.0.0"}, "dist-node/index.js", "octokit.mjs"}

// octokit returns the peer in JavaScript.
func octokit(t *testing.T) peer {
	t.Helper()
	node, write := octokitPackage.start(t), ofOctokit
	return peer{
		name: octokitPackage.Name, module: "npm", scheme: "`X-Hub-Signature-256: sha256=HEX` over the body", form: "body",
		maps: map[string]mapping{"convosphere": write(withPrefix), "workflux": write(withPrefix), "greenflash": write(ifPrefixed)},
		judge: func(t *testing.T, d *delivery) error {
			if line := node.call(t, []string{d.secret, string(d.body), d.signatures[0]}); line != "true\n" {
				return errors.New(line)
			}
			return nil
		},
	}
}

// ofOctokit maps like the other peers of the body form. It skips vectors with several headers or a body that is not UTF-8, because
// octokit takes strings.
func ofOctokit(write func(value string) (string, bool)) mapping {
	return func(f *file, v *vector) (*delivery, bool) {
		d, ok := ofBody(write)(f, v)
		return d, ok && len(d.signatures) == 1 && utf8.Valid(d.body)
	}
}
