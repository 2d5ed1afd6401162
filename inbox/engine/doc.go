// Package engine has what the engines of package [inbox] share. Users of an inbox do not need it.
//
// An engine stores deliveries, leases them to a process, and records results. This package runs them: it calls the handlers,
// keeps the limits, drains, and decides what a result means. An engine does the following:
//
//   - Its options call [WithDefaults] for their [inbox.Policy].
//   - It keeps one [Runs]. Add, Remove and Shutdown of the engine call its methods of the same names.
//   - Run begins with [Runs.Begin], which returns a [Dispatcher], and works until [Dispatcher.Context] ends. It takes the
//     handlers from [Dispatcher.Handlers] again whenever [Dispatcher.Changed] receives.
//   - For each handler it calls [Dispatcher.Reserve], takes at most as many due deliveries out of its storage under a lease,
//     calls [Dispatcher.Go] for each, and gives back the slots that it does not need by [Dispatcher.Unreserve]. It looks
//     again when [Dispatcher.Freed] receives, when a delivery is due, and when one is stored.
//   - The callback of Go gets a [Decision]. The engine records its [Disposition], and its Attempt by [Append], under a
//     fence: a result that comes after the lease ended changes nothing.
//   - After it has stored a dead letter, it calls [Dispatcher.DeadLetter] once.
//   - While callbacks run, it renews their leases, also while [Dispatcher.Drain] waits. It calls Drain when it takes no more
//     deliveries, and then returns.
//   - A delivery whose lease ended without a result was lost: [Lose] decides about it. One for which [IsSuspect] reports
//     true runs only while [Runs.ReserveSuspect] has reserved the slot.
//   - Retry, Rerun, Discard and DeadLetters begin with [CheckFilter], and select as [Matches] does.
//   - Deferred deliveries become pending again when a handler of the Run reports a callback for their type.
//   - It warns of stored deliveries without a handler by [Dispatcher.Absent].
//
// The tests of an engine call inboxtest.Run, which checks all rules of [inbox.Inbox].
package engine
