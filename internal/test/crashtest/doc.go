// Package crashtest tests that an inbox loses no delivery and completes none twice. It sends deliveries as the vendors
// do, with their retry schedules, to receivers that are separate processes. It kills and replaces the receivers while it
// sends, and checks the invariants at the end.
//
// The package knows no engine. A test passes the command that starts a receiver, which calls [Receiver.Serve]. The test
// also passes the rows that the callbacks have written.
//
//	fleet := crashtest.NewFleet(t, 1, command)
//	sender := crashtest.Sender{Deliveries: crashtest.Deliveries(1000), Fleet: fleet, …}
//	sender.SendDuring(func() { fleet.KillReceivers(10, sender.Progress) })
//	crashtest.Invariants{…}.Check(t)
//
// It is for Unix only, because it ends receivers with SIGTERM and SIGUSR1.
package crashtest
