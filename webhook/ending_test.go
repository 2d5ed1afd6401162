package webhook_test

import (
	"strings"

	"github.com/aihooks/aihooks-go/webhook"
)

// Outcomes with a reason, for tables; see as.
const (
	stale         = webhook.Outcome("rejected/stale")
	inFuture      = webhook.Outcome("rejected/future")
	noObject      = webhook.Outcome("rejected/no_json_object")
	noTime        = webhook.Outcome("rejected/no_time")
	bodyLength    = webhook.Outcome("rejected/body_length")
	bodyCutOff    = webhook.Outcome("rejected/body_cut_off")
	retryLater    = webhook.Outcome("failed/retry_after")
	panicked      = webhook.Outcome("failed/panic")
	misfits       = webhook.Outcome("failed/undecodable")
	overrun       = webhook.Outcome("in_flight/overrun")
	overrunLast   = webhook.Outcome("in_flight/overrun_last_attempt")
	shuttingDown  = webhook.Outcome("unavailable/shutting_down")
	rateLimit     = webhook.Outcome("unavailable/rate_limit")
	endpointCheck = webhook.Outcome("ignored/endpoint_check")
)

// as returns an outcome, with its reason if want has a reason.
func as(want, o webhook.Outcome, r webhook.Reason) webhook.Outcome {
	if strings.Contains(string(want), "/") {
		return o + "/" + webhook.Outcome(r)
	}
	return o
}
