package sqliteinbox

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

// encode returns the delivery as JSON without its body, which is stored separately.
func encode(d *webhook.Delivery) (string, error) {
	rest := *d
	rest.Body = nil
	meta, err := json.Marshal(&rest)
	if err != nil {
		return "", fmt.Errorf("sqliteinbox: encode the delivery: %w", err)
	}
	return string(meta), nil
}

func decode(meta string, body []byte) (*webhook.Delivery, error) {
	d := new(webhook.Delivery)
	if err := json.Unmarshal([]byte(meta), d); err != nil {
		return nil, fmt.Errorf("sqliteinbox: decode the stored delivery: %w", err)
	}
	d.Body = body
	return d, nil
}

func readHistory(text string) ([]inbox.Attempt, error) {
	if text == "" {
		return nil, nil
	}
	var history []inbox.Attempt
	if err := json.Unmarshal([]byte(text), &history); err != nil {
		return nil, fmt.Errorf("sqliteinbox: decode the stored attempts: %w", err)
	}
	return history, nil
}

func writeHistory(history []inbox.Attempt) (any, error) {
	if len(history) == 0 {
		return nil, nil //nolint:nilnil // NULL
	}
	text, err := json.Marshal(history)
	return string(text), err
}

func endpointName(vendor, endpoint string) string { return vendor + "/" + endpoint }

func splitEndpoint(name string) (vendor, endpoint string) {
	vendor, endpoint, _ = strings.Cut(name, "/")
	return vendor, endpoint
}

// milliseconds rounds down.
func milliseconds(t time.Time) int64 { return t.UnixMilli() }

func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
