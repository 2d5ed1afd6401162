package diagnose

import (
	"encoding/hex"
	"hash"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/signature"
)

// hexDiagnoser expects HMAC-SHA256 in hex.
var hexDiagnoser = &diagnoser{versions: []signature.Version{{Algorithm: signature.HMACSHA256, Encoding: signature.Hex}}}

func TestExplain_CutsPlainLabels(t *testing.T) {
	longest := strings.Repeat("x", 32)
	for s, want := range map[string][2]string{
		"sha256=ab": {"sha256=", "ab"}, "v0:'ab'": {"v0:", "ab"}, "HMAC-SHA256 ab": {"HMAC-SHA256 ", "ab"}, "0xab": {"0x", "ab"}, "v=ab": {"v=", "ab"},
		longest + "=ab": {longest + "=", "ab"}, longest + "x=ab": {}, "=ab": {}, "ab": {}, "a.b=ab": {}, "": {},
	} {
		label, rest := cutLabel(s)
		require.Equal(t, want, [2]string{label, rest}, s)
	}
}

func TestExplain_ReadsShortMACLists(t *testing.T) {
	mac := strings.Repeat("ab", 32)
	for list, want := range map[string]int{
		mac: 0, "a," + mac: 1, "v1=" + mac + " v0=" + mac: 2, strings.Repeat("a;", 7) + mac: 1, strings.Repeat("a;", 8) + mac: 0, "a,b": 0,
	} {
		require.Len(t, hexDiagnoser.listed(list), want, list)
	}
	for list, stamp := range map[string]string{
		"t=1795283259,v1=" + mac: "1795283259", "t=soon,v1=" + mac: "", "1795283259,v1=" + mac: "",
	} {
		require.Equal(t, stamp, hexDiagnoser.listed(list)[0].stamp, list)
	}
}

func TestExplain_DecodesMACFromBothBase64Alphabets(t *testing.T) {
	for s, want := range map[string]string{"YQ==": "a", "YQ": "a", "+/8": "\xfb\xff", "-_8=": "\xfb\xff", "!": "", "Y": ""} {
		require.Equal(t, want, string(decodeBase64(s)), s)
	}
	require.Nil(t, decodeBase64(""))
	require.Nil(t, decodeBase64("="))
}

func TestSpend_TakesWhatIsLeft(t *testing.T) {
	d := &diagnoser{left: 5}
	require.True(t, d.spend(5))
	require.False(t, d.ended)
	require.False(t, d.spend(1))
	require.True(t, d.ended)
	d.left = 10
	require.False(t, d.spend(1), "the search has ended")
	require.EqualValues(t, 10, d.left)
}

func TestExplain_NeedsEveryCoveredHeader(t *testing.T) {
	forms := []signature.Form{{Name: "two", Signs: "{A}.{B}.{body}"}, {Name: "one", Signs: "{A}.{body}"}, {Name: "none"}}
	for name, c := range map[string]struct {
		header http.Header
		want   []string
	}{
		"all there":   {http.Header{"A": {"1"}, "B": {"2"}}, []string{"two", "one", "none"}},
		"no first":    {http.Header{"B": {"2"}}, []string{"none"}},
		"no second":   {http.Header{"A": {"1"}}, []string{"one", "none"}},
		"empty first": {http.Header{"A": {""}, "B": {"2"}}, []string{"none"}},
		"twice":       {http.Header{"A": {"1", "1"}, "B": {"2"}}, []string{"none"}},
	} {
		d := &diagnoser{in: &Input{Header: c.header}}
		var got []string
		for _, composed := range d.compose(forms) {
			got = append(got, composed.form.Name)
		}
		require.Equal(t, c.want, got, name)
	}
}

func TestExplain_SpendsForBody(t *testing.T) {
	d := diagnoserFor(t, "", strings.Repeat("x", 1000))
	before := d.left
	require.False(t, d.signedWith(&signature.Version{Algorithm: signature.HMACSHA256}, []byte("other")))
	require.EqualValues(t, 512+1000, before-d.left)
}

// In FIPS mode crypto/hmac panics.
func TestExplain_SurvivesHashPanic(t *testing.T) {
	require.False(t, makes(func() hash.Hash { panic("not allowed") }, []byte("secret"), nil, nil))
}

func TestExplain_DecodesHexOfExactLength(t *testing.T) {
	require.Equal(t, []byte{0xab, 0xcd}, decodeHexOf("abCD", 2))
	for _, s := range []string{"abcd0", "abc", "abcx", hex.EncodeToString(make([]byte, 3))} {
		require.Nil(t, decodeHexOf(s, 2), s)
	}
}
