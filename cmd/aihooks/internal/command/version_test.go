package command

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVersion_NamesCommit(t *testing.T) {
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"}
	modified := debug.BuildSetting{Key: "vcs.modified", Value: "true"}
	for name, c := range map[string]struct {
		version  string
		settings []debug.BuildSetting
		commit   string
	}{
		"release":                 {"v0.1.0", nil, "tag cmd/aihooks/v0.1.0"},
		"release candidate":       {"v0.1.0-rc.1", nil, "tag cmd/aihooks/v0.1.0-rc.1"},
		"main before any tag":     {"v0.0.0-20261126084610-1d7eba011c87", nil, "1d7eba011c87"},
		"main after a tag":        {"v0.1.1-0.20261126084610-1d7eba011c87", nil, "1d7eba011c87"},
		"changed checkout, Go":    {"v0.1.1-0.20261126084610-1d7eba011c87+dirty", nil, "1d7eba011c87"},
		"checkout":                {"(devel)", []debug.BuildSetting{revision}, revision.Value},
		"changed checkout":        {"", []debug.BuildSetting{revision, modified}, revision.Value + " with changes"},
		"checkout without stamps": {"", nil, "unknown: built without version control information"},
	} {
		info := &debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: c.version}, Settings: c.settings}
		require.Equal(t, c.commit, buildOf(info).commit(), name)
	}
	require.Equal(t, "(devel)", buildOf(new(debug.BuildInfo)).Version)
}
