package allvendors_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/internal/test/vendortest"
	"github.com/aihooks/aihooks-go/webhook"
)

func TestLog_HealthyServiceIsSilentAtWarn(t *testing.T) {
	forEachVendor(t, func(t *testing.T, v *vendortest.Kit) {
		var log, serverLog logtest.LogBuffer
		h, err := v.New(&webhook.Options{Logger: log.JSON(slog.LevelDebug)})
		require.NoError(t, err)
		h.OnEvent(succeed)
		s := httptest.NewUnstartedServer(nil)
		s.Config = webhook.NewServer("", h)
		s.Config.ErrorLog = slog.NewLogLogger(serverLog.JSON(slog.LevelDebug).Handler(), slog.LevelError)
		s.Start()
		defer s.Close()

		sender := v.NewSenderTo(t, s.URL, v.Secret)
		for _, d := range sender.Samples() {
			sender.SendTwiceAtOnce(d).WantOK()
			sender.Send(d).WantOK()
		}
		require.NoError(t, s.Config.Shutdown(t.Context()))
		require.NoError(t, h.Shutdown(t.Context()))

		require.GreaterOrEqual(t, log.Count(`"level":"DEBUG"`), 3*len(v.Samples))
		require.Zero(t, log.Count(`"level":"WARN"`)+log.Count(`"level":"ERROR"`), log.String())
		require.Empty(t, serverLog.Lines())
	})
}

// Checks that the test above can fail.
func TestLog_UnhealthyServiceIsNotSilent(t *testing.T) {
	forEachVendor(t, func(t *testing.T, v *vendortest.Kit) {
		var log logtest.LogBuffer
		h, err := v.New(&webhook.Options{Logger: log.JSON(slog.LevelWarn)})
		require.NoError(t, err)
		h.OnEvent(func(context.Context, webhook.AnyEvent) error { return http.ErrAbortHandler })
		sender := v.Sender(t, h)
		sender.Process(sender.Samples()[0])
		require.Len(t, log.Lines(), 1)
	})
}
