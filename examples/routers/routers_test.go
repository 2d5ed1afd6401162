package routers_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/webhook"
)

// everywhere runs a test on every router. Callbacks return err.
func everywhere(t *testing.T, err error, test func(t *testing.T, r *receiver, send send)) {
	for _, m := range mounts {
		t.Run(m.name, func(t *testing.T) {
			r := newReceiver(t, err)
			test(t, r, m.mount(t, r))
		})
	}
}

func TestASignedDeliveryIsCalledBackOnce(t *testing.T) {
	everywhere(t, nil, func(t *testing.T, r *receiver, send send) {
		request := signed(t, frustration(), "delivery-1")
		got := send(t, request)
		require.Equal(t, http.StatusOK, got.status)
		require.JSONEq(t, `{"received":true}`, got.body)
		require.Equal(t, []string{"application/json"}, got.header["Content-Type"])

		require.Len(t, r.frustrations.all(), 1)
		e := r.frustrations.all()[0]
		require.Equal(t, "chat-4711", e.ExternalConversationID)
		require.Equal(t, "evt_04", e.ID)
		require.Equal(t, frustration(), e.Delivery().Body)
		require.Equal(t, "delivery-1", e.Delivery().ID)
		require.Equal(t, "delivery-1", e.Delivery().Header.Get("X-Greenflash-Delivery"))

		got = send(t, request)
		require.Equal(t, http.StatusOK, got.status)
		require.JSONEq(t, `{"received":true,"duplicate":true}`, got.body)
		require.Equal(t, 1, r.ran())
	})
}

func TestAForgedDeliveryIsRefused(t *testing.T) {
	everywhere(t, nil, func(t *testing.T, r *receiver, send send) {
		for name, forge := range map[string]func(*http.Request){
			"no signature":      func(r *http.Request) { r.Header.Del("X-Greenflash-Signature") },
			"another signature": func(r *http.Request) { r.Header.Set("X-Greenflash-Signature", strings.Repeat("ab", 32)) },
			"another time":      func(r *http.Request) { r.Header.Set("X-Greenflash-Timestamp", fmt.Sprint(time.Now().Unix()+7)) },
			"another id":        func(r *http.Request) { r.Header.Set("X-Greenflash-Delivery", "delivery-2") },
			"another body": func(r *http.Request) {
				replaceBody(r, bytes.Replace(frustration(), []byte("four"), []byte("five"), 1))
			},
			"no body": func(r *http.Request) { replaceBody(r, nil) },
		} {
			request := signed(t, frustration(), "delivery-1")
			forge(request)
			got := send(t, request)
			require.Equal(t, http.StatusUnauthorized, got.status, name)
			require.JSONEq(t, `{"received":false}`, got.body, name)
		}
		require.Zero(t, r.ran())
	})
}

func replaceBody(r *http.Request, body []byte) {
	r.ContentLength = int64(len(body))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
}

func TestALongBodyArrivesByteForByte(t *testing.T) {
	text := strings.Repeat(`<&> ä € 😀 \u2028 \\ \" \/ \ud83d\ude00 `+"\u2028\u200b", 2000)
	body := bytes.Replace(frustration(), []byte("The user"), []byte(text), 1)
	body = append(bytes.ReplaceAll(body, []byte("\n"), []byte("\r\n\t ")), "\r\n\n"...)
	require.Greater(t, len(body), 100<<10)
	everywhere(t, nil, func(t *testing.T, r *receiver, send send) {
		require.Equal(t, http.StatusOK, send(t, signed(t, body, "delivery-1")).status)
		require.Equal(t, 1, r.ran())
		require.True(t, bytes.Equal(body, r.frustrations.all()[0].Delivery().Body))
	})
}

func TestABodyPastTheLimitIsRefused(t *testing.T) {
	body := bytes.Replace(frustration(), []byte("The user"), bytes.Repeat([]byte("x"), 300<<10), 1)
	everywhere(t, nil, func(t *testing.T, r *receiver, send send) {
		require.Equal(t, http.StatusRequestEntityTooLarge, send(t, signed(t, body, "delivery-1")).status)
		require.Zero(t, r.ran())
	})
}

func TestHeaderNamesMayBeInAnyCase(t *testing.T) {
	everywhere(t, nil, func(t *testing.T, r *receiver, send send) {
		request := signed(t, frustration(), "delivery-1")
		for name, values := range request.Header.Clone() {
			delete(request.Header, name)
			request.Header[strings.ToUpper(name[:3])+strings.ToLower(name[3:])] = values
		}
		require.Contains(t, request.Header, "X-Greenflash-Signature"[:3]+"reenflash-signature")
		require.Equal(t, http.StatusOK, send(t, request).status)
		require.Equal(t, 1, r.ran())
	})
}

func TestASignatureThatComesTwiceIsRefused(t *testing.T) {
	for _, m := range mounts {
		t.Run(m.name, func(t *testing.T) {
			r := newReceiver(t, nil)
			request := signed(t, frustration(), "delivery-1")
			genuine := request.Header.Get("X-Greenflash-Signature")
			request.Header["X-Greenflash-Signature"] = []string{strings.Repeat("ab", 32), genuine}
			got := m.mount(t, r)(t, request)
			if m.lastWins {
				require.Equal(t, http.StatusOK, got.status)
				return
			}
			require.Equal(t, http.StatusUnauthorized, got.status)
			require.Zero(t, r.ran())
		})
	}
}

func TestACredentialInThePathIsSeen(t *testing.T) {
	everywhere(t, nil, func(t *testing.T, r *receiver, send send) {
		got := send(t, lowScore(t, "/webhooks/emberqa/another-token"))
		require.Equal(t, http.StatusUnauthorized, got.status)
		require.Zero(t, r.ran())

		require.Equal(t, http.StatusOK, send(t, lowScore(t, emberqaPath)).status)
		require.Len(t, r.lowScores.all(), 1)
		require.InDelta(t, 45, r.lowScores.all()[0].TotalScore, 0)
	})
}

func TestACredentialInTheQueryIsSeen(t *testing.T) {
	everywhere(t, nil, func(t *testing.T, r *receiver, send send) {
		require.Equal(t, http.StatusOK, send(t, lowScore(t, "/webhooks/emberqa/in-the-query?of=a&token="+token)).status)
		require.Equal(t, 1, r.ran())
	})
}

// escape escapes a segment of a path, including plus signs.
func escape(segment string) string { return strings.ReplaceAll(url.QueryEscape(segment), "+", "%20") }

// The handler must compare the unescaped token, no matter which layer decodes the URL.
func TestToken_MayHaveEscapedCharacters(t *testing.T) {
	for _, odd := range []string{"token+with+plus-signs", "token with spaces and more", "token%2Bthat looks escaped", "token&with=others;and?more#", "tökén-of-ünicode-letters"} {
		for _, m := range mounts {
			t.Run(odd+"/"+m.name, func(t *testing.T) {
				r := newReceiverFor(t, odd, nil)
				send := m.mount(t, r)
				require.Equal(t, http.StatusOK, send(t, lowScore(t, "/webhooks/emberqa/"+escape(odd))).status)
				require.Equal(t, http.StatusOK, send(t, lowScore(t, "/webhooks/emberqa/in-the-query?of=a&token="+url.QueryEscape(odd))).status)
				require.Equal(t, 1, r.ran())
				require.Equal(t, http.StatusUnauthorized, send(t, lowScore(t, "/webhooks/emberqa/"+url.PathEscape(odd+"x"))).status)
			})
		}
	}
}

func TestAFailureIsAnsweredAsTheContractSays(t *testing.T) {
	everywhere(t, errors.New("the pager is down"), func(t *testing.T, r *receiver, send send) {
		got := send(t, signed(t, frustration(), "delivery-1"))
		require.Equal(t, http.StatusInternalServerError, got.status)
		require.NotContains(t, got.body, "pager")
		require.Equal(t, 1, r.ran())
	})
	everywhere(t, webhook.RetryAfter(7*time.Second, errors.New("the pager is down")), func(t *testing.T, _ *receiver, send send) {
		got := send(t, lowScore(t, emberqaPath))
		require.Equal(t, http.StatusServiceUnavailable, got.status)
		require.Equal(t, "7", got.header.Get("Retry-After"))
	})
}

func TestAGetRunsNothing(t *testing.T) {
	for _, m := range mounts {
		t.Run(m.name, func(t *testing.T) {
			r := newReceiver(t, nil)
			request := lowScore(t, emberqaPath)
			request.Method = http.MethodGet
			replaceBody(request, nil)
			require.Equal(t, m.get, m.mount(t, r)(t, request).status)
			require.Zero(t, r.ran())
		})
	}
}
