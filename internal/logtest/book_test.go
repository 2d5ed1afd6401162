package logtest_test

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/logtest"
)

func TestALineIsFoundByAllOfItsTexts(t *testing.T) {
	var book logtest.Book
	require.Empty(t, book.Lines())
	book.Text().Info("first", "a", 1)
	book.Text().Warn("second", "a", 1)
	book.Text().Debug("third")
	require.Len(t, book.Lines(), 2)
	require.Equal(t, 2, book.Count("a=1"))
	require.Equal(t, 1, book.Count("a=1", "level=WARN"))
	require.Zero(t, book.Count("first", "level=WARN"), "they are in two lines")
	require.NotContains(t, book.Lines("second")[0], "\n")
	require.Contains(t, book.String(), "second")
}

func TestALoggerOfJSONWritesFromItsLevelOn(t *testing.T) {
	var book logtest.Book
	book.JSON(slog.LevelWarn).Info("quiet")
	book.JSON(slog.LevelDebug).Debug("loud")
	require.Equal(t, 1, book.Count())
	require.Equal(t, 1, book.Count(`"level":"DEBUG"`, `"msg":"loud"`))
}
