package command

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A paused writer waits until it is resumed.
type paused struct {
	bytes.Buffer
	resume chan struct{}
}

func (p *paused) Write(b []byte) (int, error) {
	<-p.resume
	return p.Buffer.Write(b)
}

func TestQueue_DropsWhatDoesNotFit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, notes := &paused{resume: make(chan struct{})}, new(bytes.Buffer)
		a := &app{Terminal: Terminal{Out: out, Err: notes}}
		a.queueOutput()
		a.queue.limit = 10
		a.linef("%s", "longer than the limit, and alone")
		synctest.Wait() // run has dequeued it
		for _, text := range []string{"1234", "5678", "lost", "lost"} {
			a.linef("%s", text)
		}
		synctest.Wait()
		a.queue.flush(time.Second)
		require.ErrorContains(t, *a.lost.Load(), "nothing read it for 1s")
		close(out.resume)
		a.queue.flush(time.Second)
		require.Equal(t, "longer than the limit, and alone\n1234\n5678\n", out.String())
		require.Contains(t, notes.String(), "2 pieces were dropped")
		a.notef("still there")
		a.queue.flush(time.Second)
		require.Contains(t, notes.String(), "still there")
	})
}

func TestQueue_ReportsFailedWrites(t *testing.T) {
	broken := errors.New("broken pipe")
	r, w := io.Pipe()
	require.NoError(t, r.CloseWithError(broken))
	a := &app{Terminal: Terminal{Out: w, Err: io.Discard}}
	a.queueOutput()
	a.linef("lost")
	a.queue.flush(time.Minute)
	require.ErrorIs(t, *a.lost.Load(), broken)
}
