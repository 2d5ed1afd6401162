package routers_test

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/stretchr/testify/require"
)

// The events have the form that AWS documents. The tests insert the data of a delivery.
var (
	//go:embed testdata/rest.json
	restEvent []byte
	//go:embed testdata/http.json
	httpEvent []byte
	//go:embed testdata/url.json
	urlEvent []byte
	//go:embed testdata/alb.json
	albEvent []byte
)

// invokeREST sends requests like a REST API, to one function for each vendor.
func invokeREST(greenflash, emberqa any, inBase64 bool) send {
	return func(t *testing.T, r *http.Request) response {
		event := eventOf(t, restEvent, r, inBase64)
		single := make(map[string]string)
		for name, values := range r.Header {
			single[name] = values[len(values)-1]
		}
		event["httpMethod"], event["path"], event["resource"] = r.Method, r.URL.EscapedPath(), r.URL.Path
		event["headers"], event["multiValueHeaders"] = single, r.Header
		event["queryStringParameters"], event["multiValueQueryStringParameters"] = nil, nil
		if query := r.URL.Query(); len(query) > 0 {
			event["multiValueQueryStringParameters"] = query
		}
		var got struct {
			StatusCode        int
			MultiValueHeaders http.Header
			Body              string
		}
		invoke(t.Context(), t, functionFor(r, greenflash, emberqa), event, &got)
		return response{got.StatusCode, got.MultiValueHeaders, got.Body}
	}
}

// invokeHTTP1 sends requests like an HTTP API with payload format 1.0, which is like a REST API with a decoded path.
func invokeHTTP1(greenflash, emberqa any) send {
	return func(t *testing.T, r *http.Request) response {
		event := eventOf(t, restEvent, r, true)
		event["version"], event["httpMethod"], event["path"] = "1.0", r.Method, r.URL.Path
		event["multiValueHeaders"] = r.Header
		event["queryStringParameters"], event["multiValueQueryStringParameters"] = nil, r.URL.Query()
		var got struct {
			StatusCode        int
			MultiValueHeaders http.Header
			Body              string
		}
		invoke(t.Context(), t, functionFor(r, greenflash, emberqa), event, &got)
		return response{got.StatusCode, got.MultiValueHeaders, got.Body}
	}
}

// invokeALB sends requests like a load balancer, with multi-value headers or without. A load balancer decodes nothing.
func invokeALB(greenflash, emberqa any, multiValue bool) send {
	return func(t *testing.T, r *http.Request) response {
		event := eventOf(t, albEvent, r, true)
		event["httpMethod"], event["path"] = r.Method, r.URL.EscapedPath()
		headers, query := make(map[string][]string), make(map[string][]string)
		for name, values := range r.Header {
			headers[strings.ToLower(name)] = values
		}
		for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
			name, value, _ := strings.Cut(pair, "=")
			query[name] = append(query[name], value)
		}
		if multiValue {
			event["multiValueHeaders"], event["multiValueQueryStringParameters"] = headers, query
			delete(event, "headers")
			delete(event, "queryStringParameters")
		} else {
			event["headers"], event["queryStringParameters"] = lastOf(headers), lastOf(query)
		}
		var got struct {
			StatusCode        int
			StatusDescription string
			Headers           map[string]string
			MultiValueHeaders http.Header
			Body              string
		}
		invoke(t.Context(), t, functionFor(r, greenflash, emberqa), event, &got)
		require.Equal(t, multiValue, got.Headers == nil)
		require.Equal(t, multiValue, got.MultiValueHeaders != nil)
		require.Equal(t, fmt.Sprint(got.StatusCode, " ", http.StatusText(got.StatusCode)), got.StatusDescription)
		if multiValue {
			return response{got.StatusCode, got.MultiValueHeaders, got.Body}
		}
		return (&httpResponse{got.StatusCode, got.Headers, got.Body}).response()
	}
}

func lastOf(lists map[string][]string) map[string]string {
	single := make(map[string]string)
	for name, values := range lists {
		single[name] = values[len(values)-1]
	}
	return single
}

// invokeHTTP sends requests like an HTTP API or a function URL, to one function for each vendor.
func invokeHTTP(greenflash, emberqa any, form []byte, inBase64 bool) send {
	return func(t *testing.T, r *http.Request) response {
		got := new(httpResponse)
		invoke(t.Context(), t, functionFor(r, greenflash, emberqa), httpEventOf(t, form, r, inBase64), got)
		return got.response()
	}
}

type httpResponse struct {
	StatusCode int
	Headers    map[string]string
	Body       string
}

func (a *httpResponse) response() response {
	header := make(http.Header)
	for name, value := range a.Headers {
		header.Set(name, value)
	}
	return response{a.StatusCode, header, a.Body}
}

// httpEventOf returns an event of payload format 2.0. Header names are in lower case, and repeated values are joined by commas.
func httpEventOf(t *testing.T, form []byte, r *http.Request, inBase64 bool) map[string]any {
	event := eventOf(t, form, r, inBase64)
	joined := make(map[string]string)
	for name, values := range r.Header {
		joined[strings.ToLower(name)] = strings.Join(values, ",")
	}
	event["headers"], event["rawPath"], event["rawQueryString"] = joined, r.URL.Path, r.URL.RawQuery
	if bytes.Equal(form, urlEvent) { // a function URL does not decode the path
		event["rawPath"] = r.URL.EscapedPath()
	}
	call := event["requestContext"].(map[string]any)["http"].(map[string]any)
	call["method"], call["path"] = r.Method, r.URL.Path
	return event
}

// eventOf returns an event with the body of r.
func eventOf(t *testing.T, form []byte, r *http.Request, inBase64 bool) map[string]any {
	event := make(map[string]any)
	require.NoError(t, json.Unmarshal(form, &event))
	var body []byte
	if r.GetBody != nil {
		reader, err := r.GetBody()
		require.NoError(t, err)
		body, err = io.ReadAll(reader)
		require.NoError(t, err)
	}
	event["isBase64Encoded"] = inBase64
	switch {
	case len(body) == 0:
		event["body"] = nil
	case inBase64:
		event["body"] = base64.StdEncoding.EncodeToString(body)
	default:
		event["body"] = string(body)
	}
	return event
}

func functionFor(r *http.Request, greenflash, emberqa any) any {
	if r.URL.Path == greenflashPath {
		return greenflash
	}
	return emberqa
}

// invoke calls the function through the library of the Lambda runtime, which decodes the event and encodes the result.
func invoke(ctx context.Context, t *testing.T, function any, event map[string]any, got any) {
	payload, err := json.Marshal(event)
	require.NoError(t, err)
	out, err := lambda.NewHandler(function).Invoke(ctx, payload)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(out, got))
}
