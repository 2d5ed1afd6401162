package routers_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/emberqa"
	"github.com/aihooks/aihooks-go/emberqa/emberqatest"
	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/greenflash/greenflashtest"
	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

const (
	secret = "whsec of the tests of the routers"
	token  = "token-of-the-tests-of-the-routers"

	greenflashPath = "/webhooks/greenflash"
	emberqaPath    = "/webhooks/emberqa/" + token
)

// A receiver has the two handlers that every router mounts, and records their callbacks.
type receiver struct {
	greenflash *greenflash.Handler
	emberqa    *emberqa.Handler

	frustrations calls[*greenflash.ConversationFrustration]
	lowScores    calls[*emberqa.LowScore]
	log          logtest.LogBuffer
}

// newReceiver returns a receiver whose callbacks return err.
func newReceiver(t *testing.T, err error) *receiver { return newReceiverFor(t, token, err) }

// newReceiverFor returns a receiver with another token for EmberQA.
func newReceiverFor(t *testing.T, token string, err error) *receiver {
	r := new(receiver)
	options := &webhook.Options{MaxBody: 200 << 10, Logger: slog.New(slog.NewJSONHandler(&r.log, nil))}
	var failed error
	r.greenflash, failed = greenflash.NewHandler(secret, options)
	require.NoError(t, failed)
	r.emberqa, failed = emberqa.NewHandler(emberqa.Token(token), options)
	require.NoError(t, failed)
	r.greenflash.OnConversationFrustration(func(_ context.Context, e *greenflash.ConversationFrustration) error {
		r.frustrations.add(e)
		return err
	})
	r.emberqa.OnLowScore(func(_ context.Context, e *emberqa.LowScore) error {
		r.lowScores.add(e)
		return err
	})
	return r
}

// ran returns the number of callbacks of both handlers.
func (r *receiver) ran() int { return len(r.frustrations.all()) + len(r.lowScores.all()) }

type calls[E any] struct {
	mu   sync.Mutex
	seen []E
}

func (c *calls[E]) add(e E) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, e)
}

func (c *calls[E]) all() []E {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.seen)
}

// onlyLine returns the only line of a log.
func onlyLine(t *testing.T, log *logtest.LogBuffer) map[string]any {
	line := make(map[string]any)
	require.NoError(t, json.Unmarshal([]byte(log.String()), &line), "%s", log)
	return line
}

// A response is the response that the sender gets.
type response struct {
	status int
	header http.Header
	body   string
}

// frustration returns the sample of Greenflash that the tests send.
func frustration() []byte { return sample(greenflashtest.Samples(), "conversation.frustration") }

func sample(samples []webhooktest.Sample, name string) []byte {
	return samples[slices.IndexFunc(samples, func(s webhooktest.Sample) bool { return s.Name == name })].Body
}

// signed returns a signed delivery of Greenflash.
func signed(t *testing.T, body []byte, id string) *http.Request {
	sender := webhooktest.Signer{
		Profile: greenflash.Profile(),
		URL:     "http://receiver.test" + greenflashPath,
		Key:     signature.NewKey("test", secret),
		Form:    string(greenflash.FormDelivery),
	}
	request, err := sender.Request(body, time.Now(), id)
	require.NoError(t, err)
	return request
}

// lowScore returns a delivery of EmberQA to a path.
func lowScore(t *testing.T, path string) *http.Request {
	sender := webhooktest.Signer{Profile: emberqa.Profile(), URL: "http://receiver.test" + path}
	request, err := sender.Request(sample(emberqatest.Samples(), "low_score"), time.Now(), "")
	require.NoError(t, err)
	return request
}
