package peers_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

func TestVectors_ValidateAgainstSchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile(testdata + "vectors.schema.json")
	require.NoError(t, err)
	require.Equal(t, 2020, schema.DraftVersion)
	paths, err := filepath.Glob(testdata + "*.json")
	require.NoError(t, err)
	require.Len(t, paths, 6, "four vendors, Standard Webhooks and the schema")
	for _, path := range paths {
		if strings.HasSuffix(path, "schema.json") {
			continue
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path) //nolint:gosec // a file of this repository
			require.NoError(t, err)
			require.NoError(t, validate(t, schema, text))
		})
	}
}

// The schema must refuse invalid vectors, or the test before proves nothing.
func TestSchema_RefusesInvalidVectors(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile(testdata + "vectors.schema.json")
	require.NoError(t, err)
	for file, changes := range map[string]map[string]string{
		"greenflash.json": {
			`"accepted": true, "key": "default"`: `"accepted": true`,
			`"reason": "stale"`:                  `"reason": "late"`,
			`"now": 1795283259`:                  `"now": "1795283259"`,
			`"pin": "body"`:                      `"pin": "all"`,
			`"keys": [`:                          `"key": [`,
			`"grammar": "opaque"`:                `"grammar": "text"`,
			`"vendor": "greenflash",`:            `"vendor": "another",`,
			`"body": "e`:                         `"body": "e*`,
			`"past": 300`:                        `"past": 300, "member": "timestamp"`,
			`"headers": [["`:                     `"headers": [["X Space", "`,
		},
		"standardwebhooks.json": {
			`"vendor":"standardwebhooks","window"`: `"vendor":"greenflash","window"`,
			`"past":300`:                           `"past":0`,
			`"accepted":true,"key":"default",`:     `"accepted":true,`,
		},
		"emberqa.json": {
			`"target": "/`:             `"target": "webhooks/`,
			`"token": "q3v9TzKx7LwY2m`: `"secret": "q3v9TzKx7LwY2m`,
			`"reason": "credential"`:   `"reason": "stale"`,
			`"user": "emberqa", `:      ``,
		},
	} {
		text, err := os.ReadFile(testdata + file) //nolint:gosec // a file of this repository
		require.NoError(t, err)
		for good, bad := range changes {
			changed := bytes.Replace(text, []byte(good), []byte(bad), 1)
			require.NotEqual(t, text, changed, good)
			require.Error(t, validate(t, schema, changed), "%s: %s", file, bad)
		}
	}
}

func validate(t *testing.T, schema *jsonschema.Schema, text []byte) error {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	return schema.Validate(document)
}
