package servers_test

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/redistest"
)

func TestRedis_KeepsDataThroughStopAndCrash(t *testing.T) {
	s := redistest.New(t)
	_, err := s.Do("SET", "key", "value")
	require.NoError(t, err)
	for _, end := range []func(){s.Stop, s.Kill, func() { s.Pause(); s.Stop() }} {
		end()
		_, err = net.DialTimeout("tcp", s.Addr(), time.Second)
		require.Error(t, err)
		s.Start(t)
		got, err := s.Do("GET", "key")
		require.NoError(t, err)
		require.Equal(t, "value", got)
	}
}

func TestRedis_RespondsOnceResumed(t *testing.T) {
	s := redistest.New(t)
	s.Pause()
	answer := make(chan string, 1)
	go func() {
		got, _ := s.Do("PING")
		answer <- got
	}()
	select {
	case <-answer:
		require.Fail(t, "a paused server responded")
	case <-time.After(50 * time.Millisecond):
	}
	s.Resume()
	require.Equal(t, "+PONG", <-answer)
}

func TestRedis_LeavesNothingBehind(t *testing.T) {
	s, err := redistest.Start()
	require.NoError(t, err)
	require.DirExists(t, s.File(""))
	s.Close()
	require.NoDirExists(t, s.File(""))
	_, err = net.DialTimeout("tcp", s.Addr(), time.Second)
	require.Error(t, err)
}

func TestRedis_ServesEverySlotInCluster(t *testing.T) {
	servers := redistest.NewCluster(t, 3)
	require.Len(t, servers, 3)
}
