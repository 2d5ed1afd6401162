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

// LambdaOptions returns options for an AWS Lambda function. Lambda freezes the sandbox when the function has returned. A callback that
// still runs then continues when the sandbox is used again, or never. Therefore, the callback's context ends before the response is
// due. A callback that honors its context then fails in time, the response is 500, and the delivery comes again. For longer work, use
// an inbox (river or jetstream) that a process elsewhere runs.
//
// The timeout of the function must be at least 500 ms longer than ResponseTimeout. Otherwise, Process responds with that margin before
// the deadline of the function's context. Both begin when the function is called. The vendor may have waited longer, because the
// sandbox had to start.
//
// All sandboxes must share the store, so use redisstore or sqlstore. The default store is in the memory of each sandbox.
func LambdaOptions(shared idempotency.Store) *webhook.Options {
	return &webhook.Options{Store: shared, ResponseTimeout: 3 * time.Second, CallbackTimeout: 2 * time.Second}
}

// A ProxyEvent is an event in payload format 1.0.
type ProxyEvent struct {
	events.APIGatewayProxyRequest
	Version string `json:"version"` // set by HTTP APIs, which decode the path, and not by REST APIs
}

// LambdaREST returns the function for a REST API, or for an HTTP API with payload format 1.0. In main:
//
//	lambda.Start(routers.LambdaREST(hook.Handler))
func LambdaREST(hook *webhook.Handler) func(context.Context, ProxyEvent) (events.APIGatewayProxyResponse, error) {
	return func(ctx context.Context, e ProxyEvent) (events.APIGatewayProxyResponse, error) {
		path := e.Path
		if e.Version == "" {
			path = unescape(path)
		}
		query := url.Values(orLists(e.MultiValueQueryStringParameters, e.QueryStringParameters)) // the gateway decodes it
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

// LambdaALB returns the function for an Application Load Balancer. The target group may have multi-value headers or not. In main:
//
//	lambda.Start(routers.LambdaALB(hook.Handler))
func LambdaALB(hook *webhook.Handler) func(context.Context, events.ALBTargetGroupRequest) (events.ALBTargetGroupResponse, error) {
	return func(ctx context.Context, e events.ALBTargetGroupRequest) (events.ALBTargetGroupResponse, error) {
		var query []string // the load balancer does not decode it
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
		if e.MultiValueHeaders != nil { // the load balancer reads only the kind of headers that it sends
			response.MultiValueHeaders = result.Header()
		} else {
			response.Headers = singles(result.Header())
		}
		return response, nil
	}
}

// LambdaHTTP returns the function for an HTTP API with payload format 2.0, which is the default. The gateway decodes the path. In
// main:
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

// LambdaURL returns the function for a function URL. Its events are those of an HTTP API, except that the path is not decoded. In
// main:
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

// body returns the bytes that the sender signed. The gateway may have encoded them in base64.
func body(text string, inBase64 bool) io.Reader {
	if inBase64 {
		return base64.NewDecoder(base64.StdEncoding, strings.NewReader(text))
	}
	return strings.NewReader(text)
}

// unescape decodes a path, as net/http does.
func unescape(path string) string {
	if decoded, err := url.PathUnescape(path); err == nil {
		return decoded
	}
	return path
}

// orLists returns several, which has all values of each name. If an event has only single, orLists returns its values.
func orLists(several map[string][]string, single map[string]string) map[string][]string {
	if several != nil {
		return several
	}
	return lists(single)
}

// lists converts the headers of an event. The names may be in lower case, because the handler ignores case.
func lists(single map[string]string) http.Header {
	header := make(http.Header, len(single))
	for name, value := range single {
		header[name] = []string{value}
	}
	return header
}

// singles converts the headers of a response. The handler sets no header twice.
func singles(header http.Header) map[string]string {
	single := make(map[string]string, len(header))
	for name := range header {
		single[name] = header.Get(name)
	}
	return single
}
