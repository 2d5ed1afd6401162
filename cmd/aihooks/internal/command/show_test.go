package command

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/signature"
)

func TestLinesAreBrokenBetweenWords(t *testing.T) {
	require.Equal(t, []string{"one two", "three", "four"}, wrap("one two three four", 8))
	require.Equal(t, []string{"Zoë Zoë", "abc"}, wrap("Zoë Zoë abc", 7))
	require.Equal(t, []string{"a", "aaaaaaaaaaaa", "b"}, wrap("a aaaaaaaaaaaa b", 5))
	require.Equal(t, []string{""}, wrap("", 5))
}

func TestASecretIsHiddenHoweverItWasWritten(t *testing.T) {
	l := outgoing{secret: signature.NewSecret("a b&<c>/d")}
	for _, form := range []string{"a b&<c>/d", "a%20b&%3Cc%3E%2Fd", "a+b%26%3Cc%3E%2Fd", "a b&amp;&lt;c&gt;/d"} {
		require.Equal(t, "POST [secret]!", l.hide("POST "+form+"!"))
	}
	blank := outgoing{}
	require.Equal(t, "text", blank.hide("text"))
}

func TestAPasswordIsNotInWhatThePageSays(t *testing.T) {
	require.Equal(t, "http://u:xxxxx@h/x", withoutPassword("http://u:p@h/x"))
	require.Equal(t, "http://h/x", withoutPassword("http://h/x"))
}

func TestWhatWouldGrowBeyondBoundsIsNotIndented(t *testing.T) {
	require.Equal(t, strings.Split("{\n  \"a\": [\n    1,\n    \"[[[\\\"[[[\"\n  ]\n}", "\n"), strings.Split(pretty([]byte(` {"a":[1,"[[[\"[[["]} `)), "\n"))
	deep := strings.Repeat("[", 9000) + strings.Repeat("]", 9000)
	require.Equal(t, deep, pretty([]byte(deep)))
	require.Equal(t, "{\n  \"a\": \""+deep+"\"\n}", pretty([]byte(`{"a":"`+deep+`"}`)), "brackets in a string do not count")
	require.Less(t, len(preview([]byte("["+strings.Repeat("1,", 4<<20)+"1]"))), 9<<10)
}
