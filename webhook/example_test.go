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
	"path"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
	"github.com/aihooks/aihooks-go/workflux"
)

const workfluxSecret = "the secret from WorkFlux's dashboard"

// newHook builds a handler for WorkFlux, as the program that receives does.
func newHook(o webhook.Options) *workflux.Handler {
	o.Logger = slog.New(slog.DiscardHandler)
	hook, err := workflux.NewHandler(workfluxSecret, &o)
	if err != nil {
		log.Fatal(err)
	}
	return hook
}

// sample makes a signed request, as WorkFlux does.
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

// post sends an event and prints the answer.
func post(hook http.Handler, event, data string) {
	answer := httptest.NewRecorder()
	hook.ServeHTTP(answer, sample(event, data))
	fmt.Println(answer.Code, answer.Body)
}

// The system behind the callback says when it can take more.
func ExampleRetryAfter() {
	hook := newHook(webhook.Options{})
	hook.OnUserMessage(func(context.Context, *workflux.UserMessage) error {
		return webhook.RetryAfter(90*time.Second, errors.New("the CRM is down for maintenance"))
	})
	answer := httptest.NewRecorder()
	hook.ServeHTTP(answer, sample("user.message", `{"message_id":"msg-1"}`))
	fmt.Println(answer.Code, "Retry-After:", answer.Header().Get("Retry-After"))
	// Output: 503 Retry-After: 90
}

// What cannot succeed is not sent again, but it is not lost either.
func ExamplePermanent() {
	hook := newHook(webhook.Options{
		DeadLetter: func(_ context.Context, d *webhook.Delivery, cause error) error {
			fmt.Println("parked:", d.Type, "-", cause)
			return nil
		},
	})
	hook.OnUserMessage(func(_ context.Context, e *workflux.UserMessage) error {
		return webhook.Permanent(fmt.Errorf("there is no conversation %q", e.ConversationID))
	})
	post(hook, "user.message", `{"conversation_id":"conv-9"}`)
	// Output:
	// parked: user.message - there is no conversation "conv-9"
	// 200 {"received":true}
}

// A callback that has nothing to do says so; the observation has it as ignored, not as handled.
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

// A delivery that cannot be handled is kept as JSON. Its body travels byte for byte, so it can be given back to the
// handler: see Handler.Redeliver.
func ExampleOptions_deadLetter() {
	var parked [][]byte // a table, or a queue
	hook := newHook(webhook.Options{
		DeadLetter: func(_ context.Context, d *webhook.Delivery, cause error) error {
			b, err := json.Marshal(d)
			if err != nil {
				return err // answered 500: it is not safe yet
			}
			parked = append(parked, b)
			fmt.Println(cause)
			return nil
		},
	})
	hook.OnAgentResponse(func(context.Context, *workflux.AgentResponse) error { return nil })
	post(hook, "agent.response", `"fast"`)
	fmt.Println(len(parked), "parked")
	// Output:
	// webhook: the body does not fit the type of "agent.response": json: cannot unmarshal string into Go value of type workflux.AgentResponse
	// 200 {"received":true}
	// 1 parked
}

// A field that does not fit costs itself, not the event.
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

// Every delivery is observed once: the place for metrics.
func ExampleOptions_observer() {
	hook := newHook(webhook.Options{
		Observer: func(_ context.Context, o webhook.Observation) {
			fmt.Printf("deliveries{vendor=%q,type=%q,outcome=%q,reason=%q} signed by %q\n", o.Vendor, o.Type, o.Outcome, o.Reason, o.SignedBy)
		},
	})
	hook.OnUserMessage(func(context.Context, *workflux.UserMessage) error { return nil })
	post(hook, "user.message", `{}`)
	post(hook, "user.waved", `{}`) // a type that is not documented must not become a label
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

// Before runs before every callback, under the same claim: for a check that all of them need. For an audit trail, use
// Options.Observer: it sees the outcome too, and refused deliveries.
func ExampleHandler_Before() {
	hook := newHook(webhook.Options{})
	hook.Before(func(_ context.Context, d *webhook.Delivery) error {
		fmt.Println("check:", d.Vendor, d.Type, len(d.Keys), "key, attempt", d.Attempt)
		return nil // an error would be the outcome, and the callback not run; nil handles nothing
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

// OnUnhandled is given what has no callback of its own, types that the vendor has only just added included.
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

// An Authenticator may look up a tenant's key. If the look-up fails, the delivery must come again.
func ExampleAuthenticatorFunc() {
	profile := workflux.Profile()
	verifier, err := signature.NewVerifier(*profile.Scheme)
	if err != nil {
		log.Fatal(err)
	}
	down := true
	keysOf := func(_ context.Context, tenant string) (*signature.Keyring, error) {
		if down {
			return nil, errors.New("the database is closed")
		}
		return signature.NewKeyring(signature.NewKey(tenant, workfluxSecret))
	}
	hook, err := webhook.NewHandler(profile, vendors.HandlerConfig{Authenticator: vendors.AuthenticatorFunc(
		func(ctx context.Context, r *vendors.Request, body []byte) (signature.Match, error) {
			keys, err := keysOf(ctx, path.Base(r.URL.Path))
			if err != nil {
				return signature.Match{}, fmt.Errorf("%w: %w", vendors.ErrUnavailable, err)
			}
			return verifier.Verify(keys, r.Header, body)
		},
	)}, &webhook.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Fatal(err)
	}
	post(hook, "user.message", `{}`)
	down = false
	post(hook, "user.message", `{}`)
	// Output:
	// 503 {"received":false}
	// 200 {"received":true}
}

// A serverless function has no http.ResponseWriter. It hands over what its gateway gives it, and returns the result.
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
		header[name] = []string{value} // in whatever case
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

// The order in which to stop: the server, so that no request is cut off; the handler, whose callbacks may outlast the
// request; then the inbox, if there is one.
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
	answered := make(chan int, 1)
	go func() {
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			log.Fatal(err)
		}
		response.Body.Close()
		answered <- response.StatusCode
	}()
	<-started // and now SIGTERM arrives

	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		log.Print(err)
	}
	fmt.Println("answered", <-answered)
	if err := hook.Shutdown(ctx); err != nil {
		var left *webhook.ShutdownError
		if errors.As(err, &left) {
			log.Print("still running: ", left.Left) // they stay claimed until their lease ends, and then come again
		}
	}
	fmt.Println("shut down")
	// Output:
	// the callback has finished
	// answered 200
	// shut down
}

// A delivery that was parked runs again once the reason is gone. Again gives it keys of its own, because under the old
// ones it is done.
func ExampleHandler_Redeliver() {
	var parked []byte
	hook := newHook(webhook.Options{
		DeadLetter: func(_ context.Context, d *webhook.Delivery, _ error) (err error) {
			parked, err = json.Marshal(d)
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

	known["conv-9"] = true // somebody has seen to it
	var delivery webhook.Delivery
	if err := json.Unmarshal(parked, &delivery); err != nil {
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

// What the vendor has added since is reported by its JSON pointer: drift is seen before anything depends on it.
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

// Another decoder, for speed or, as here in a test, for strictness: a member that our types do not know is an error.
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

// A delivery that was captured, say in the dashboard of a gateway, is explained as the log would have.
func ExampleHandler_Explain() {
	hook := newHook(webhook.Options{})
	arrived := time.Now()
	captured := sample("user.message", `{"text":"hello"}`)
	body, err := io.ReadAll(captured.Body)
	if err != nil {
		log.Fatal(err)
	}
	var anew bytes.Buffer // a proxy that logs what it lets through prints it more beautifully
	if err := json.Indent(&anew, body, "", "  "); err != nil {
		log.Fatal(err)
	}
	e := hook.Explain(webhook.Request{Header: captured.Header, Body: &anew}, arrived)
	fmt.Println(e.Cause)
	fmt.Println(e)
	// Output:
	// body_reserialized
	// the signature is that of the same JSON compact: either the sender signed that and sent it in another way, or something parsed the body and wrote it again, then pass the body on as it was received
}

func ExampleNewServer() {
	mux := http.NewServeMux()
	server := webhook.NewServer("127.0.0.1:8080", mux)
	server.IdleTimeout = 75 * time.Second // behind a load balancer that keeps connections for 60 s
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
