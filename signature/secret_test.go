package signature_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/signtest"
	"github.com/aihooks/aihooks-go/signature"
)

// requireHidden requires that text contains no secret in any notation of fmt and similar packages.
func requireHidden(t testing.TB, text string, secrets ...string) {
	t.Helper()
	text = strings.ToLower(text)
	for _, s := range secrets {
		list := strings.Trim(fmt.Sprint([]byte(s)), "[]")
		for _, shown := range []string{
			s, hex.EncodeToString([]byte(s)), fmt.Sprintf("% x", s), fmt.Sprintf("%#x", []byte(s)),
			list, strings.ReplaceAll(list, " ", ","), strings.ReplaceAll(list, " ", ", "),
			base64.StdEncoding.EncodeToString([]byte(s)), base64.RawURLEncoding.EncodeToString([]byte(s)),
		} {
			require.NotContains(t, text, strings.ToLower(shown))
		}
		for i := 0; i+8 <= len(s); i++ { // or a part of it
			require.NotContains(t, text, strings.ToLower(s[i:i+8]))
		}
	}
}

type settings struct {
	Secret  signature.Secret
	Pointer *signature.Secret
	Key     signature.Key
	Keys    []signature.Key
	ByName  map[string]signature.Secret
	Any     any
	hidden  signature.Secret
	deep    struct{ keys []signature.Key }
	byName  map[string]*signature.Key
}

func newSettings(secret string) settings {
	s := signature.NewSecret(secret)
	key := signature.NewKey("default", secret)
	c := settings{
		Secret: s, Pointer: &s, Key: key, Keys: []signature.Key{key}, ByName: map[string]signature.Secret{"a": s}, Any: s,
		hidden: s, byName: map[string]*signature.Key{"a": &key},
	}
	c.deep.keys = c.Keys
	return c
}

// holders returns values that contain testSecret in every way a Go value can contain another.
func holders(t testing.TB) map[string]any {
	s, c, ring := signature.NewSecret(signtest.Secret), newSettings(signtest.Secret), signtest.DefaultRing(t)
	h := signtest.FullHeader()
	signtest.Sign(t, signtest.HeadScheme(), "timestamp", h, nil)
	_, err := signtest.NewVerifier(t, signtest.HeadScheme()).Verify(ring, h, nil) // fills the pools of the ring
	require.NoError(t, err)
	return map[string]any{
		"secret": s, "pointer": &s, "slice": []signature.Secret{s}, "array": [1]signature.Secret{s}, "map": map[string]signature.Secret{"a": s},
		"key": signature.NewKey("default", signtest.Secret), "keys": []signature.Key{signature.NewKey("default", signtest.Secret)},
		"struct": c, "pointer to a struct": &c, "hidden": struct{ s signature.Secret }{s}, "hidden pointer": struct{ s *signature.Secret }{&s},
		"any": []any{s, &s}, "ring": ring, "in a struct": struct{ R *signature.Keyring }{ring},
	}
}

func TestSecret_RedactsEveryFormatVerb(t *testing.T) {
	for name, v := range holders(t) {
		for verb := range strings.FieldsSeq("%v %+v %#v %s %+s %q %+q %#q %x %X %#x %d %b %c %o %O %t %U %e %p %w %T %20v %-20s %.3s %08d") {
			text := fmt.Sprintf(verb, v)
			requireHidden(t, text, signtest.Secret)
			if name == "secret" && verb != "%T" && verb != "%p" && verb != "%w" {
				require.Equal(t, "[redacted]", text, verb)
			}
		}
		requireHidden(t, fmt.Sprint(v)+fmt.Sprintln(v), signtest.Secret)
	}
}

func TestSecret_RedactsEveryLogHandler(t *testing.T) {
	for name, v := range holders(t) {
		var b bytes.Buffer
		options := &slog.HandlerOptions{AddSource: true, Level: slog.LevelDebug}
		for _, h := range []slog.Handler{slog.NewTextHandler(&b, options), slog.NewJSONHandler(&b, options)} {
			log := slog.New(h).With("with", v).WithGroup("g")
			log.Error("m", "v", v, "nested", []any{v}, "error", fmt.Errorf("because of %v", v), slog.Group("h", "v", v))
		}
		require.Equal(t, 2, strings.Count(b.String(), "\n"))
		requireHidden(t, b.String(), signtest.Secret)
		if name == "secret" {
			require.Contains(t, b.String(), "[redacted]")
		}
	}
}

func TestSecret_RedactsEveryEncoder(t *testing.T) {
	for _, v := range holders(t) {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		requireHidden(t, string(text), signtest.Secret)
		text, _ = xml.Marshal(v) // not all values can be marshalled
		requireHidden(t, string(text), signtest.Secret)
		var b bytes.Buffer
		_ = template.Must(template.New("").Parse("<p title={{.}}>{{.}}</p><script>{{.}}</script>")).Execute(&b, v)
		requireHidden(t, b.String(), signtest.Secret)
	}
	text, err := json.Marshal(signature.NewKey("default", signtest.Secret))
	require.NoError(t, err)
	require.JSONEq(t, `{"Name":"default","Secret":"[redacted]"}`, string(text))
}

func TestSecret_RedactsWrappedErrors(t *testing.T) {
	for _, v := range holders(t) {
		err := fmt.Errorf("outer: %w", fmt.Errorf("inner %v %+v %#v: %w", v, v, v, errors.New("cause")))
		requireHidden(t, fmt.Sprintf("%v %+v %#v %q", err, err, err, err), signtest.Secret)
	}
}

// A failed test prints both sides by reflection.
func TestSecret_RedactsDiffsOfFailedTests(t *testing.T) {
	for _, v := range holders(t) {
		var failure failedTest
		assert.Equal(&failure, v, newSettings("another-secret-altogether"))
		assert.Equal(&failure, []any{v}, []any{newSettings("another-secret-altogether")})
		assert.Nil(&failure, v)
		assert.Empty(&failure, v)
		assert.Contains(&failure, []any{v}, 1)
		assert.Equal(&failure, newSettings(signtest.Secret), newSettings("another-secret-altogether"))
		require.NotEmpty(t, failure.text)
		requireHidden(t, failure.text, signtest.Secret, "another-secret-altogether")
	}
}

type failedTest struct{ text string }

func (f *failedTest) Errorf(format string, args ...any) { f.text += fmt.Sprintf(format, args...) }

func TestSecret_RedactsPanics(t *testing.T) {
	defer func() { requireHidden(t, fmt.Sprintf("%v %#v", recover(), recover()), signtest.Secret) }()
	panic(signature.NewSecret(signtest.Secret))
}

func TestSecret_KeepsEveryByte(t *testing.T) {
	for _, s := range []string{"a", " a ", "a\n", "a\x00", "\xff\xfe", strings.Repeat("long", 100), ""} {
		require.Equal(t, s, signature.NewSecret(s).Reveal())
	}
	require.Empty(t, signature.Secret{}.Reveal())
}

func TestSecret_IsBlankWithoutVisibleCharacters(t *testing.T) {
	for _, s := range []string{"", " ", "\t", "\n", "\r\n", " \n ", "\u00a0", "\u2003", "\x00", "\x00\x00\n", "\ufeff", "\ufeff\r\n"} {
		require.True(t, signature.NewSecret(s).Blank(), "%q", s)
	}
	require.True(t, signature.Secret{}.Blank())
	for _, s := range []string{"a", " a", "\x00a", "\ufeffa", "0", "\xff", "\x01"} {
		require.False(t, signature.NewSecret(s).Blank(), "%q", s)
	}
}

func TestSecret_UnmarshalsFromConfiguration(t *testing.T) {
	var c struct{ Secret signature.Secret }
	require.NoError(t, json.Unmarshal([]byte(`{"Secret":" a\n"}`), &c))
	require.Equal(t, " a\n", c.Secret.Reveal())

	text := []byte("changed-later")
	require.NoError(t, c.Secret.UnmarshalText(text))
	copy(text, "CHANGED")
	require.Equal(t, "changed-later", c.Secret.Reveal())
}

// Otherwise, a configuration that was written and read again would verify with a publicly known secret.
func TestSecret_RefusesRedactedText(t *testing.T) {
	text, err := json.Marshal(newSettings(signtest.Secret))
	require.NoError(t, err)
	var c settings
	require.ErrorContains(t, json.Unmarshal(text, &c), "[redacted]")
	require.True(t, c.Secret.Blank())
}
