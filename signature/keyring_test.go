package signature_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/signature"
)

func manyKeys(n int) []signature.Key {
	keys := make([]signature.Key, n)
	for i := range keys {
		keys[i] = signature.NewKey(fmt.Sprintf("key-%d", i), fmt.Sprintf("secret-number-%d", i))
	}
	return keys
}

func TestAKeyringRefusesKeysThatProveNothing(t *testing.T) {
	for name, c := range map[string]struct {
		keys []signature.Key
		says string
	}{
		"no keys":               {nil, "at least one key"},
		"too many":              {manyKeys(signature.MaxKeys + 1), "at most 16 keys, not 17"},
		"no name":               {[]signature.Key{signature.NewKey("", testSecret)}, "needs a name"},
		"blank name":            {[]signature.Key{signature.NewKey(" \t", testSecret)}, "needs a name"},
		"two of one name":       {[]signature.Key{signature.NewKey("a", testSecret), signature.NewKey("a", "other")}, `two keys have the name "a"`},
		"empty secret":          {[]signature.Key{signature.NewKey("a", "")}, `secret of key "a" is blank`},
		"second secret empty":   {[]signature.Key{signature.NewKey("a", testSecret), signature.NewKey("b", "")}, `secret of key "b" is blank`},
		"secret of white space": {[]signature.Key{signature.NewKey("a", " \n")}, "blank"},
		"secret of NULs":        {[]signature.Key{signature.NewKey("a", "\x00\x00")}, "blank"},
		"zero secret":           {[]signature.Key{{Name: "a"}}, "blank"},
		"zero key":              {[]signature.Key{{}}, "needs a name"},
		"redacted secret":       {[]signature.Key{signature.NewKey("a", "[redacted]")}, `secret of key "a" must not be [redacted]`},
	} {
		t.Run(name, func(t *testing.T) {
			ring, err := signature.NewKeyring(c.keys...)
			require.ErrorContains(t, err, c.says)
			require.Nil(t, ring)
			requireHidden(t, err.Error(), testSecret)
		})
	}
}

func TestAKeyringHoldsUpToMaxKeys(t *testing.T) {
	keys := manyKeys(signature.MaxKeys)
	ring := newRing(t, keys...)
	require.Len(t, ring.Names(), signature.MaxKeys)
	for _, key := range keys {
		h := fullHeader()
		require.NoError(t, bodyScheme().Sign(key, "", h, []byte("b")))
		match, err := newVerifier(t, bodyScheme()).Verify(ring, h, []byte("b"))
		require.NoError(t, err)
		require.Equal(t, key.Name, match.Key)
	}
}

func TestNamesStandInTheOrderInWhichTheyWereSet(t *testing.T) {
	ring := newRing(t, signature.NewKey("b", testSecret), signature.NewKey("a", testSecret))
	require.Equal(t, []string{"b", "a"}, ring.Names())
	require.NoError(t, ring.Set(signature.NewKey("c", testSecret)))
	require.Equal(t, []string{"c"}, ring.Names())
}

func TestARefusedSetChangesNothing(t *testing.T) {
	ring := defaultRing(t)
	require.Error(t, ring.Set())
	require.Error(t, ring.Set(signature.NewKey("new", testSecret), signature.NewKey("new", testSecret)))
	require.Error(t, ring.Set(signature.NewKey("new", "other"), signature.NewKey("blank", "")))
	require.Equal(t, []string{"default"}, ring.Names())
	h := fullHeader()
	sign(t, bodyScheme(), "", h, nil)
	_, err := newVerifier(t, bodyScheme()).Verify(ring, h, nil)
	require.NoError(t, err)
}

func TestAKeyringDoesNotKeepTheCallersSlice(t *testing.T) {
	keys := []signature.Key{signature.NewKey("default", testSecret)}
	ring := newRing(t, keys...)
	keys[0] = signature.NewKey("other", "other")
	require.Equal(t, []string{"default"}, ring.Names())
}

func TestTheZeroKeyringVerifiesNothing(t *testing.T) {
	h := fullHeader()
	sign(t, bodyScheme(), "", h, nil)
	for _, ring := range []*signature.Keyring{nil, new(signature.Keyring)} {
		require.Empty(t, ring.Names())
		_, err := newVerifier(t, bodyScheme()).Verify(ring, h, nil)
		requireRefused(t, err, signature.Mismatch, headerSignature)
	}
}

// Some peers accept an empty secret (fault 2 of the peers).
func TestAnEmptySecretVerifiesNothing(t *testing.T) {
	h := fullHeader()
	h.Set(headerSignature, referenceHex("", "body"))
	_, err := newVerifier(t, bodyScheme()).Verify(defaultRing(t), h, []byte("body"))
	requireRefused(t, err, signature.Mismatch, headerSignature)
	_, err = newVerifier(t, bodyScheme()).Verify(new(signature.Keyring), h, []byte("body"))
	requireRefused(t, err, signature.Mismatch, headerSignature)
	require.ErrorContains(t, bodyScheme().Sign(signature.NewKey("a", ""), "", h, nil), "blank")
}

func TestAKeyThatWasTakenOutVerifiesNoMore(t *testing.T) {
	ring, v, h := defaultRing(t), newVerifier(t, bodyScheme()), fullHeader()
	sign(t, bodyScheme(), "", h, nil)
	_, err := v.Verify(ring, h, nil)
	require.NoError(t, err)
	require.NoError(t, ring.Set(signature.NewKey("default", "another")))
	_, err = v.Verify(ring, h, nil)
	requireRefused(t, err, signature.Mismatch, headerSignature)
}

// Run it with -race.
func TestKeysAreExchangedWhileDeliveriesAreVerified(t *testing.T) {
	stay := signature.NewKey("stay", testSecret)
	ring, v := newRing(t, stay), newVerifier(t, headScheme())
	stop := make(chan struct{})
	var verifying, setting sync.WaitGroup
	for i := range 4 {
		verifying.Go(func() {
			form := []string{"timestamp", "delivery", "body"}[i%3]
			body := []byte(fmt.Sprintf(`{"n":%d}`, i))
			h, forged := fullHeader(), fullHeader()
			assertNoError(t, headScheme().Sign(stay, form, h, body))
			assertNoError(t, headScheme().Sign(signature.NewKey("x", "not a live one"), form, forged, body))
			for range 500 {
				match, err := v.Verify(ring, h, body)
				if err != nil || match.Key != "stay" || match.Form() != form {
					t.Errorf("%v %v", match, err)
				}
				if _, err := v.Verify(ring, forged, body); err == nil {
					t.Error("a forged delivery was accepted")
				}
				if len(ring.Names()) == 0 {
					t.Error("the ring was without keys")
				}
			}
		})
	}
	setting.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				assertNoError(t, ring.Set(append(manyKeys(i%3), stay)...))
			}
		}
	})
	verifying.Wait()
	close(stop)
	setting.Wait()
}

func assertNoError(t testing.TB, err error) {
	if err != nil {
		t.Error(err)
	}
}
