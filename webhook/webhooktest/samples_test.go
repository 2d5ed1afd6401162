package webhooktest_test

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

type opened struct {
	webhook.Event `json:"@event"`
}

var profile = vendors.Profile{
	Name:     "acme",
	Envelope: vendors.EnvelopeNames{Type: []string{"type", "event"}},
	Events:   []vendors.EventType{webhook.NewEventType[opened]("opened"), webhook.NewEventType[opened]("closed")},
}

func filesOf(bodies map[string]string) fstest.MapFS {
	files := make(fstest.MapFS)
	for name, body := range bodies {
		files[name] = &fstest.MapFile{Data: []byte(body)}
	}
	return files
}

func TestReadSamples_SortsByTypeThenName(t *testing.T) {
	files := filesOf(map[string]string{
		"samples/closed.json":      `{"type":"closed"}`,
		"samples/opened.flat.json": `{"event":"opened"}`,
		"samples/opened.json":      `{"type":"opened","data":{}}`,
		"samples/README.md":        `no sample`,
		"elsewhere/closed.json":    `{"type":"closed"}`,
	})
	require.Equal(t, []webhooktest.Sample{
		{Name: "opened", Type: "opened", Body: []byte(`{"type":"opened","data":{}}`)},
		{Name: "opened.flat", Type: "opened", Documented: true, Body: []byte(`{"event":"opened"}`)},
		{Name: "closed", Type: "closed", Documented: true, Body: []byte(`{"type":"closed"}`)},
	}, webhooktest.ReadSamples(files, profile, "closed", "opened.flat"))
}

func TestReadSamples_PanicsOnUnfitFiles(t *testing.T) {
	both := map[string]string{"samples/a.json": `{"type":"opened"}`, "samples/b.json": `{"type":"closed"}`}
	with := func(name, body string) fstest.MapFS {
		files := filesOf(both)
		files[name] = &fstest.MapFile{Data: []byte(body)}
		return files
	}
	for text, read := range map[string]func(){
		`webhooktest: the type "closed" of acme has no sample`: func() {
			webhooktest.ReadSamples(filesOf(map[string]string{"samples/a.json": `{"type":"opened"}`}), profile)
		},
		`webhooktest: the sample "c" is of the type "moved", which acme does not have`: func() {
			webhooktest.ReadSamples(with("samples/c.json", `{"type":"moved"}`), profile)
		},
		`webhooktest: the sample "c" is of the type "", which acme does not have`: func() {
			webhooktest.ReadSamples(with("samples/c.json", `{"type":`), profile)
		},
		`webhooktest: there is no sample "d"`: func() { webhooktest.ReadSamples(filesOf(both), profile, "a", "d") },
	} {
		require.PanicsWithValue(t, text, read)
	}
}
