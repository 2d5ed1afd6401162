package peers_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the differences to PEERS.md")

// explanations say why our verdict differs from a peer's.
var explanations = []struct {
	cases *regexp.Regexp // matches names of vectors
	why   string
}{
	{regexp.MustCompile(`: our secret is `), "If the secret is unset, anyone can sign with it, or need not sign at all. We build no receiver with such a secret."},
	{regexp.MustCompile(`: header (twice|three times)`), "Two programs may read two different lines. We refuse a repeated header that must be single."},
	{regexp.MustCompile(`: timestamp twice|: delivery id twice`), "As for the signature: we cannot know which of the two was signed."},
	{regexp.MustCompile(`(upper|mixed)-case hex`), "Hex digits mean the same in either case. The vendors show lower case, but do not promise it."},
	{regexp.MustCompile(`(: empty body|: body changed: gone)$`), "A signature over an empty body is a valid signature. The handler then refuses the authentic delivery, because its body is not a JSON object."},
	{regexp.MustCompile(`further ahead|year ahead|the last time of`), "An attacker could hold back a delivery from the future, and use it later. Our window has two ends."},
	{regexp.MustCompile(`milliseconds, (as|one older)|: (nine|twelve) digits`), "The vendor does not say whether it sends seconds or milliseconds. Thirteen digits can only be milliseconds, so we read them as such. For the peer, they are far in the future."},
	{regexp.MustCompile(`: timestamp: .*(digits|32 bits|microseconds|nanoseconds|zero)`), "We refuse numbers that are neither seconds nor milliseconds of these decades. The peer reads them as a time far in the future, or formats them again."},
	{regexp.MustCompile(`signed over the number, sent with|signed with .*, sent as the number`), "The MAC covers the received bytes. A peer that formats the number again accepts bytes that were not signed. A store that identifies deliveries by those bytes then treats a replay as new."},
	{regexp.MustCompile(`: delivery id: `), "With a dot in the id, time and body could be split differently. We refuse an id that does not match `[A-Za-z0-9_-]{1,128}` before we compute anything."},
}

func TestThePeersJudgeAsWrittenDown(t *testing.T) {
	versions := requirements(t)
	for _, p := range goPeers() {
		t.Run(p.name, func(t *testing.T) {
			require.Contains(t, versions, p.module)
			requireWritten(t, &p, p.module+" "+versions[p.module])
		})
	}
}

func TestOctokitJudgesAsWrittenDown(t *testing.T) {
	p := octokit(t)
	requireWritten(t, &p, "@octokit/webhooks-methods "+octokitVersion+" (npm)")
}

func TestEveryExplanationExplainsADifference(t *testing.T) {
	text := read(t)
	for _, e := range explanations {
		require.Contains(t, text, e.why)
	}
}

// requireWritten requires that PEERS.md has the results of the peer.
func requireWritten(t *testing.T, p *peer, version string) {
	t.Helper()
	want := p.section(t, version)
	sections := strings.SplitAfter(read(t), "\n<!-- end -->\n")
	at := slices.IndexFunc(sections, func(s string) bool { return strings.HasPrefix(s, "\n## "+p.name+"\n") })
	if *update {
		if at < 0 {
			at, sections = len(sections)-1, append(sections, "")
		}
		sections[at] = want
		require.NoError(t, os.WriteFile(testdata+"PEERS.md", []byte(strings.Join(sections, "")), 0o600))
		return
	}
	require.GreaterOrEqual(t, at, 0, "PEERS.md has no section for the peer; run the test with -update")
	require.Equal(t, want, sections[at], "run the test with -update and review the changes")
}

func read(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(testdata + "PEERS.md")
	require.NoError(t, err)
	return string(text)
}

func (p *peer) section(t *testing.T, version string) string {
	t.Helper()
	verdicts := p.run(t)
	accepted, refused := 0, 0
	rows := make(map[int][2][]string) // by explanation: names that only they accept, and names that only we accept
	for _, v := range verdicts {
		switch {
		case v.theirs == nil && v.ours == nil:
			accepted++
		case v.theirs != nil && v.ours != nil:
			refused++
		default:
			row := explanation(t, p, &v)
			side := rows[row]
			at := 0
			if v.ours == nil {
				at = 1
			}
			side[at] = append(side[at], v.name)
			rows[row] = side
		}
	}
	require.Greater(t, accepted, 30, "the peer accepts too few vectors, so the mapping must be wrong")
	require.Greater(t, refused, 30)

	var b strings.Builder
	fmt.Fprintf(&b, "\n## %s\n\n%s. %s, our form `%s`.\n%d vectors: both accept %d, both refuse %d, %d are judged otherwise.\n",
		p.name, version, p.scheme, p.form, len(verdicts), accepted, refused, len(verdicts)-accepted-refused)
	for _, row := range slices.Sorted(maps.Keys(rows)) {
		for at, heading := range []string{"They accept, we refuse", "They refuse, we accept"} {
			if names := rows[row][at]; len(names) > 0 {
				fmt.Fprintf(&b, "\n- **%s.** %s\n", heading, explanations[row].why)
				for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
					fmt.Fprintf(&b, "  - %s\n", name)
				}
			}
		}
	}
	b.WriteString("\n<!-- end -->\n")
	return b.String()
}

// explanation returns the index of the explanation of a difference.
func explanation(t *testing.T, p *peer, v *verdict) int {
	t.Helper()
	for i, e := range explanations {
		if e.cases.MatchString(v.name) {
			return i
		}
	}
	require.Failf(t, "a difference has no explanation", "%s: %s, %s: theirs %v, ours %v", p.name, v.vendor, v.name, v.theirs, v.ours)
	return 0
}

// requirements returns the versions in go.mod.
func requirements(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../go.mod")
	require.NoError(t, err)
	versions := make(map[string]string)
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+) (v\S+)$`).FindAllStringSubmatch(string(text), -1) {
		versions[m[1]] = m[2]
	}
	return versions
}
