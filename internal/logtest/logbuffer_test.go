package logtest_test

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/logtest"
)

func TestALineIsFoundByAllOfItsTexts(t *testing.T) {
	var log logtest.LogBuffer
	require.Empty(t, log.Lines())
	log.Text().Info("first", "a", 1)
	log.Text().Warn("second", "a", 1)
	log.Text().Debug("third")
	require.Len(t, log.Lines(), 2)
	require.Equal(t, 2, log.Count("a=1"))
	require.Equal(t, 1, log.Count("a=1", "level=WARN"))
	require.Zero(t, log.Count("first", "level=WARN"), "the texts are in different lines")
	require.NotContains(t, log.Lines("second")[0], "\n")
	require.Contains(t, log.String(), "second")
}

func TestALoggerOfJSONWritesFromItsLevelOn(t *testing.T) {
	var log logtest.LogBuffer
	log.JSON(slog.LevelWarn).Info("quiet")
	log.JSON(slog.LevelDebug).Debug("loud")
	require.Equal(t, 1, log.Count())
	require.Equal(t, 1, log.Count(`"level":"DEBUG"`, `"msg":"loud"`))
}
