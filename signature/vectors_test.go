package signature_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/signature"
)

// The files in testdata are written by generate.py, which is a second implementation.
type vectorFile struct {
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
		Header       string // where the time stands: in a header,
		Member       string // or in a member of the body
		Past, Future int64
	}
	Vectors []vector
}

type vector struct {
	Name    string
	Headers [][2]string
	Body    []byte
	Repeat  int
	Keys    []struct{ Name, Secret string }
	Now     *int64
	Want    struct {
		Accepted  bool
		Key, Form string
		Reason    signature.Reason
	}
}

func vectorFiles(t testing.TB) []*vectorFile {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	require.Len(t, paths, 3)
	files := make([]*vectorFile, len(paths))
	for i, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &files[i]))
		require.NotEmpty(t, files[i].Vectors)
	}
	return files
}

func (f *vectorFile) scheme() signature.Scheme {
	s := signature.Scheme{Header: f.Scheme.Header, Prefix: f.Scheme.Prefix}
	for _, form := range f.Scheme.Forms {
		covers := form.Covers
		if len(covers) == 0 {
			covers = nil
		}
		s.Forms = append(s.Forms, signature.Form{Name: form.Name, Covers: covers})
	}
	for _, field := range f.Scheme.Fields {
		grammar := map[string]signature.Grammar{"opaque": signature.Opaque, "unix_time": signature.UnixTime}[field.Grammar]
		s.Fields = append(s.Fields, signature.Field{Header: field.Header, Grammar: grammar, Required: field.Required})
	}
	return s
}

func (v *vector) header() http.Header {
	h := http.Header{}
	for _, line := range v.Headers {
		h.Add(line[0], line[1])
	}
	return h
}

func (v *vector) body() []byte { return bytes.Repeat(v.Body, max(v.Repeat, 1)) }

func (v *vector) keys() []signature.Key {
	var keys []signature.Key
	for _, k := range v.Keys {
		keys = append(keys, signature.NewKey(k.Name, k.Secret))
	}
	return keys
}

// checkWindow does what a receiver does once the signature is known to be good.
func (f *vectorFile) checkWindow(t *testing.T, v *vector, h http.Header, body []byte) error {
	t.Helper()
	if v.Now == nil {
		return nil
	}
	w := signature.Window{Past: time.Duration(f.Window.Past) * time.Second, Future: time.Duration(f.Window.Future) * time.Second}
	return w.Check(f.sentAt(t, h, body), time.Unix(*v.Now, 0))
}

func (f *vectorFile) sentAt(t *testing.T, h http.Header, body []byte) time.Time {
	t.Helper()
	if f.Window.Header != "" {
		sent, err := signature.ParseUnix(h.Get(f.Window.Header))
		require.NoError(t, err)
		return sent
	}
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(body, &members))
	raw := members[f.Window.Member]
	if sent, err := signature.ParseUnix(string(raw)); err == nil {
		return sent
	}
	var sent time.Time
	require.NoError(t, json.Unmarshal(raw, &sent))
	return sent
}

func TestEveryVectorIsJudgedAsTheSecondImplementationDoes(t *testing.T) {
	for _, file := range vectorFiles(t) {
		scheme := file.scheme()
		for _, v := range file.Vectors {
			t.Run(file.Vendor+"/"+v.Name, func(t *testing.T) {
				h, body := v.header(), v.body()
				match, err := newVerifier(t, scheme).Verify(newRing(t, v.keys()...), h, body)
				if err == nil {
					err = file.checkWindow(t, &v, h, body)
				}
				if !v.Want.Accepted {
					require.ErrorIs(t, err, v.Want.Reason)
					return
				}
				require.NoError(t, err)
				require.Equal(t, v.Want.Key, match.Key)
				require.Equal(t, v.Want.Form, match.Form())
			})
		}
	}
}

// A verifier that has learned another form must judge alike.
func TestEveryVectorIsJudgedAlikeWhateverFormMatchedLast(t *testing.T) {
	for _, file := range vectorFiles(t) {
		scheme := file.scheme()
		for _, form := range scheme.Forms {
			verifier := newVerifier(t, scheme)
			for _, v := range file.Vectors {
				warm(t, verifier, scheme, form.Name)
				h, body := v.header(), v.body()
				match, err := verifier.Verify(newRing(t, v.keys()...), h, body)
				cold, coldErr := newVerifier(t, scheme).Verify(newRing(t, v.keys()...), h, body)
				require.Equal(t, coldErr, err, v.Name)
				require.Equal(t, cold.Form()+cold.Key, match.Form()+match.Key, v.Name)
			}
		}
	}
}

// warm has the verifier let a delivery of that form through.
func warm(t testing.TB, verifier *signature.Verifier, scheme signature.Scheme, form string) {
	t.Helper()
	h := http.Header{}
	for _, field := range scheme.Fields {
		h.Set(field.Header, testTime)
	}
	sign(t, scheme, form, h, []byte("{}"))
	match, err := verifier.Verify(defaultRing(t), h, []byte("{}"))
	require.NoError(t, err)
	require.Equal(t, form, match.Form())
}

// What Sign makes is the same as what the second implementation makes.
func TestSignMakesWhatTheSecondImplementationMakes(t *testing.T) {
	signed := 0
	for _, file := range vectorFiles(t) {
		scheme := file.scheme()
		for _, v := range file.Vectors {
			if !v.Want.Accepted || len(v.Keys) != 1 {
				continue
			}
			h := v.header()
			match, err := newVerifier(t, scheme).Verify(newRing(t, v.keys()...), h, v.body())
			require.NoError(t, err)
			require.NoError(t, scheme.Sign(v.keys()[0], v.Want.Form, h, v.body()))
			again, err := newVerifier(t, scheme).Verify(newRing(t, v.keys()...), h, v.body())
			require.NoError(t, err, v.Name)
			require.Equal(t, match.Form(), again.Form(), v.Name)
			require.Equal(t, match.Digest(h, v.body()), again.Digest(h, v.body()), v.Name)
			signed++
		}
	}
	require.Greater(t, signed, 100)
}

func TestTheVectorsAreUpToDate(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs python3")
	}
	out, err := exec.Command(python, "testdata/generate.py", "--check").CombinedOutput() //nolint:gosec // our own script
	require.NoError(t, err, string(out))
}
