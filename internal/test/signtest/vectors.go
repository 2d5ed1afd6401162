package signtest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/signature"
)

// Signing returns the vendors that sign.
func Signing() []string { return []string{"greenflash", "convosphere", "workflux"} }

// KeysRefused is the Reason of a Want if the keys are invalid, so that creating the receiver must fail.
const KeysRefused = "keys_refused"

// A File holds the vectors of one vendor that signs.
type File struct {
	Vendor string
	Scheme struct {
		Header string
		Prefix string
		Forms  []struct {
			Name   string
			Covers []string
		}
		Fields []struct {
			Header   string
			Grammar  string
			Required bool
		}
	}
	Window struct {
		Header       string // the header that has the time,
		Member       string // or the member of the body that has it
		Past, Future int64
	}
	Vectors []Vector
}

// A Vector is one delivery and its expected result.
type Vector struct {
	Name    string
	Headers [][2]string
	Piece   []byte `json:"body"`
	Repeat  int
	Pin     string // the only form that the receiver accepts; "" for all
	Keys    []struct{ Name, Secret string }
	Now     *int64
	Want    Want
}

// A Want is an expected result.
type Want struct {
	Accepted  bool
	Key, Form string
	Reason    signature.Reason
}

// LoadVectors reads the vectors of every vendor that signs from dir, which is signature/testdata.
func LoadVectors(t testing.TB, dir string) []*File {
	t.Helper()
	files := make([]*File, 0, len(Signing()))
	for _, vendor := range Signing() {
		f := new(File)
		read(t, filepath.Join(dir, vendor+".json"), f)
		require.Equal(t, vendor, f.Vendor)
		require.NotEmpty(t, f.Vectors)
		files = append(files, f)
	}
	return files
}

// LoadStandardWebhooks reads the vectors of Standard Webhooks from dir, which is signature/testdata. Their scheme is that of
// package standardwebhooks.
func LoadStandardWebhooks(t testing.TB, dir string) *File {
	t.Helper()
	f := new(File)
	read(t, filepath.Join(dir, "standardwebhooks.json"), f)
	require.NotEmpty(t, f.Vectors)
	return f
}

// Check checks the time of a delivery, in the header that Window names, at the time now.
func (f *File) Check(h http.Header, now int64) error {
	sent, err := signature.ParseUnix(h.Get(f.Window.Header))
	if err != nil {
		return err
	}
	w := signature.Window{Past: time.Duration(f.Window.Past) * time.Second, Future: time.Duration(f.Window.Future) * time.Second}
	return w.Check(sent, time.Unix(now, 0))
}

func read(t testing.TB, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path) //nolint:gosec // a file of this repository
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, into))
}

// SchemeFor returns the scheme of a receiver that accepts only the form pin, or all forms if pin is empty.
func (f *File) SchemeFor(t testing.TB, pin string) signature.Scheme {
	t.Helper()
	s := signature.Scheme{Header: f.Scheme.Header}
	if f.Scheme.Prefix != "" {
		s.Versions = []signature.Version{{Prefix: f.Scheme.Prefix}}
	}
	for _, form := range f.Scheme.Forms {
		s.Forms = append(s.Forms, signature.Form{Name: form.Name, Signs: Dotted(form.Covers...)})
	}
	for _, field := range f.Scheme.Fields {
		grammar := map[string]signature.Grammar{"opaque": signature.Opaque, "unix_time": signature.UnixTime}[field.Grammar]
		s.Fields = append(s.Fields, signature.Field{Header: field.Header, Grammar: grammar, Required: field.Required})
	}
	if pin == "" {
		return s
	}
	s, err := s.Pin(pin)
	require.NoError(t, err)
	return s
}

// Header returns the headers as net/http would parse them.
func (v *Vector) Header() http.Header {
	h := http.Header{}
	for _, line := range v.Headers {
		h.Add(line[0], line[1])
	}
	return h
}

// Body returns the whole body.
func (v *Vector) Body() []byte { return bytes.Repeat(v.Piece, max(v.Repeat, 1)) }

// SigningKeys returns the receiver's keys.
func (v *Vector) SigningKeys() []signature.Key {
	var keys []signature.Key
	for _, k := range v.Keys {
		keys = append(keys, signature.NewKey(k.Name, k.Secret))
	}
	return keys
}
