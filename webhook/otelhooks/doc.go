// Package otelhooks reports to OpenTelemetry what the handlers and inboxes of this module do. It uses the OpenTelemetry API
// only; the SDK and its exporters are the program's.
//
//	telemetry, err := otelhooks.New(nil) // the global providers
//	hook, err := workflux.NewHandler(secret, telemetry.Options(&webhook.Options{Inbox: box}))
//	http.Handle("POST /webhooks/workflux", telemetry.Handler(hook))
//	telemetry.Inbox("main", box)
//
// # Metrics
//
//	aihooks.deliveries           counter    requests, runs of stored deliveries and late results; by vendor, endpoint,
//	                                        type, outcome, reason and stage ("request", "inbox" or "late")
//	aihooks.delivery.age         histogram  seconds from the event's time until its arrival; by vendor and endpoint
//	aihooks.delivery.size        histogram  bytes of the bodies of authentic deliveries; by vendor and endpoint
//	aihooks.response.duration    histogram  seconds until the response; by vendor, endpoint and outcome
//	aihooks.callback.duration    histogram  seconds in the callback; by vendor, endpoint and type, and error.type if it failed
//	aihooks.callback.attempts    histogram  number of the run that ended; for stored deliveries; by vendor and endpoint
//	aihooks.key.deliveries       counter    authentic requests; by vendor, endpoint and the name of the key
//	aihooks.store.duration       histogram  seconds of a call to the store; by method, and error.type if it failed
//	aihooks.callbacks.running    gauge      callbacks that run, and .limit; by vendor and endpoint
//	aihooks.reading.memory       gauge      bytes of bodies that are being read, and .limit; by vendor and endpoint
//	aihooks.accepted.age         gauge      seconds since a delivery was accepted; missing before the first one
//	aihooks.silent               gauge      1 while no delivery was accepted for webhook.Options.SilentAfter
//	aihooks.inbox.entries        gauge      stored deliveries; by inbox and state
//	aihooks.inbox.oldest         gauge      seconds since the oldest pending delivery was due; by inbox
//
// All labels come from fixed lists or from the configuration. A type that the vendor does not document is "other". So a
// sender cannot create time series.
//
// # Traces
//
// Each request has a span of the kind server, and each run of a callback has a span below it. With an inbox, the traceparent
// of the request (W3C Trace Context) is stored with the delivery, in its Header. So a run hours later, in another process and
// on any engine, belongs to the trace of its request. The traceparent of the sender is used only with [Options].Remote.
package otelhooks
