package webhook

// A meaning describes an outcome or a reason, and what an operator does about it.
type meaning struct {
	name          string // the outcome or the reason
	means, action string
}

// meanings is the table behind docs/outcomes.md, [Outcome.Help] and [Reason.Help].
var meanings = struct{ outcomes, reasons []meaning }{
	outcomes: []meaning{
		{"handled", "The callback returned nil.", "Nothing."},
		{"stored", "The inbox has stored the delivery, and runs its callback later.", "Nothing."},
		{"duplicate", "The delivery was completed before, and does not run again.", "Nothing, unless duplicates are unusually frequent: then responses may not reach the vendor."},
		{"ignored", "The callback returned Ignore.", "Nothing."},
		{"unhandled", "There is no callback for the type.", "Register a callback, or remove the type from the vendor's settings."},
		{"in_flight", "The callback is still running, for this delivery or for an earlier copy. Unless the reason is overrun_last_attempt, the vendor sends it again.", "Nothing, unless frequent: then the callback is slow."},
		{"failed", "The callback failed. The inbox tries again, or the vendor if it retries.", "Read the error in the log line."},
		{"dead_lettered", "The delivery is not tried again. DeadLetter or the inbox has it.", "Fix the cause, then retry or discard it."},
		{"dropped", "The delivery is not tried again, and nothing has kept it.", "Set Options.DeadLetter or an inbox. The log line has the error."},
		{"unauthenticated", "The signature or the credential is missing or wrong.", "If the sender is the vendor, read the explanation in the log line. Most often the secret is wrong."},
		{"rejected", "The request is not acceptable: its method, size, encoding, body or time.", "See the reason."},
		{"unavailable", "This service could not process the delivery now. The vendor sends it again.", "See the reason."},
	},
	reasons: []meaning{
		{"lease_lost", "The callback ran for longer than its lease, or the lease could not be renewed, and another process has claimed the delivery.", "The callback may have run twice. Make it faster, or CallbackTimeout longer, and look at the store."},
		{"store", "The store failed or was too slow. If the outcome is handled or ignored, the callback ran before that.", "Check the store. A callback that has run may run again."},
		{"stored_before", "The inbox already has the delivery.", "Nothing."},
		{"other_content", "A duplicate has another body than the earlier delivery.", "Compare the two: the vendor changed the body, or gave two events one id."},
		{"overrun", "The callback still ran when the response was due. It goes on.", "Make the callback faster, or use an inbox."},
		{"overrun_last_attempt", "The callback still ran when the response to the vendor's last attempt was due. The response was 200.", "Use an inbox. If the callback fails, the delivery is lost unless DeadLetter is set."},
		{"panic", "The callback panicked, or ended its goroutine.", "Fix the callback. The log line has the stack."},
		{"retry_after", "The callback returned RetryAfter.", "Nothing."},
		{"permanent", "The callback returned Permanent.", "Read the error."},
		{"last_attempt", "The callback failed on an attempt that can be the vendor's last.", "Fix the cause, then run the dead letter again. If the outcome is failed or dropped, no dead letter exists: set Options.DeadLetter or an inbox."},
		{"undecodable", "The body does not fit the Go type of the event.", "Compare the body with the type. Report it: the vendor's format may have changed."},
		{"dead_letter_failed", "Options.DeadLetter returned an error. The vendor tries again.", "Check where dead letters are saved."},
		{"endpoint_check", "A HEAD or GET request asked whether the endpoint exists.", "Nothing."},
		{"no_callback", "The vendor documents the type, and there is no callback for it.", "Register a callback, or remove the type from the vendor's settings."},
		{"unknown_type", "The vendor does not document the type.", "Look at the vendor's page: there may be a new event."},
		{"credential", "The credential is missing or wrong.", "Read the explanation in the log line."},
		{"header_missing", "The signature header is missing or empty.", "Check that the sender signs, and that no proxy drops the header."},
		{"header_repeated", "The signature header, or a signed one, came more than once.", "Check the proxies."},
		{"header_malformed", "The signature header does not have the documented form.", "Read the explanation in the log line."},
		{"signature_mismatch", "No live key makes the signature.", "Read the explanation in the log line. Most often the secret is wrong."},
		{"no_json_object", "The delivery is authentic, but its body is not a JSON object.", "Report it: the vendor's format may have changed."},
		{"no_time", "The delivery is authentic, but has no time that can be read.", "Report it: the vendor's format may have changed."},
		{"stale", "The signed time is older than the window allows: see Config.Window.", "Check the clock. Otherwise it is a replay, or a delivery that was late."},
		{"future", "The signed time is ahead of the clock by more than 5 min.", "Check the clock of this machine."},
		{"body_slow", "The body did not arrive within BodyTimeout.", "Nothing, unless the sender is the vendor: then check the network."},
		{"body_cut_off", "The connection broke before the body was complete.", "Nothing, unless the sender is the vendor: then check proxies and network."},
		{"body_length", "The body is not as long as Content-Length says.", "Check whether a middleware reads or changes the body."},
		{"too_large", "The body is larger than MaxBody.", "Raise MaxBody if the sender is the vendor."},
		{"content_encoding", "The body is compressed.", "Configure the proxy not to compress requests."},
		{"method", "The method is not POST.", "Nothing. For senders that check an endpoint, set Options.RespondToGET."},
		{"shutting_down", "The handler is shut down.", "Nothing during a deploy."},
		{"reading_limit", "The read budget is used up by bodies that are being read.", "Under attack, nothing. Otherwise raise Options.ReadBudget."},
		{"evicted", "The read budget was used up, and this was the slowest body.", "Under attack, nothing. Otherwise raise Options.ReadBudget."},
		{"running_limit", "MaxRunning callbacks are running.", "Make callbacks faster, use an inbox, or raise MaxRunning."},
		{"rate_limit", "More authentic deliveries came than RateLimit allows.", "Raise RateLimit if the traffic is genuine."},
		{"authenticator", "The Authenticator could not decide.", "Check what it depends on, such as a database of keys."},
		{"store_full", "The store is full.", "Raise its limit, or shorten its retention."},
		{"inbox", "The inbox failed or was too slow.", "Check the inbox's database or disk."},
		{"inbox_full", "The inbox is full.", "Check why callbacks do not finish: the inbox's limit, its dead letters, free disk space."},
	},
}

// Help returns what the outcome means and what an operator does about it. Both are empty for an unknown outcome.
func (o Outcome) Help() (means, action string) { return help(meanings.outcomes, string(o)) }

// Help returns what the reason means and what an operator does about it. Both are empty for [ReasonNone] and for an
// unknown reason.
func (r Reason) Help() (means, action string) { return help(meanings.reasons, string(r)) }

func help(table []meaning, name string) (means, action string) {
	for _, m := range table {
		if m.name == name {
			return m.means, m.action
		}
	}
	return "", ""
}
