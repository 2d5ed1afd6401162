package routers

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/webhook"
)

// LambdaOptions are options for a function of AWS Lambda, whose sandbox is frozen once the function has returned. What a
// callback had not done by then goes on when the sandbox is used again, or never. So its context ends before the answer
// is due: a callback that heeds it has failed in time, is answered 500 and comes again. Work that takes longer belongs in
// an inbox (river or jetstream) that a process elsewhere runs.
//
// The function's own timeout must be at least 500 ms longer than ResponseTimeout. Otherwise Process responds with that margin
// before the deadline of the function's context. Both are counted from when the function is called: the vendor has been
// waiting for the sandbox to start by then.
//
// The store must be one that all sandboxes share, redisstore or sqlstore: with the default, each has a memory of its own.
func LambdaOptions(shared idempotency.Store) *webhook.Options {
	return &webhook.Options{Store: shared, ResponseTimeout: 3 * time.Second, CallbackTimeout: 2 * time.Second}
}

// A ProxyEvent is an event in payload format 1.0.
type ProxyEvent struct {
	events.APIGatewayProxyRequest
	Version string `json:"version"` // only from an HTTP API, which decodes the path; a REST API does not
}

// LambdaREST is the function behind a REST API, and behind an HTTP API whose payload format is 1.0. In main:
//
//	lambda.Start(routers.LambdaREST(hook.Handler))
func LambdaREST(hook *webhook.Handler) func(context.Context, ProxyEvent) (events.APIGatewayProxyResponse, error) {
	return func(ctx context.Context, e ProxyEvent) (events.APIGatewayProxyResponse, error) {
		path := e.Path
		if e.Version == "" {
			path = unescape(path)
		}
		query := url.Values(orLists(e.MultiValueQueryStringParameters, e.QueryStringParameters)) // the gateway has decoded it
		result := hook.Process(ctx, webhook.Request{
			Method: e.HTTPMethod,
			URL:    &url.URL{Path: path, RawQuery: query.Encode()},
			Header: orLists(e.MultiValueHeaders, e.Headers),
			Body:   body(e.Body, e.IsBase64Encoded),
		})
		return events.APIGatewayProxyResponse{
			StatusCode:        result.Status,
			MultiValueHeaders: result.Header(),
			Body:              string(result.Body),
		}, nil
	}
}

// LambdaALB is the function behind an Application Load Balancer, with multi-value headers in its target group or without.
// In main:
//
//	lambda.Start(routers.LambdaALB(hook.Handler))
func LambdaALB(hook *webhook.Handler) func(context.Context, events.ALBTargetGroupRequest) (events.ALBTargetGroupResponse, error) {
	return func(ctx context.Context, e events.ALBTargetGroupRequest) (events.ALBTargetGroupResponse, error) {
		var query []string // the load balancer has not decoded it
		for name, values := range orLists(e.MultiValueQueryStringParameters, e.QueryStringParameters) {
			for _, value := range values {
				query = append(query, name+"="+value)
			}
		}
		result := hook.Process(ctx, webhook.Request{
			Method: e.HTTPMethod,
			URL:    &url.URL{Path: unescape(e.Path), RawQuery: strings.Join(query, "&")},
			Header: orLists(e.MultiValueHeaders, e.Headers),
			Body:   body(e.Body, e.IsBase64Encoded),
		})
		response := events.ALBTargetGroupResponse{
			StatusCode:        result.Status,
			StatusDescription: strconv.Itoa(result.Status) + " " + http.StatusText(result.Status),
			Body:              string(result.Body),
		}
		if e.MultiValueHeaders != nil { // the load balancer reads only the kind that it sends
			response.MultiValueHeaders = result.Header()
		} else {
			response.Headers = singles(result.Header())
		}
		return response, nil
	}
}

// LambdaHTTP is the function behind an HTTP API, whose payload format is 2.0 unless you have chosen 1.0. The gateway has
// decoded the path. In main:
//
//	lambda.Start(routers.LambdaHTTP(hook.Handler))
func LambdaHTTP(hook *webhook.Handler) func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	return func(ctx context.Context, e events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		result := hook.Process(ctx, webhook.Request{
			Method: e.RequestContext.HTTP.Method,
			URL:    &url.URL{Path: e.RawPath, RawQuery: e.RawQueryString},
			Header: lists(e.Headers),
			Body:   body(e.Body, e.IsBase64Encoded),
		})
		return events.APIGatewayV2HTTPResponse{
			StatusCode: result.Status,
			Headers:    singles(result.Header()),
			Body:       string(result.Body),
		}, nil
	}
}

// LambdaURL is the function behind a function URL. Its events are those of an HTTP API, but for the path, which is not
// decoded. In main:
//
//	lambda.Start(routers.LambdaURL(hook.Handler))
func LambdaURL(hook *webhook.Handler) func(context.Context, events.LambdaFunctionURLRequest) (events.LambdaFunctionURLResponse, error) {
	return func(ctx context.Context, e events.LambdaFunctionURLRequest) (events.LambdaFunctionURLResponse, error) {
		result := hook.Process(ctx, webhook.Request{
			Method: e.RequestContext.HTTP.Method,
			URL:    &url.URL{Path: unescape(e.RawPath), RawQuery: e.RawQueryString},
			Header: lists(e.Headers),
			Body:   body(e.Body, e.IsBase64Encoded),
		})
		return events.LambdaFunctionURLResponse{
			StatusCode: result.Status,
			Headers:    singles(result.Header()),
			Body:       string(result.Body),
		}, nil
	}
}

// body returns the bytes that the sender signed: the gateway may have put them into base64.
func body(text string, inBase64 bool) io.Reader {
	if inBase64 {
		return base64.NewDecoder(base64.StdEncoding, strings.NewReader(text))
	}
	return strings.NewReader(text)
}

// unescape decodes a path, as net/http does before it calls a handler.
func unescape(path string) string {
	if decoded, err := url.PathUnescape(path); err == nil {
		return decoded
	}
	return path
}

// orLists returns several, which has all values of each name. Some events have only single, with the last of each.
func orLists(several map[string][]string, single map[string]string) map[string][]string {
	if several != nil {
		return several
	}
	return lists(single)
}

// lists returns the headers of an event. Their names are in lower case; the handler does not mind.
func lists(single map[string]string) http.Header {
	header := make(http.Header, len(single))
	for name, value := range single {
		header[name] = []string{value}
	}
	return header
}

// singles returns the headers of an answer, of which the handler sets none twice.
func singles(header http.Header) map[string]string {
	single := make(map[string]string, len(header))
	for name := range header {
		single[name] = header.Get(name)
	}
	return single
}
