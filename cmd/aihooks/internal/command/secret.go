package command

import (
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/aihooks/aihooks-go/internal/allvendors"
	"github.com/aihooks/aihooks-go/signature"
)

// secretName returns the environment variable with a vendor's secret. The documentation of the packages uses the same names.
func secretName(v *allvendors.Vendor) string {
	if v.Signs() {
		return strings.ToUpper(v.Name()) + "_WEBHOOK_SECRET"
	}
	return strings.ToUpper(v.Name()) + "_WEBHOOK_TOKEN"
}

// secret returns a vendor's secret and the name of its source. Both are empty, without an error, if there is no secret.
func (a *app) secret(v *allvendors.Vendor) (secret signature.Secret, from string, err error) {
	for _, given := range a.secretFiles {
		name, path, ok := strings.Cut(given, "=")
		if !ok {
			name, path = v.Name(), given
		}
		if _, err := allvendors.Find(name); err != nil {
			return signature.Secret{}, "", usage("--secret-file must be FILE or VENDOR=FILE: %w", err)
		}
		if !strings.EqualFold(name, v.Name()) {
			continue
		}
		text, err := readFile(path, maxSecret)
		if err != nil {
			return signature.Secret{}, "", fmt.Errorf("--secret-file: %w", err)
		}
		secret = signature.NewSecret(strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"))
		if secret.Blank() {
			return secret, "", fmt.Errorf("--secret-file: %s is blank", path)
		}
		return secret, path, nil
	}
	if text, ok := a.Env(secretName(v)); ok && strings.TrimSpace(text) != "" {
		return signature.NewSecret(text), secretName(v), nil
	}
	return signature.Secret{}, "", nil
}

// mustSecret returns a vendor's secret, or an error that says how to set one.
func (a *app) mustSecret(v *allvendors.Vendor) (signature.Secret, error) {
	secret, from, err := a.secret(v)
	if err == nil && from == "" {
		err = usage("there is no secret for %s: set %s or --secret-file", v.Name(), secretName(v))
	}
	return secret, err
}

// checkSecretFiles refuses a --secret-file without a vendor, or with an unknown one.
func (a *app) checkSecretFiles() error {
	for _, given := range a.secretFiles {
		name, _, ok := strings.Cut(given, "=")
		if !ok {
			return usage("--secret-file (%q) must be VENDOR=FILE here", given)
		}
		if _, err := allvendors.Find(name); err != nil {
			return usage("--secret-file: %w", err)
		}
	}
	return nil
}

// randomSecret returns a secret that no receiver has. It is for forgeries, and for deliveries that are never verified.
func randomSecret() signature.Secret { return signature.NewSecret(rand.Text()) }

func randomKey() signature.Key { return signature.Key{Name: "random", Secret: randomSecret()} }
