package webhook_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

const chunk = webhook.Chunk

// A budgetTest has bodies that are read concurrently within one budget. Use it in a bubble.
type budgetTest struct {
	*receiver
	ended map[string]chan webhook.Result
	pipes map[string]*io.PipeWriter
}

func newBudgetTest(t *testing.T, chunks int64) *budgetTest {
	o := webhook.Options{MaxBody: chunks * chunk / 2, BodyTimeout: 4 * time.Second, ReadBudget: webhook.NewReadBudget(chunks * chunk)}
	b := &budgetTest{newReceiver(t, o), make(map[string]chan webhook.Result), make(map[string]*io.PipeWriter)}
	ping.On(b.Handler, returns(nil))
	return b
}

// begin starts a delivery and sends that many bytes of it.
func (b *budgetTest) begin(name string, sent int) {
	out, in := io.Pipe()
	ended := make(chan webhook.Result, 1)
	b.pipes[name], b.ended[name] = in, ended
	go func() {
		ended <- b.Process(b.t.Context(), webhook.Request{Body: out})
		_ = out.Close()
	}()
	synctest.Wait()
	b.write(name, sent)
}

func (b *budgetTest) write(name string, bytes int) {
	_, err := io.WriteString(b.pipes[name], strings.Repeat(" ", bytes))
	if err != nil {
		require.ErrorIs(b.t, err, io.ErrClosedPipe)
	}
	synctest.Wait()
}

// evicted returns the names of the bodies that were evicted since the last call.
func (b *budgetTest) evicted() (names []string) {
	synctest.Wait()
	for name, ended := range b.ended {
		select {
		case result := <-ended:
			require.Equal(b.t, webhook.Unavailable, result.Outcome)
			require.Equal(b.t, webhook.ReasonEvicted, result.Reason, "%s: %v", name, result.Err)
			require.Equal(b.t, http.StatusServiceUnavailable, result.Status)
			require.Positive(b.t, result.RetryAfter)
			require.True(b.t, result.Close)
			names = append(names, name)
			delete(b.ended, name)
		default:
		}
	}
	slices.Sort(names)
	return names
}

// stop ends all bodies that are being read.
func (b *budgetTest) stop() {
	for name, ended := range b.ended {
		require.NoError(b.t, b.pipes[name].CloseWithError(io.ErrUnexpectedEOF))
		<-ended
	}
	used, reading := b.ReadBudget().Used()
	require.Zero(b.t, used)
	require.Zero(b.t, reading)
}

func TestReadBudget_EvictsSlowest(t *testing.T) {
	for name, c := range map[string]struct {
		run  func(b *budgetTest)
		want []string
	}{
		"the oldest": {func(b *budgetTest) {
			for i := range 5 {
				b.begin(fmt.Sprint(i), 1)
				time.Sleep(time.Millisecond)
			}
		}, []string{"0"}},
		"a large one before a small one": {func(b *budgetTest) {
			b.begin("small", 1)
			time.Sleep(time.Millisecond)
			b.begin("large", chunk+1)
			b.begin("new", 1)
			b.begin("newer", 1)
		}, []string{"large"}},
		"the slowest of those past the grace": {func(b *budgetTest) {
			b.begin("fast", 5000)
			time.Sleep(100 * time.Millisecond)
			b.begin("slow", 1000)
			b.begin("faster", 1001)
			time.Sleep(501 * time.Millisecond)
			b.begin("new", 1)
			b.begin("newer", 0)
		}, []string{"slow"}},
		"the older of two that sent nothing": {func(b *budgetTest) {
			b.begin("older", 0)
			time.Sleep(time.Millisecond)
			b.begin("old", 0)
			time.Sleep(time.Second)
			b.begin("new", 0)
			b.begin("newer", 0)
			b.begin("newest", 0)
		}, []string{"older"}},
		"a small one past the grace before a large new one": {func(b *budgetTest) {
			b.begin("old", 100)
			time.Sleep(501 * time.Millisecond)
			b.begin("large", chunk+1)
			b.begin("new", 1)
			b.begin("newer", 1)
		}, []string{"old"}},
		"a large new one before a small one at the end of the grace": {func(b *budgetTest) {
			b.begin("old", 100)
			time.Sleep(500 * time.Millisecond)
			b.begin("large", chunk+1)
			b.begin("new", 1)
			b.begin("newer", 1)
		}, []string{"large"}},
		"a large one before a small one of the same age": {func(b *budgetTest) {
			b.begin("large", chunk+1)
			b.begin("small", 100)
			time.Sleep(500 * time.Millisecond)
			b.begin("new", 1)
			b.begin("newer", 1)
		}, []string{"large"}},
		"for one that grows": {func(b *budgetTest) {
			b.begin("old", 1)
			time.Sleep(501 * time.Millisecond)
			b.begin("new", 1)
			b.begin("grows", chunk-1)
			require.Empty(b.t, b.evicted())
			b.write("grows", 1) // bodies that grow share three quarters
		}, []string{"old"}},
		"the one that grows, if it is the slowest": {func(b *budgetTest) {
			b.begin("grows", chunk-1)
			time.Sleep(time.Second)
			b.begin("new", 1)
			b.begin("newer", 1)
			b.write("grows", 1)
		}, []string{"grows"}},
		"none while the budget has capacity": {func(b *budgetTest) {
			for i := range 4 {
				b.begin(fmt.Sprint(i), 0)
				time.Sleep(time.Second / 2)
			}
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBudgetTest(t, 4)
				c.run(b)
				used, _ := b.ReadBudget().Used()
				require.LessOrEqual(t, used, int64(4*chunk))
				require.Equal(t, c.want, b.evicted())
				b.stop()
			})
		})
	}
}

// The sender's body comes in two parts. Between them as many bodies begin as the budget has chunks, except one.
func TestReadBudget_KeepsTheNewcomer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudgetTest(t, 16)
		for i := range 50 {
			for range 8 {
				b.begin(fmt.Sprint("old", i, len(b.ended)), 1)
				time.Sleep(time.Millisecond)
			}
			first, second := io.Pipe()
			sent, done := body(fmt.Sprint(i)), make(chan webhook.Result, 1)
			go func() {
				done <- b.Process(t.Context(), webhook.Request{Header: b.signed(sent).Header, Body: first, ContentLength: int64(len(sent))})
			}()
			_, err := second.Write(sent[:1])
			require.NoError(t, err)
			for range 15 {
				time.Sleep(time.Millisecond)
				b.begin(fmt.Sprint("new", i, len(b.ended)), 1)
			}
			_, err = second.Write(sent[1:])
			require.NoError(t, err)
			require.NoError(t, second.Close())
			require.Equal(t, webhook.Handled, (<-done).Outcome)
			require.NotEmpty(t, b.evicted())
		}
		b.stop()
	})
}

// A body that grows waits for the memory of the evicted one. Bodies that begin meanwhile must not delay it.
func TestReadBudget_WaitsForMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudgetTest(t, 8)
		in, left := b.beginStuck(4*chunk - 1)
		b.begin("grows", chunk-1)
		b.begin("new0", 1)
		b.write("grows", 1)
		grown, more := make(chan struct{}), b.pipes["grows"]
		go func() {
			defer close(grown)
			_, _ = io.WriteString(more, " ")
		}()
		for i := range 3 {
			time.Sleep(time.Millisecond)
			b.begin(fmt.Sprint("new", i+1), 1)
		}
		require.Empty(t, b.evicted())
		time.Sleep(501 * time.Millisecond)
		for i := range 2 {
			b.begin(fmt.Sprint("newer", i), 1)
		}
		require.Equal(t, []string{"new0", "new1"}, b.evicted())
		require.Empty(t, left)

		require.NoError(t, in.CloseWithError(errOdd))
		require.Equal(t, http.StatusServiceUnavailable, <-left)
		require.Equal(t, webhook.ReasonEvicted, b.last(3).Reason)
		<-grown
		require.NoError(t, b.pipes["grows"].Close())
		require.Equal(t, webhook.Unauthenticated, (<-b.ended["grows"]).Outcome)
		delete(b.ended, "grows")
		b.stop()
	})
}

// beginStuck starts a delivery whose reads nothing can end, and sends that many bytes of it. If it is evicted, it keeps its
// memory until its body ends.
func (b *budgetTest) beginStuck(sent int) (in *io.PipeWriter, status <-chan int) {
	out, in := io.Pipe() // SetReadDeadline succeeds, but does not end its reads
	request := b.signed(nil)
	request.Body, request.ContentLength = out, -1
	left := make(chan int, 1)
	go func() {
		w := &deadlineWriter{ResponseRecorder: httptest.NewRecorder()}
		b.ServeHTTP(w, request)
		left <- w.Code
		_ = out.Close()
	}()
	_, err := io.WriteString(in, strings.Repeat(" ", sent))
	require.NoError(b.t, err)
	synctest.Wait()
	return in, left
}

// beginInMemory starts a delivery of two chunks whose body is in memory, so it needs no interruption.
func (b *budgetTest) beginInMemory(ctx context.Context, name string) {
	ended := make(chan webhook.Result, 1)
	b.ended[name] = ended
	go func() {
		ended <- b.Process(ctx, webhook.Request{Body: strings.NewReader(strings.Repeat(" ", 2*chunk-1))})
	}()
	synctest.Wait()
}

func TestReadBudget_LargeBodiesShareThreeQuarters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudgetTest(t, 20)
		b.begin("first", 8*chunk-1)
		time.Sleep(time.Millisecond)
		b.begin("second", 7*chunk-1)
		require.Empty(t, b.evicted())
		b.write("second", 1)
		require.Equal(t, []string{"first"}, b.evicted())
		b.stop()
	})
}

func TestReadBudget_EvictsBodyThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudgetTest(t, 8)
		stuck, left := b.beginStuck(4*chunk - 1)
		b.begin("small", 1)
		time.Sleep(time.Millisecond)
		b.beginInMemory(t.Context(), "waits") // until the memory of the stuck body is free
		for i := range 5 {
			require.NotContains(t, b.evicted(), "waits")
			time.Sleep(time.Millisecond)
			b.begin(fmt.Sprint("new", i), 1)
		}
		require.Equal(t, []string{"waits"}, b.evicted())
		require.NoError(t, stuck.CloseWithError(errOdd))
		require.Equal(t, http.StatusServiceUnavailable, <-left)
		b.stop()
	})
}

func TestReadBudget_EvictedBodyDoesNotGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudgetTest(t, 4)
		stuck, left := b.beginStuck(1)
		for i := range 4 {
			time.Sleep(time.Millisecond)
			b.begin(fmt.Sprint("new", i), 1)
		}
		require.Empty(t, b.evicted())
		_, err := io.WriteString(stuck, strings.Repeat(" ", chunk))
		require.ErrorIs(t, err, io.ErrClosedPipe)
		require.Equal(t, http.StatusServiceUnavailable, <-left)
		require.Equal(t, webhook.ReasonEvicted, b.last(1).Reason)
		b.stop()
	})
}

// A body that is no longer waiting must not be charged later.
func TestReadBudget_EndsWaitAtDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudgetTest(t, 8)
		stuck, left := b.beginStuck(4*chunk - 1)
		b.begin("small", 1)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		b.beginInMemory(ctx, "waits")
		time.Sleep(1500*time.Millisecond - 1)
		require.Empty(t, b.ended["waits"])
		require.Equal(t, webhook.ReasonSlow, (<-b.ended["waits"]).Reason)
		delete(b.ended, "waits")
		require.NoError(t, stuck.CloseWithError(errOdd))
		require.Equal(t, http.StatusServiceUnavailable, <-left)
		b.stop()
	})
}

func TestReadBudget_IsGivenBack(t *testing.T) {
	large := strings.Repeat(" ", 5*chunk)
	for name, body := range map[string]func() io.Reader{
		"empty":        func() io.Reader { return nil },
		"forged":       func() io.Reader { return strings.NewReader("{}") },
		"forged large": func() io.Reader { return strings.NewReader(large[:4*chunk]) },
		"too large":    func() io.Reader { return strings.NewReader(large) },
		"piped":        func() io.Reader { return io.MultiReader(strings.NewReader(large)) },
		"cut off":      func() io.Reader { return io.MultiReader(strings.NewReader(large[:2*chunk]), iotest.ErrReader(errOdd)) },
		"slow":         func() io.Reader { return io.MultiReader(strings.NewReader(large[:2*chunk]), stuck{}) },
		"panics":       func() io.Reader { return readerFunc(func([]byte) (int, error) { panic("recycled") }) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBudgetTest(t, 8)
				for range 9 {
					result := b.Process(t.Context(), webhook.Request{Body: body()})
					require.NotEqual(t, webhook.Unavailable, result.Outcome)
				}
				b.stop()
				time.Sleep(time.Hour)
			})
		})
	}
}

// A declared length takes no memory. A body takes memory for the bytes that have arrived.
func TestReadBudget_IsChargedByArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudgetTest(t, 16)
		out, in := io.Pipe()
		done := make(chan webhook.Result, 1)
		go func() {
			done <- b.Process(t.Context(), webhook.Request{Body: out, ContentLength: 8 * chunk})
		}()
		for sent, want := range []int64{1, 2, 3, 4} {
			synctest.Wait()
			used, _ := b.ReadBudget().Used()
			require.Equal(t, want*chunk, used, "after %d chunks and a byte", sent)
			bytes := chunk
			if sent == 0 {
				bytes++
			}
			_, err := io.WriteString(in, strings.Repeat(" ", bytes))
			require.NoError(t, err)
		}
		require.NoError(t, in.Close())
		require.Equal(t, webhook.ReasonLength, (<-done).Reason)
		b.stop()
	})
}

// A complete forged body takes memory until it is refused, and is not evicted. Large bodies leave memory for small ones.
func TestReadBudget_NeverEvictsCompleteBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		slow := vendors.AuthenticatorFunc(func(context.Context, *vendors.Request, []byte) (signature.Match, error) {
			<-release
			return signature.Match{}, errOdd
		})
		h, err := webhook.NewHandler(acme(), vendors.HandlerConfig{Authenticator: slow}, &webhook.Options{
			Logger: slog.New(slog.DiscardHandler), MaxBody: 4 * chunk, ReadBudget: webhook.NewReadBudget(8 * chunk),
		})
		require.NoError(t, err)
		results := make(chan webhook.Result, 20)
		send := func(size int) {
			go func() {
				results <- h.Process(t.Context(), webhook.Request{Body: strings.NewReader(strings.Repeat(" ", size))})
			}()
			synctest.Wait()
		}
		refused := func() {
			require.Len(t, results, 1)
			result := <-results
			require.Equal(t, webhook.Unavailable, result.Outcome)
			require.Equal(t, webhook.ReasonReading, result.Reason)
			require.True(t, result.Close)
		}
		send(4*chunk - 1)
		send(2*chunk - 1)
		require.Empty(t, results)
		send(chunk + 1) // now three quarters are used
		refused()
		send(1)
		send(chunk / 2)
		require.Empty(t, results)
		send(1)
		refused()
		close(release)
		synctest.Wait()
		for range 4 {
			require.Equal(t, webhook.Unauthenticated, (<-results).Outcome)
		}
		used, _ := h.ReadBudget().Used()
		require.Zero(t, used)
	})
}

func TestReadBudget_IsGivenBackWhenGoroutineEnds(t *testing.T) {
	for name, end := range map[string]func(){
		"panic":  func() { panic("reader") },
		"Goexit": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, webhook.Options{ReadBudget: webhook.NewReadBudget(2 << 20)})
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				defer func() { _ = recover() }()
				request := r.signed(body("a"))
				request.Body = io.NopCloser(readerFunc(func([]byte) (int, error) { end(); return 0, nil }))
				r.ServeHTTP(&deadlineWriter{ResponseRecorder: httptest.NewRecorder()}, request)
			}()
			<-ended
			used, reading := r.ReadBudget().Used()
			require.Zero(t, used)
			require.Zero(t, reading)
		})
	}
	h, err := webhook.NewHandler(acme(), vendors.HandlerConfig{Authenticator: vendors.AuthenticatorFunc(
		func(context.Context, *vendors.Request, []byte) (signature.Match, error) {
			runtime.Goexit()
			return signature.Match{}, nil
		})}, &webhook.Options{ReadBudget: webhook.NewReadBudget(2 << 20)})
	require.NoError(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.Process(t.Context(), webhook.Request{Body: strings.NewReader("{}")})
	}()
	<-ended
	used, _ := h.ReadBudget().Used()
	require.Zero(t, used)
}

func TestReadBudget_IsShared(t *testing.T) {
	own := webhook.NewReadBudget(2 << 20)
	var handlers []*receiver
	for _, o := range []webhook.Options{{}, {MaxBody: 1}, {ReadBudget: own}, {ReadBudget: own, MaxBody: 1}, {ReadBudget: webhook.NewReadBudget(2 << 20)}} {
		handlers = append(handlers, newReceiver(t, o))
	}
	require.Same(t, handlers[0].ReadBudget(), handlers[1].ReadBudget(), "the process's")
	require.Same(t, own, handlers[2].ReadBudget())
	require.Same(t, own, handlers[3].ReadBudget())
	require.NotSame(t, own, handlers[4].ReadBudget())
	require.NotSame(t, own, handlers[0].ReadBudget())
}

// A callback may take half a minute. What it was called with is a copy, outside the budget.
func TestReadBudget_IsFreeWhileTheCallbackRuns(t *testing.T) {
	r := newReceiver(t, webhook.Options{ReadBudget: webhook.NewReadBudget(2 << 20)})
	used := int64(-1)
	ping.On(r.Handler, func(context.Context, *Ping) error {
		used, _ = r.ReadBudget().Used()
		return nil
	})
	require.Equal(t, http.StatusOK, r.deliver(body("a")).status)
	require.Zero(t, used)
}
