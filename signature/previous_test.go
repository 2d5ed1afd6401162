package signature_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/signtest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/signature/diagnose"
)

func explainSignedBy(t *testing.T, ring *signature.Keyring, secret string) diagnose.Explanation {
	t.Helper()
	h := signtest.FullHeader()
	body := []byte(`{"type":"ping"}`)
	require.NoError(t, signtest.BodyScheme().Sign(signature.NewKey("k", secret), "", h, body))
	return diagnose.Explain(diagnose.Input{Scheme: signtest.BodyScheme(), Keys: ring, Header: h, Body: body})
}

func TestKeyring_RemembersPreviousKeysWithoutVerifying(t *testing.T) {
	secret := func(i int) string { return fmt.Sprintf("secret-number-%02d", i) }
	ring := signtest.NewRing(t, signature.NewKey("0", secret(0)))
	for i := 1; i <= 20; i++ {
		require.NoError(t, ring.Set(signature.NewKey(fmt.Sprint(i), secret(i))))
	}
	require.Equal(t, []string{"20"}, ring.Names())
	require.Equal(t, diagnose.None, explainSignedBy(t, ring, secret(20)).Cause)
	for i := 4; i < 20; i++ {
		e := explainSignedBy(t, ring, secret(i))
		require.Equal(t, diagnose.KeyPrevious, e.Cause, i)
		require.Contains(t, e.Text, fmt.Sprintf("%q", fmt.Sprint(i)))
	}
	require.Equal(t, diagnose.Unexplained, explainSignedBy(t, ring, secret(3)).Cause, "at most MaxKeys keys are remembered")

	h, body := signtest.FullHeader(), []byte(`{}`)
	require.NoError(t, signtest.BodyScheme().Sign(signature.NewKey("k", secret(19)), "", h, body))
	_, err := signtest.NewVerifier(t, signtest.BodyScheme()).Verify(ring, h, body)
	requireRefused(t, err, signature.Mismatch, signtest.HeaderSignature)
}

func TestKeyring_ForgetsPreviousKeyThatReturns(t *testing.T) {
	ring := signtest.NewRing(t, signature.NewKey("a", "secret-a"))
	require.NoError(t, ring.Set(signature.NewKey("b", "secret-b")))
	require.NoError(t, ring.Set(signature.NewKey("renamed", "secret-a")))
	require.Equal(t, diagnose.None, explainSignedBy(t, ring, "secret-a").Cause)
	require.Equal(t, diagnose.KeyPrevious, explainSignedBy(t, ring, "secret-b").Cause)
	require.Error(t, ring.Set())
	require.Equal(t, diagnose.None, explainSignedBy(t, ring, "secret-a").Cause, "an error changes nothing")
}

func TestKeyring_StoresRepeatedPreviousKeyOnce(t *testing.T) {
	ring := signtest.NewRing(t, signature.NewKey("first", "the-first-secret"))
	for i := range 3 * signature.MaxKeys {
		require.NoError(t, ring.Set(signature.NewKey("k", fmt.Sprintf("secret-%d", i%2))))
	}
	require.Equal(t, diagnose.KeyPrevious, explainSignedBy(t, ring, "the-first-secret").Cause)

	var many, alike []signature.Key
	for i := range signature.MaxKeys {
		many = append(many, signature.NewKey(fmt.Sprint(i), fmt.Sprintf("secret-%d", i)))
		alike = append(alike, signature.NewKey(fmt.Sprint(i), "secret-0"))
	}
	ring = signtest.NewRing(t, signature.NewKey("first", "the-first-secret"))
	require.NoError(t, ring.Set(many...))
	require.NoError(t, ring.Set(many...))
	require.Equal(t, diagnose.KeyPrevious, explainSignedBy(t, ring, "the-first-secret").Cause)

	ring = signtest.NewRing(t, signature.NewKey("first", "the-first-secret"))
	require.NoError(t, ring.Set(alike...))
	require.NoError(t, ring.Set(signature.NewKey("k", "secret-1")))
	require.Equal(t, diagnose.KeyPrevious, explainSignedBy(t, ring, "the-first-secret").Cause)
}

func TestKeyring_AllowsSetDuringExplain(t *testing.T) {
	ring := signtest.NewRing(t, signature.NewKey("0", "secret-0"))
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 50 {
				if err := ring.Set(signature.NewKey("k", fmt.Sprintf("secret-%d-%d", g, i))); err != nil {
					t.Error(err)
				}
				explainSignedBy(t, ring, "unknown-secret")
			}
		})
	}
	all.Wait()
}

func TestKeyring_LiveAndPreviousKeys(t *testing.T) {
	read := func(keys []signature.Key) (all []string) {
		for _, k := range keys {
			all = append(all, k.Name+"="+k.Secret.Reveal())
		}
		return all
	}
	ring := signtest.NewRing(t, signature.NewKey("a", "secret-a"), signature.NewKey("b", "secret-b"))
	require.Equal(t, []string{"a=secret-a", "b=secret-b"}, read(ring.Keys()))
	require.Empty(t, ring.Previous())
	require.NoError(t, ring.Set(signature.NewKey("c", "secret-c"), signature.NewKey("renamed", "secret-b")))
	require.NoError(t, ring.Set(signature.NewKey("d", "secret-d")))
	until := time.Unix(1795283259, 0)
	require.NoError(t, ring.Set(signature.Key{Name: "d", Secret: signature.NewSecret("secret-d"), NotAfter: until}))
	require.Equal(t, until, ring.Keys()[0].NotAfter)
	require.Equal(t, []string{"d=secret-d"}, read(ring.Keys()))
	require.Equal(t, []string{"c=secret-c", "renamed=secret-b", "a=secret-a"}, read(ring.Previous()), "the latest first")

	for _, none := range []*signature.Keyring{nil, new(signature.Keyring)} {
		require.Empty(t, none.Keys())
		require.Empty(t, none.Previous())
	}
}
