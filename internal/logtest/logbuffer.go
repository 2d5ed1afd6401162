// Package logtest collects what a test logs.
package logtest

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
)

// A LogBuffer holds everything that was logged to it. The zero value is ready to use.
// It may be written and read at the same time.
type LogBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write appends p, so that a LogBuffer can be the writer of a slog.Handler.
func (b *LogBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *LogBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// Text returns a logger that writes text to the buffer, from level Info.
func (b *LogBuffer) Text() *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

// JSON returns a logger that writes JSON to the buffer, from the given level.
func (b *LogBuffer) JSON(level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(b, &slog.HandlerOptions{Level: level}))
}

// Lines returns the lines that contain all of the texts. Without texts, it returns every line.
func (b *LogBuffer) Lines(texts ...string) []string {
	var found []string
lines:
	for line := range strings.Lines(b.String()) {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue lines
			}
		}
		found = append(found, strings.TrimSuffix(line, "\n"))
	}
	return found
}

// Count returns how many lines contain all of the texts.
func (b *LogBuffer) Count(texts ...string) int { return len(b.Lines(texts...)) }
