// Package engine has what the engines of package [inbox] share. Users of an inbox do not need it.
//
// An engine stores deliveries and leases them to processes. This package runs them: it keeps the limits, calls the
// handlers, decides what a result means, tries to record it until it is stored, renews the leases, and drains.
//
// # Adding an engine
//
// An engine implements [inbox.Inbox] in three parts:
//
//   - Its options call [WithDefaults] for their [inbox.Policy]. It keeps one [Runs]. Add, Remove and Shutdown call its
//     methods of the same names.
//   - Run calls [Runs.Begin] and then [Dispatcher.Work] with a [Storage], whose functions take deliveries, renew leases and
//     maintain. Each delivery that is taken is a [Lease], with methods that record its [Decision] or give it back. The
//     example is a complete engine.
//   - DeadLetters and the operations begin with [CheckFilter], and select as [inbox.Filter.Matches] does. Retry, Rerun and
//     Discard are done in [Controls.Audited].
//   - It keeps the [Records] of operators. [Controls] then implements Pause, Resume, Pauses and Audit, and [Runs] has it.
//
// These rules are the engine's:
//
//   - A result that comes after the lease ended changes nothing: its method returns [ErrLeaseEnded].
//   - A delivery whose lease ended without a result was lost: [Lose] decides about it, and [Dispatcher.DeadLetter] reports
//     a dead letter. A delivery for which [IsSuspect] reports true runs only while [Runs.ReserveSuspect] has reserved the
//     slot.
//   - Deferred deliveries become pending again when a handler of the Run reports a callback for their type.
//   - It warns of stored deliveries without a handler by [Dispatcher.Absent].
//
// The tests of an engine call inboxtest.Run, which checks all rules of [inbox.Inbox].
//
// An engine on a job queue that has a loop of workers, such as River, does not call Work. It reserves a slot, calls
// [Dispatcher.Go], and renews leases while [Dispatcher.Drain] waits.
package engine
