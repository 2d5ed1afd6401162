package signature_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/signature"
)

func explainSignedBy(t *testing.T, ring *signature.Keyring, secret string) signature.Explanation {
	t.Helper()
	h := fullHeader()
	body := []byte(`{"type":"ping"}`)
	require.NoError(t, bodyScheme().Sign(signature.NewKey("k", secret), "", h, body))
	return signature.Explain(signature.Question{Scheme: bodyScheme(), Keys: ring, Header: h, Body: body})
}

func TestAFormerKeyIsRememberedAndVerifiesNothing(t *testing.T) {
	secret := func(i int) string { return fmt.Sprintf("secret-number-%02d", i) }
	ring := newRing(t, signature.NewKey("0", secret(0)))
	for i := 1; i <= 20; i++ {
		require.NoError(t, ring.Set(signature.NewKey(fmt.Sprint(i), secret(i))))
	}
	require.Equal(t, []string{"20"}, ring.Names())
	require.Equal(t, signature.NoMistake, explainSignedBy(t, ring, secret(20)).Mistake)
	for i := 4; i < 20; i++ {
		e := explainSignedBy(t, ring, secret(i))
		require.Equal(t, signature.KeyRetired, e.Mistake, i)
		require.Contains(t, e.Text, fmt.Sprintf("%q", fmt.Sprint(i)))
	}
	require.Equal(t, signature.Unexplained, explainSignedBy(t, ring, secret(3)).Mistake, "no more than MaxKeys are remembered")

	h, body := fullHeader(), []byte(`{}`)
	require.NoError(t, bodyScheme().Sign(signature.NewKey("k", secret(19)), "", h, body))
	_, err := newVerifier(t, bodyScheme()).Verify(ring, h, body)
	requireRefused(t, err, signature.Mismatch, headerSignature)
}

func TestAKeyThatIsLiveAgainIsNotFormer(t *testing.T) {
	ring := newRing(t, signature.NewKey("a", "secret-a"))
	require.NoError(t, ring.Set(signature.NewKey("b", "secret-b")))
	require.NoError(t, ring.Set(signature.NewKey("renamed", "secret-a")))
	require.Equal(t, signature.NoMistake, explainSignedBy(t, ring, "secret-a").Mistake)
	require.Equal(t, signature.KeyRetired, explainSignedBy(t, ring, "secret-b").Mistake)
	require.Error(t, ring.Set())
	require.Equal(t, signature.NoMistake, explainSignedBy(t, ring, "secret-a").Mistake, "an error changes nothing")
}

func TestKeysThatComeAndGoTakeNoRoomFromOthers(t *testing.T) {
	ring := newRing(t, signature.NewKey("first", "the-first-secret"))
	for i := range 3 * signature.MaxKeys {
		require.NoError(t, ring.Set(signature.NewKey("k", fmt.Sprintf("secret-%d", i%2))))
	}
	require.Equal(t, signature.KeyRetired, explainSignedBy(t, ring, "the-first-secret").Mistake)

	var many, alike []signature.Key
	for i := range signature.MaxKeys {
		many = append(many, signature.NewKey(fmt.Sprint(i), fmt.Sprintf("secret-%d", i)))
		alike = append(alike, signature.NewKey(fmt.Sprint(i), "secret-0"))
	}
	ring = newRing(t, signature.NewKey("first", "the-first-secret"))
	require.NoError(t, ring.Set(many...))
	require.NoError(t, ring.Set(many...))
	require.Equal(t, signature.KeyRetired, explainSignedBy(t, ring, "the-first-secret").Mistake)

	ring = newRing(t, signature.NewKey("first", "the-first-secret"))
	require.NoError(t, ring.Set(alike...))
	require.NoError(t, ring.Set(signature.NewKey("k", "secret-1")))
	require.Equal(t, signature.KeyRetired, explainSignedBy(t, ring, "the-first-secret").Mistake)
}

func TestKeysAreExchangedWhileExplaining(t *testing.T) {
	ring := newRing(t, signature.NewKey("0", "secret-0"))
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 50 {
				if err := ring.Set(signature.NewKey("k", fmt.Sprintf("secret-%d-%d", g, i))); err != nil {
					t.Error(err)
				}
				explainSignedBy(t, ring, "secret-of-nobody")
			}
		})
	}
	all.Wait()
}
