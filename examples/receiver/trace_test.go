package main

import (
	"context"
	"net/http/httptrace"
)

// onWrote returns a context under which wrote is closed once a request has been written.
func onWrote(ctx context.Context, wrote chan struct{}) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest: func(httptrace.WroteRequestInfo) { close(wrote) },
	})
}
