// Package logtest keeps what a test's programs log.
package logtest

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
)

// A Book is what has been logged. The zero value is ready, and may be written and read at the same time.
type Book struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write makes the book the writer of a slog.Handler.
func (b *Book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *Book) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// Text returns a logger that writes into the book, as text, what is of the level Info or above.
func (b *Book) Text() *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

// JSON returns a logger that writes into the book, as JSON, what is of that level or above.
func (b *Book) JSON(level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(b, &slog.HandlerOptions{Level: level}))
}

// Lines returns the lines that have all of the texts in them; without a text, all lines.
func (b *Book) Lines(texts ...string) []string {
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

// Count returns how many lines have all of the texts in them.
func (b *Book) Count(texts ...string) int { return len(b.Lines(texts...)) }
