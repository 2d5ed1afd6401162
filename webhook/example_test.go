package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
	"github.com/aihooks/aihooks-go/workflux"
)

const workfluxSecret = "the secret from WorkFlux's dashboard"

// newHook returns a handler for WorkFlux.
func newHook(o webhook.Options) *workflux.Handler {
	o.Logger = slog.New(slog.DiscardHandler)
	hook, err := workflux.NewHandler(workfluxSecret, &o)
	if err != nil {
		log.Fatal(err)
	}
	return hook
}

// sample returns a signed request like those of WorkFlux.
func sample(event, data string) *http.Request {
	sender := webhooktest.Signer{
		Profile: workflux.Profile(), URL: "/webhooks/workflux", Key: signature.NewKey("default", workfluxSecret),
	}
	body := fmt.Sprintf(`{"event":%q,"timestamp":"2024-01-01T12:00:00Z","data":%s}`, event, data)
	request, err := sender.Request(sender.Stamp([]byte(body), time.Now()), time.Now(), "")
	if err != nil {
		log.Fatal(err)
	}
	return request
}

// post sends an event and prints the response.
func post(hook http.Handler, event, data string) {
	response := httptest.NewRecorder()
	hook.ServeHTTP(response, sample(event, data))
	fmt.Println(response.Code, response.Body)
}

// The callback depends on a system that is down, and asks for another attempt later.
func ExampleRetryAfter() {
	hook := newHook(webhook.Options{})
	hook.OnUserMessage(func(context.Context, *workflux.UserMessage) error {
		return webhook.RetryAfter(90*time.Second, errors.New("the CRM is down for maintenance"))
	})
	response := httptest.NewRecorder()
	hook.ServeHTTP(response, sample("user.message", `{"message_id":"msg-1"}`))
	fmt.Println(response.Code, "Retry-After:", response.Header().Get("Retry-After"))
	// Output: 503 Retry-After: 90
}

// A delivery that can never succeed is dead-lettered: the vendor does not send it again, and it is not lost.
func ExamplePermanent() {
	hook := newHook(webhook.Options{
		DeadLetter: func(_ context.Context, d *webhook.Delivery, cause error) error {
			fmt.Println("dead letter:", d.Type, "-", cause)
			return nil
		},
	})
	hook.OnUserMessage(func(_ context.Context, e *workflux.UserMessage) error {
		return webhook.Permanent(fmt.Errorf("there is no conversation %q", e.ConversationID))
	})
	post(hook, "user.message", `{"conversation_id":"conv-9"}`)
	// Output:
	// dead letter: user.message - there is no conversation "conv-9"
	// 200 {"received":true}
}

// A callback returns Ignore if it has nothing to do. The outcome is then ignored, not handled.
func ExampleIgnore() {
	hook := newHook(webhook.Options{
		Observer: func(_ context.Context, o webhook.Observation) { fmt.Println(o.Outcome) },
	})
	hook.OnConversationStarted(func(_ context.Context, e *workflux.ConversationStarted) error {
		if strings.HasSuffix(e.UserEmail, "@example.com") {
			return webhook.Ignore("a test account")
		}
		return nil
	})
	post(hook, "conversation.started", `{"user_email":"tester@example.com"}`)
	// Output:
	// ignored
	// 200 {"received":true}
}

// A dead letter can be saved as JSON, which preserves every byte of its body. Give it back to the handler with
// Handler.Redeliver.
func ExampleOptions_deadLetter() {
	var deadLetters [][]byte // in production, a table or a queue
	hook := newHook(webhook.Options{
		DeadLetter: func(_ context.Context, d *webhook.Delivery, cause error) error {
			b, err := json.Marshal(d)
			if err != nil {
				return err // the response is 500, because the delivery is not saved
			}
			deadLetters = append(deadLetters, b)
			fmt.Println(cause)
			return nil
		},
	})
	hook.OnAgentResponse(func(context.Context, *workflux.AgentResponse) error { return nil })
	post(hook, "agent.response", `"fast"`)
	fmt.Println(len(deadLetters), "dead letter")
	// Output:
	// webhook: the body does not fit the type of "agent.response": json: cannot unmarshal string into Go value of type workflux.AgentResponse
	// 200 {"received":true}
	// 1 dead letter
}

// A field that does not fit stays unset, and the callback runs.
func ExampleEvent_Undecoded() {
	hook := newHook(webhook.Options{})
	hook.OnAgentResponse(func(_ context.Context, e *workflux.AgentResponse) error {
		fmt.Printf("%s: %q, after %v ms\n", e.MessageID, e.Content, e.ResponseTimeMs)
		for field, why := range e.Undecoded() {
			fmt.Println(field, why)
		}
		return nil
	})
	post(hook, "agent.response", `{"message_id":"m1","content":"Hello","response_time_ms":"fast"}`)
	// Output:
	// m1: "Hello", after 0 ms
	// /data/response_time_ms it is of the kind string, which does not fit float64
	// 200 {"received":true}
}

// The observer is called once for every request. Use it for metrics.
func ExampleOptions_observer() {
	hook := newHook(webhook.Options{
		Observer: func(_ context.Context, o webhook.Observation) {
			fmt.Printf("deliveries{vendor=%q,type=%q,outcome=%q,reason=%q} signed by %q\n", o.Vendor, o.Type, o.Outcome, o.Reason, o.SignedBy)
		},
	})
	hook.OnUserMessage(func(context.Context, *workflux.UserMessage) error { return nil })
	post(hook, "user.message", `{}`)
	post(hook, "user.waved", `{}`) // an undocumented type must not become a label
	forged := sample("user.message", `{}`)
	forged.Header.Set("X-Workflux-Signature", strings.Repeat("0", 64))
	hook.ServeHTTP(httptest.NewRecorder(), forged)
	// Output:
	// deliveries{vendor="workflux",type="user.message",outcome="handled",reason=""} signed by "default"
	// 200 {"received":true}
	// deliveries{vendor="workflux",type="other",outcome="unhandled",reason="unknown_type"} signed by "default"
	// 200 {"received":true}
	// deliveries{vendor="workflux",type="",outcome="unauthenticated",reason="signature_mismatch"} signed by ""
}

type tenantOf struct{}

// A Middleware runs around every callback. This one measures the callback alone, and puts a tenant into its context.
func ExampleOptions_middleware() {
	hook := newHook(webhook.Options{Middleware: []webhook.Middleware{
		func(ctx context.Context, d *webhook.Delivery, _ webhook.AnyEvent, next func(context.Context) error) error {
			began := time.Now()
			err := next(context.WithValue(ctx, tenantOf{}, "tenant-1"))
			fmt.Println(d.Type, "took less than a minute:", time.Since(began) < time.Minute, "error:", err)
			return err // it decides the outcome
		},
	}})
	hook.OnUserMessage(func(ctx context.Context, e *workflux.UserMessage) error {
		fmt.Println("message", e.MessageID, "of", ctx.Value(tenantOf{}))
		return nil
	})
	post(hook, "user.message", `{"message_id":"msg-1"}`)
	// Output:
	// message msg-1 of tenant-1
	// user.message took less than a minute: true error: <nil>
	// 200 {"received":true}
}

// Before runs before every callback, under the same claim. Use it for a check that all callbacks need. For an audit trail
// use Options.Observer, which also gets the outcome and refused deliveries.
func ExampleHandler_Before() {
	hook := newHook(webhook.Options{})
	hook.Before(func(_ context.Context, d *webhook.Delivery) error {
		fmt.Println("check:", d.Vendor, d.Type, len(d.Keys), "key, attempt", d.Attempt)
		return nil // after an error the callback would not run
	})
	hook.OnUserMessage(func(_ context.Context, e *workflux.UserMessage) error {
		fmt.Println("message", e.MessageID)
		return nil
	})
	post(hook, "user.message", `{"message_id":"msg-1"}`)
	// Output:
	// check: workflux user.message 1 key, attempt 1
	// message msg-1
	// 200 {"received":true}
}

// OnUnhandled gets deliveries of types without a callback, including types that the vendor has just added.
func ExampleHandler_OnUnhandled() {
	hook := newHook(webhook.Options{})
	hook.OnUserMessage(func(context.Context, *workflux.UserMessage) error { return nil })
	hook.OnUnhandled(func(_ context.Context, d *webhook.Delivery) error {
		fmt.Println("no callback for", d.Type)
		return nil
	})
	post(hook, "agent.promoted", `{"agent_id":"agent-7"}`)
	// Output:
	// no callback for agent.promoted
	// 200 {"received":true}
}

// One handler serves all customers of a service, each with separate keys. If the lookup fails, the response is 503, so that the
// vendor sends the delivery again.
func ExampleTenants() {
	down := true
	hook, err := workflux.Config{Tenants: &webhook.Tenants[signature.Key]{
		Tenant: func(r *http.Request) string { return r.PathValue("tenant") },
		Keys: func(_ context.Context, tenant string) ([]signature.Key, error) { // from your database
			if down {
				return nil, errors.New("the database is closed")
			}
			return []signature.Key{signature.NewKey("2026", workfluxSecret)}, nil
		},
	}}.NewHandler(&webhook.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Fatal(err)
	}
	hook.OnUserMessage(func(_ context.Context, e *workflux.UserMessage) error {
		fmt.Println("a message for", e.Delivery().Tenant)
		return nil
	})
	mux := http.NewServeMux()
	mux.Handle("POST /hooks/{tenant}/workflux", hook)
	for _, down = range []bool{true, false} {
		request := sample("user.message", `{}`)
		request.URL.Path = "/hooks/tenant-7/workflux"
		response := httptest.NewRecorder()
		mux.ServeHTTP(response, request)
		fmt.Println(response.Code, response.Body)
	}
	// Output:
	// 503 {"received":false}
	// a message for tenant-7
	// 200 {"received":true}
}

// A serverless function has no http.ResponseWriter. It passes the gateway's request to Process and returns the result.
func ExampleHandler_Process() {
	hook := newHook(webhook.Options{})
	hook.OnUserMessage(func(_ context.Context, e *workflux.UserMessage) error {
		fmt.Println("message", e.MessageID)
		return nil
	})
	sent := sample("user.message", `{"message_id":"msg-1"}`)
	gateway := struct {
		Headers map[string]string
		Body    []byte
	}{map[string]string{"x-workflux-signature": sent.Header.Get("X-Workflux-Signature")}, readAll(sent)}

	header := make(http.Header)
	for name, value := range gateway.Headers {
		header[name] = []string{value} // in any case
	}
	result := hook.Process(context.Background(), webhook.Request{Header: header, Body: bytes.NewReader(gateway.Body)})
	fmt.Println(result.Status, string(result.Body), result.Header().Get("Content-Type"))
	// Output:
	// message msg-1
	// 200 {"received":true} application/json
}

func readAll(r *http.Request) []byte {
	var b bytes.Buffer
	_, _ = b.ReadFrom(r.Body)
	return b.Bytes()
}

// Shut down the server first, so that requests finish. Then shut down the handler, whose callbacks may still run. Then shut
// down the inbox, if there is one.
func ExampleHandler_Shutdown() {
	started := make(chan struct{})
	hook := newHook(webhook.Options{})
	hook.OnUserMessage(func(context.Context, *workflux.UserMessage) error {
		close(started)
		time.Sleep(20 * time.Millisecond)
		fmt.Println("the callback has finished")
		return nil
	})
	server := &http.Server{Handler: hook, ReadHeaderTimeout: 5 * time.Second}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go server.Serve(listener) //nolint:errcheck // it ends with http.ErrServerClosed

	request := sample("user.message", `{}`)
	request.URL.Scheme, request.URL.Host = "http", listener.Addr().String()
	status := make(chan int, 1)
	go func() {
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			log.Fatal(err)
		}
		response.Body.Close()
		status <- response.StatusCode
	}()
	<-started // in production, wait for SIGTERM

	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		log.Print(err)
	}
	fmt.Println("response", <-status)
	if err := hook.Shutdown(ctx); err != nil {
		var left *webhook.ShutdownError
		if errors.As(err, &left) {
			log.Print("still running: ", left.Left) // the vendor's next attempt runs them after their lease has ended
		}
	}
	fmt.Println("shut down")
	// Output:
	// the callback has finished
	// response 200
	// shut down
}

// A dead letter can run again once the cause is fixed. Again gives it new keys, because its keys are completed.
func ExampleHandler_Redeliver() {
	var deadLetter []byte
	hook := newHook(webhook.Options{
		DeadLetter: func(_ context.Context, d *webhook.Delivery, _ error) (err error) {
			deadLetter, err = json.Marshal(d)
			return err
		},
	})
	known := map[string]bool{}
	hook.OnUserMessage(func(_ context.Context, e *workflux.UserMessage) error {
		if !known[e.ConversationID] {
			return webhook.Permanent(errors.New("no such conversation"))
		}
		fmt.Println("message", e.MessageID)
		return nil
	})
	post(hook, "user.message", `{"message_id":"msg-1","conversation_id":"conv-9"}`)

	known["conv-9"] = true // the cause is fixed
	var delivery webhook.Delivery
	if err := json.Unmarshal(deadLetter, &delivery); err != nil {
		log.Fatal(err)
	}
	fmt.Println(hook.Redeliver(context.Background(), &delivery).Outcome)
	fmt.Println(hook.Redeliver(context.Background(), delivery.Again(1)).Outcome)
	// Output:
	// 200 {"received":true}
	// duplicate
	// message msg-1
	// handled
}

func ExampleDelivery_Again() {
	d := &webhook.Delivery{Vendor: "acme", Endpoint: "default", ID: "evt-1", Keys: []string{"acme/default/id/evt-1"}}
	fmt.Println(d.Again(1).Keys, d.Again(2).Keys)
	// Output: [acme/default/id/evt-1#1] [acme/default/id/evt-1#2]
}

// Unknown returns fields that the vendor has added, by their JSON pointers.
func ExampleEvent_Unknown() {
	hook := newHook(webhook.Options{})
	hook.OnUserMessage(func(_ context.Context, e *workflux.UserMessage) error {
		for pointer, raw := range e.Unknown() {
			fmt.Printf("%s: %s\n", pointer, raw)
		}
		return nil
	})
	post(hook, "user.message", `{"message_id":"msg-1","sentiment":{"score":0.2}}`)
	// Output:
	// /data/sentiment: {"score":0.2}
	// 200 {"received":true}
}

// Another decoder can be faster or, as here, stricter: it returns an error for an unknown field.
func ExampleOptions_unmarshal() {
	hook := newHook(webhook.Options{
		Unmarshal: func(data []byte, v any) error {
			decoder := json.NewDecoder(bytes.NewReader(data))
			decoder.DisallowUnknownFields()
			return decoder.Decode(v)
		},
		Observer: func(_ context.Context, o webhook.Observation) { fmt.Println(o.Outcome, o.Err) },
	})
	hook.OnUserMessage(func(context.Context, *workflux.UserMessage) error { return nil })
	post(hook, "user.message", `{"message_id":"msg-1","sentiment":0.2}`)
	// Output:
	// failed webhook: the body does not fit the type of "user.message": json: unknown field "sentiment"
	// 500 {"received":false}
}

// Explain takes a captured delivery, and returns the explanation that the log line would have.
func ExampleHandler_Explain() {
	hook := newHook(webhook.Options{})
	arrived := time.Now()
	captured := sample("user.message", `{"text":"hello"}`)
	body, err := io.ReadAll(captured.Body)
	if err != nil {
		log.Fatal(err)
	}
	var indented bytes.Buffer // a proxy has changed the whitespace of the body
	if err := json.Indent(&indented, body, "", "  "); err != nil {
		log.Fatal(err)
	}
	e := hook.Explain(webhook.Request{Header: captured.Header, Body: &indented}, arrived)
	fmt.Println(e.Cause)
	fmt.Println(e)
	// Output:
	// body_reserialized
	// the signature is that of the same JSON compact: either the sender signed that and sent it in another way, or something parsed the body and wrote it again, then pass the body on as it was received
}

func ExampleNewServer() {
	mux := http.NewServeMux()
	server := webhook.NewServer("127.0.0.1:8080", mux)
	server.IdleTimeout = 75 * time.Second // the load balancer keeps idle connections for 60 s
	fmt.Println(server.ReadHeaderTimeout, server.IdleTimeout)
	// Output: 5s 1m15s
}

func ExampleReadBudget() {
	budget := webhook.NewReadBudget(128 << 20) // for both handlers together
	options := &webhook.Options{MaxBody: 8 << 20, ReadBudget: budget}
	public, err := workflux.NewHandler(workfluxSecret, options)
	if err != nil {
		log.Fatal(err)
	}
	internal, err := workflux.Config{
		Endpoint: "internal",
		Keys:     []signature.Key{signature.NewKey("default", workfluxSecret)},
	}.NewHandler(options)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(public.Endpoint(), internal.Endpoint())
	// Output: default internal
}
