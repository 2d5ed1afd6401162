package peers_test

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	refstandard "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"
	svix "github.com/svix/svix-webhooks/go"

	"github.com/aihooks/aihooks-go/internal/test/npmtest"
	"github.com/aihooks/aihooks-go/internal/test/signtest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/standardwebhooks"
)

// standardPackage is the reference library in JavaScript. Its script also writes the vectors.
var standardPackage = npmPackage{npmtest.Package{Name: "standardwebhooks", Version: "1.1.1"}, "dist/index.js", "standardwebhooks.mjs"}

func TestStandardWebhooks_MatchesCommittedVectors(t *testing.T) {
	made, err := standardPackage.command(t, "generate").Output()
	require.NoError(t, err)
	const path = testdata + "standardwebhooks.json"
	if *update {
		require.NoError(t, os.WriteFile(path, made, 0o600))
		return
	}
	written, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(written), string(made), "run the test with -update and review the changes")
}

func TestStandardWebhooks_MatchesDocumentedDifferences(t *testing.T) {
	versions := requirements(t)
	const scheme, form = "`webhook-signature: v1,BASE64 v1,BASE64` over `ID.TIME.BODY`, the vectors of `standardwebhooks.json`", "id.timestamp.body"
	t.Run("JavaScript", func(t *testing.T) {
		node := standardPackage.start(t)
		requireWritten(t, &peer{name: "standardwebhooks, list", scheme: scheme + ", with node's crypto for Ed25519", form: form}, standardPackage.String(),
			standardVerdicts(t, true, func(t *testing.T, v *vector) error {
				if line := node.call(t, map[string]any{"headers": v.Headers, "body": v.Body(), "keys": lowerKeys(v), "now": v.Now}); line != "true\n" {
					return errors.New(line)
				}
				return nil
			}))
	})
	for name, p := range map[string]struct {
		module string
		verify func(t *testing.T, secret string, h http.Header, body []byte) error
	}{
		"standard-webhooks, list": {"github.com/standard-webhooks/standard-webhooks/libraries", verifyStandard(refstandard.NewWebhook)},
		"svix, list":              {"github.com/svix/svix-webhooks", verifyStandard(svix.NewWebhook)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				requireWritten(t, &peer{name: name, scheme: scheme, form: form}, p.module+" "+versions[p.module],
					standardVerdicts(t, false, func(t *testing.T, v *vector) error {
						time.Sleep(time.Until(time.Unix(*v.Now, 0)))
						err := errors.New("no key")
						for _, key := range v.Keys {
							if err = p.verify(t, key.Secret, v.Header(), v.Body()); err == nil {
								return nil
							}
						}
						return err
					}))
			})
		})
	}
}

func lowerKeys(v *vector) (keys []map[string]string) {
	for _, k := range v.Keys {
		keys = append(keys, map[string]string{"name": k.Name, "secret": k.Secret})
	}
	return keys
}

// standardVerdicts returns the results for every vector, or for those without Ed25519.
func standardVerdicts(t *testing.T, all bool, judge func(*testing.T, *vector) error) (verdicts []verdict) {
	t.Helper()
	f := signtest.LoadStandardWebhooks(t, testdata)
	scheme := *standardwebhooks.Profile().Scheme
	for i := range f.Vectors {
		v := &f.Vectors[i]
		if !all && strings.HasPrefix(v.Name, "Ed25519") {
			continue
		}
		ring, ours := signature.NewKeyring(scheme, v.SigningKeys()...)
		if ours == nil {
			if _, ours = signtest.NewVerifier(t, scheme).Verify(ring, v.Header(), v.Body()); ours == nil {
				ours = f.Check(v.Header(), *v.Now)
			}
		}
		verdicts = append(verdicts, verdict{f.Vendor, v.Name, judge(t, v), ours})
	}
	return verdicts
}
