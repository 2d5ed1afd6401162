package command

import (
	"cmp"
	"regexp"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// A build identifies the source of a binary, for a bug report.
type build struct {
	Version  string `json:"version"`          // of the module, or "(devel)"
	Commit   string `json:"commit,omitempty"` // of the checkout or the pseudo-version; empty for a release
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// pseudoVersion matches the end of a version that the go command makes for a commit without a tag.
var pseudoVersion = regexp.MustCompile(`[-.]\d{14}-([0-9a-f]{12})(\+|$)`)

// buildOf reads what the go command recorded in a binary.
func buildOf(info *debug.BuildInfo) build {
	b := build{Version: cmp.Or(info.Main.Version, "(devel)"), Go: info.GoVersion, Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if match := pseudoVersion.FindStringSubmatch(b.Version); match != nil {
		b.Commit = match[1]
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// thisBuild returns the build of this process.
func thisBuild() build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{GoVersion: runtime.Version()}
	}
	return buildOf(info)
}

func (b build) commit() string {
	switch {
	case b.Commit == "" && b.Version == "(devel)":
		return "unknown: built without version control information"
	case b.Commit == "":
		return "tag cmd/aihooks/" + b.Version
	case b.Modified:
		return b.Commit + " with changes"
	}
	return b.Commit
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print version, commit and Go release for a bug report",
		Long:    "Version prints the version of aihooks, the commit it was built from, and the Go release that built it.",
		Example: "  aihooks version",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b := thisBuild()
			if a.json {
				return a.writeJSON(b)
			}
			a.linef("aihooks %s", b.Version)
			a.linef("commit  %s", b.commit())
			a.linef("go      %s %s", b.Go, b.Platform)
			return nil
		},
	}
}
