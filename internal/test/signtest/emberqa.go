package signtest

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A Knock is one delivery of EmberQA. EmberQA signs nothing, so the URL or a header must contain the credential.
type Knock struct {
	Name        string
	Target      string // path and query, as in the request line
	Headers     [][2]string
	Credentials []Credential
	Want        Want
}

// A Credential is a token, or a user and a password.
type Credential struct {
	Name           string
	Token          *string
	User, Password *string
}

// LoadEmberQA reads EmberQA's vectors from dir, which is signature/testdata.
func LoadEmberQA(t testing.TB, dir string) []Knock {
	t.Helper()
	var f struct {
		Vendor  string
		Vectors []Knock
	}
	read(t, filepath.Join(dir, "emberqa.json"), &f)
	require.Equal(t, "emberqa", f.Vendor)
	require.NotEmpty(t, f.Vectors)
	return f.Vectors
}
