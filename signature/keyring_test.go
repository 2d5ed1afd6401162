package signature_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/signtest"
	"github.com/aihooks/aihooks-go/signature"
)

func manyKeys(n int) []signature.Key {
	keys := make([]signature.Key, n)
	for i := range keys {
		keys[i] = signature.NewKey(fmt.Sprintf("key-%d", i), fmt.Sprintf("secret-number-%d", i))
	}
	return keys
}

func TestKeyring_RefusesUnusableKeys(t *testing.T) {
	for name, c := range map[string]struct {
		keys []signature.Key
		says string
	}{
		"no keys":               {nil, "at least one key"},
		"too many":              {manyKeys(signature.MaxKeys + 1), "at most 16 keys, not 17"},
		"no name":               {[]signature.Key{signature.NewKey("", signtest.Secret)}, "needs a name"},
		"blank name":            {[]signature.Key{signature.NewKey(" \t", signtest.Secret)}, "needs a name"},
		"two of one name":       {[]signature.Key{signature.NewKey("a", signtest.Secret), signature.NewKey("a", "other")}, `two keys have the name "a"`},
		"empty secret":          {[]signature.Key{signature.NewKey("a", "")}, `secret of key "a" is blank`},
		"second secret empty":   {[]signature.Key{signature.NewKey("a", signtest.Secret), signature.NewKey("b", "")}, `secret of key "b" is blank`},
		"secret of white space": {[]signature.Key{signature.NewKey("a", " \n")}, "blank"},
		"secret of NULs":        {[]signature.Key{signature.NewKey("a", "\x00\x00")}, "blank"},
		"zero secret":           {[]signature.Key{{Name: "a"}}, "blank"},
		"zero key":              {[]signature.Key{{}}, "needs a name"},
		"no lifetime":           {[]signature.Key{lifetime("a", noon, noon)}, `NotAfter of key "a" must be after NotBefore`},
		"negative lifetime":     {[]signature.Key{lifetime("a", noon, noon.Add(-time.Second))}, `NotAfter of key "a" must be after NotBefore`},
		"redacted secret":       {[]signature.Key{signature.NewKey("a", "[redacted]")}, `secret of key "a" must not be [redacted]`},
	} {
		t.Run(name, func(t *testing.T) {
			ring, err := signature.NewKeyring(signtest.BodyScheme(), c.keys...)
			require.ErrorContains(t, err, c.says)
			require.Nil(t, ring)
			requireHidden(t, err.Error(), signtest.Secret)
		})
	}
}

func TestKeyring_HoldsMaxKeys(t *testing.T) {
	keys := manyKeys(signature.MaxKeys)
	ring := signtest.NewRing(t, keys...)
	require.Len(t, ring.Names(), signature.MaxKeys)
	for _, key := range keys {
		h := signtest.FullHeader()
		require.NoError(t, signtest.BodyScheme().Sign(key, "", h, []byte("b")))
		match, err := signtest.NewVerifier(t, signtest.BodyScheme()).Verify(ring, h, []byte("b"))
		require.NoError(t, err)
		require.Equal(t, key.Name, match.Key)
	}
}

func TestKeyring_KeepsOrderOfNames(t *testing.T) {
	ring := signtest.NewRing(t, signature.NewKey("b", signtest.Secret), signature.NewKey("a", signtest.Secret))
	require.Equal(t, []string{"b", "a"}, ring.Names())
	require.NoError(t, ring.Set(signature.NewKey("c", signtest.Secret)))
	require.Equal(t, []string{"c"}, ring.Names())
}

func TestKeyring_KeepsKeysOnRefusedSet(t *testing.T) {
	ring := signtest.DefaultRing(t)
	require.Error(t, ring.Set())
	require.Error(t, ring.Set(signature.NewKey("new", signtest.Secret), signature.NewKey("new", signtest.Secret)))
	require.Error(t, ring.Set(signature.NewKey("new", "other"), signature.NewKey("blank", "")))
	require.Equal(t, []string{"default"}, ring.Names())
	h := signtest.FullHeader()
	signtest.Sign(t, signtest.BodyScheme(), "", h, nil)
	_, err := signtest.NewVerifier(t, signtest.BodyScheme()).Verify(ring, h, nil)
	require.NoError(t, err)
}

func TestKeyring_CopiesGivenKeys(t *testing.T) {
	keys := []signature.Key{signature.NewKey("default", signtest.Secret)}
	ring := signtest.NewRing(t, keys...)
	keys[0] = signature.NewKey("other", "other")
	require.Equal(t, []string{"default"}, ring.Names())
}

func TestKeyring_VerifiesNothingWhenZero(t *testing.T) {
	h := signtest.FullHeader()
	signtest.Sign(t, signtest.BodyScheme(), "", h, nil)
	for _, ring := range []*signature.Keyring{nil, new(signature.Keyring)} {
		require.Empty(t, ring.Names())
		_, err := signtest.NewVerifier(t, signtest.BodyScheme()).Verify(ring, h, nil)
		requireRefused(t, err, signature.Mismatch, signtest.HeaderSignature)
	}
}

// Some peers accept an empty secret (fault 2 of the peers).
func TestVerify_RefusesEmptySecret(t *testing.T) {
	h := signtest.FullHeader()
	h.Set(signtest.HeaderSignature, signtest.Hex("", "body"))
	_, err := signtest.NewVerifier(t, signtest.BodyScheme()).Verify(signtest.DefaultRing(t), h, []byte("body"))
	requireRefused(t, err, signature.Mismatch, signtest.HeaderSignature)
	_, err = signtest.NewVerifier(t, signtest.BodyScheme()).Verify(new(signature.Keyring), h, []byte("body"))
	requireRefused(t, err, signature.Mismatch, signtest.HeaderSignature)
	require.ErrorContains(t, signtest.BodyScheme().Sign(signature.NewKey("a", ""), "", h, nil), "blank")
}

func TestKeyring_StopsVerifyingWithRemovedKey(t *testing.T) {
	ring, v, h := signtest.DefaultRing(t), signtest.NewVerifier(t, signtest.BodyScheme()), signtest.FullHeader()
	signtest.Sign(t, signtest.BodyScheme(), "", h, nil)
	_, err := v.Verify(ring, h, nil)
	require.NoError(t, err)
	require.NoError(t, ring.Set(signature.NewKey("default", "another")))
	_, err = v.Verify(ring, h, nil)
	requireRefused(t, err, signature.Mismatch, signtest.HeaderSignature)
}

// Run it with -race.
func TestKeyring_AllowsSetDuringVerify(t *testing.T) {
	stay := signature.NewKey("stay", signtest.Secret)
	ring, v := signtest.NewRing(t, stay), signtest.NewVerifier(t, signtest.HeadScheme())
	stop := make(chan struct{})
	var verifying, setting sync.WaitGroup
	for i := range 4 {
		verifying.Go(func() {
			form := []string{"timestamp", "delivery", "body"}[i%3]
			body := []byte(fmt.Sprintf(`{"n":%d}`, i))
			h, forged := signtest.FullHeader(), signtest.FullHeader()
			assertNoError(t, signtest.HeadScheme().Sign(stay, form, h, body))
			assertNoError(t, signtest.HeadScheme().Sign(signature.NewKey("x", "not a live one"), form, forged, body))
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
