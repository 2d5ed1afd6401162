package main

import (
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var commands = []string{
	"send", "listen", "explain", "replay", "inbox", "inbox list", "inbox show", "inbox retry", "inbox discard", "inbox stats", "inbox pause", "inbox resume", "inbox pauses", "inbox audit", "inbox watch",
	"mcp", "doctor", "version",
}

func TestHelp_ShowsExampleForEveryCommand(t *testing.T) {
	for _, name := range append(commands, "") {
		r := run(t, append(strings.Fields(name), "--help")...).is(t, 0)
		require.Contains(t, r.out, "Examples:\n  ", name)
		require.Contains(t, r.out, "aihooks "+name, name)
		require.Empty(t, r.err)
	}
	require.Contains(t, run(t, "help").out, "130  interrupted")
}

func TestArguments_ReportErrorsWithExitCode2(t *testing.T) {
	file := writeFile(t, "{}")
	for args, says := range map[string]string{
		"nonsense":           `unknown command "nonsense"`,
		"--nonsense":         "unknown flag: --nonsense",
		"send":               "accepts between 1 and 2 arg(s)",
		"send acme ping":     `unknown vendor "acme": it must be one of greenflash, emberqa, convosphere, workflux`,
		"send greenflash":    "an EVENT is needed: `aihooks send greenflash --list`",
		"send greenflash no": "--url is needed",
		"send greenflash no --url http://127.0.0.1:1":                                    `greenflash has no event "no"`,
		"send greenflash conversation.rating --url nowhere":                              "--url must be an http or https URL",
		"send greenflash conversation.rating --url ftp://127.0.0.1":                      "--url must be an http or https URL",
		"send greenflash conversation.rating --url http://127.0.0.1:1 --times 0":         "must be 1 or more",
		"send greenflash conversation.rating --url http://127.0.0.1:1 --times 100000000": "--times must be 1000000 or less",
		"send greenflash conversation.rating --url http://127.0.0.1:1 --timeout -1s":     "--timeout must not be negative",
		"explain greenflash --secret-file acme=x --headers " + file + " --body " + file:  `unknown vendor "acme"`,
		"send greenflash conversation.rating --url http://127.0.0.1:1 --times x":         "invalid argument",
		"send greenflash conversation.rating --url http://127.0.0.1:1 --form odd":        `form "odd" is unknown`,
		"send greenflash conversation.rating --url http://127.0.0.1:1 --set rating":      `--set ("rating") must be path=value`,
		"send greenflash conversation.rating --url http://127.0.0.1:1 --set id.x=1":      "neither an object nor a list",
		"send emberqa red_flag --url http://127.0.0.1:1 --stale":                         "sends no signed time",
		"explain greenflash": "--headers and --body are needed, or --capture",
		"explain greenflash --headers " + file + " --body " + file + " --capture " + file: "--capture already has the headers and the body",
		"explain greenflash --headers - --body -":                                         "cannot both be standard input",
		"explain greenflash --headers " + file + " --body " + file + " --at yesterday":    "neither RFC 3339 nor a Unix time",
		"explain acme --headers " + file + " --body " + file:                              `unknown vendor "acme"`,
		"replay":         "requires at least 1 arg(s)",
		"replay " + file: "--url is needed",
		"replay " + file + " --vendor acme --url http://127.0.0.1:1":  `--vendor: unknown vendor "acme"`,
		"replay " + file + " --concurrent 0 --url http://127.0.0.1:1": "--concurrent (0) must be 1 or more",
		"listen everything":                                "unknown command",
		"listen --secret-file " + file:                     "must be VENDOR=FILE here",
		"listen --secret-file acme=" + file:                `--secret-file: unknown vendor "acme"`,
		"listen --replay-to nowhere":                       "--replay-to must be",
		"inbox nonsense":                                   `unknown inbox command "nonsense"`,
		"inbox --web":                                      "set --from or AIHOOKS_INBOX",
		"inbox list":                                       "set --from or AIHOOKS_INBOX",
		"inbox list " + file:                               "unknown command",
		"inbox list --from " + file + " --state asleep":    `--state ("asleep") must be one of`,
		"inbox list --from " + file + " --limit 0":         "--limit (0) must be 1 or more",
		"inbox list --since yesterday":                     "neither RFC 3339 nor a duration",
		"inbox show --from " + file:                        "accepts 1 arg(s)",
		"inbox retry --from " + file:                       "no entries are selected",
		"inbox retry 1 --all":                              "not both",
		"inbox retry 1 --vendor greenflash":                "not both",
		"inbox retry 1 --dry-run":                          "--dry-run is for entries that are selected by flags",
		"inbox discard --yes":                              "no entries are selected",
		"inbox discard":                                    "no entries are selected",
		"inbox pause --reason x":                           "nothing is selected",
		"inbox resume":                                     "nothing is selected",
		"doctor":                                           "accepts 1 arg(s)",
		"doctor acme":                                      `unknown vendor "acme"`,
		"doctor workflux":                                  "--url is needed",
		"doctor workflux --url nowhere":                    "--url must be an http or https URL",
		"doctor workflux --url http://a.test --timeout 0s": "--timeout must be positive",
		"doctor emberqa --url http://a.test --form body":   "--form must not be set for emberqa",
		"doctor greenflash --url http://a.test --form odd": `form "odd" is unknown`,
	} {
		r := run(t, strings.Fields(args)...)
		require.Equal(t, 2, r.code, "%s\n%s%s", args, r.out, r.err)
		require.Contains(t, r.err, says, args)
		require.Empty(t, r.out, args)
	}
}

func TestSecret_IsRequiredAndNeverAFlag(t *testing.T) {
	send := []string{"send", "greenflash", "conversation.rating", "--url", "http://127.0.0.1:1"}
	r := finish(t, aihooks(t, nil, send...)).is(t, 2)
	require.Contains(t, r.err, "there is no secret for greenflash: set GREENFLASH_WEBHOOK_SECRET or --secret-file")
	finish(t, aihooks(t, map[string]string{"GREENFLASH_WEBHOOK_SECRET": " "}, send...)).is(t, 2)
	require.Contains(t, finish(t, aihooks(t, nil, append(send, "--secret-file", writeFile(t, "\n"))...)).is(t, 1).err, "is blank")
	require.Contains(t, finish(t, aihooks(t, nil, append(send, "--secret-file", "/does/not/exist")...)).is(t, 1).err, "open /does/not/exist: ")
	for _, name := range commands {
		require.NotContains(t, run(t, append(strings.Fields(name), "--help")...).out, "--secret ")
	}
}

func TestSecret_ReadsFromFile(t *testing.T) {
	for _, ending := range []string{"", "\n", "\r\n"} {
		s := newService(t, "workflux")
		for _, flag := range []string{writeFile(t, secret+ending), "workflux=" + writeFile(t, secret+ending)} {
			finish(t, aihooks(t, nil, "send", "workflux", "user.message", "--url", s.URL, "--secret-file", flag)).is(t, 0)
		}
	}
}

func TestCompletion_WorksInEveryShell(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		require.Contains(t, run(t, "completion", shell).is(t, 0).out, "aihooks")
	}
	require.Contains(t, run(t, "__complete", "send", "").is(t, 0).out, "convosphere\n")
	require.Contains(t, run(t, "__complete", "send", "workflux", "").is(t, 0).out, "agent.response\n")
	require.Contains(t, run(t, "__complete", "inbox", "list", "--from", "x.db", "--state", "").is(t, 0).out, "deferred\n")
	require.Contains(t, run(t, "__complete", "inbox", "list", "--from", "x.db", "--vendor", "").is(t, 0).out, "emberqa\n")
}

func TestVersion_PrintsCommitAndGoRelease(t *testing.T) {
	r := run(t, "version").is(t, 0)
	require.Regexp(t, `(?m)^aihooks \S+$`, r.out)
	require.Regexp(t, `(?m)^commit  \S`, r.out)
	require.Contains(t, r.out, runtime.Version()+" "+runtime.GOOS+"/"+runtime.GOARCH)
	v := decode[map[string]any](t, run(t, "version", "--json").is(t, 0).out)
	require.Equal(t, runtime.Version(), v["go"])
	require.NotEmpty(t, v["version"])
	require.Equal(t, 2, run(t, "version", "all").code)
}
