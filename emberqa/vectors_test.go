package emberqa_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/emberqa"
	"github.com/aihooks/aihooks-go/internal/test/signtest"
	"github.com/aihooks/aihooks-go/webhook"
)

func TestHandler_MatchesReferenceVectors(t *testing.T) {
	for _, v := range signtest.LoadEmberQA(t, "../signature/testdata") {
		t.Run(v.Name, func(t *testing.T) {
			h, err := emberqa.Config{Credentials: credentials(v.Credentials)}.NewHandler(&webhook.Options{Logger: slog.New(slog.DiscardHandler)})
			if v.Want.Reason == signtest.KeysRefused {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			h.OnRedFlag(func(_ context.Context, _ *emberqa.RedFlag) error { return nil })

			// Parse it as a server does.
			q, err := http.ReadRequest(bufio.NewReader(strings.NewReader(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: receiver.test\r\n\r\n", v.Target))))
			require.NoError(t, err)
			for _, line := range v.Headers {
				q.Header[line[0]] = append(q.Header[line[0]], line[1])
			}
			result := h.Process(t.Context(), webhook.Request{URL: q.URL, Header: q.Header, Body: strings.NewReader(flag)})
			if !v.Want.Accepted {
				require.Equal(t, webhook.Unauthenticated, result.Outcome)
				require.Equal(t, webhook.Reason(v.Want.Reason), result.Reason)
				return
			}
			require.Equal(t, webhook.Handled, result.Outcome, result.Err)
			require.Equal(t, v.Want.Key, result.Delivery.SignedBy)
		})
	}
}

func credentials(all []signtest.Credential) []emberqa.Credential {
	made := make([]emberqa.Credential, len(all))
	for i, c := range all {
		if c.Token != nil {
			made[i] = emberqa.Token(*c.Token).Named(c.Name)
		} else {
			made[i] = emberqa.Basic(*c.User, *c.Password).Named(c.Name)
		}
	}
	return made
}
