package keysource_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/signature/keysource"
)

// The kubelet removes the files of the old version one at a time. A read meanwhile must not return only some of them.
func TestDir_ReadsNoVersionInPart(t *testing.T) {
	folder, names := t.TempDir(), []string{"a", "b", "c"}
	data, version := filepath.Join(folder, "..data"), ""
	swap := func(n int) {
		old := version
		version = fmt.Sprint("..", n)
		require.NoError(t, os.Mkdir(filepath.Join(folder, version), 0o700))
		for _, name := range names {
			write(filepath.Join(folder, version, name), "secret")
		}
		symlink(t, version, data+"_tmp")
		require.NoError(t, os.Rename(data+"_tmp", data))
		if old == "" {
			return
		}
		for _, name := range names {
			require.NoError(t, os.Remove(filepath.Join(folder, old, name)))
			time.Sleep(time.Millisecond)
		}
		require.NoError(t, os.Remove(filepath.Join(folder, old)))
	}
	swap(0)
	var ended atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !ended.Load() {
			if keys, err := keysource.Dir(folder).Keys(t.Context()); err == nil && len(keys) != len(names) {
				t.Errorf("read %d of %d keys", len(keys), len(names))
				return
			}
		}
	}()
	for n := range 100 {
		swap(n + 1)
	}
	ended.Store(true)
	<-done
}
