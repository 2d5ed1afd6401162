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
	{regexp.MustCompile(`^list: (truncated|no base64|empty signature|commas)`), "A sender writes no such element, so something changed the header. Other elements are ignored only if they have an unknown version."},
	{regexp.MustCompile(`^list: two spaces`), "Elements have one space between them. We refuse an empty element, as in every list."},
	{regexp.MustCompile(`^list: (nine|seventeen)`), "A forged header must not cost us an unlimited amount of work. A list has at most 16 elements and 8 signatures."},
	{regexp.MustCompile(`^list: two lines`), "In HTTP, a list in two lines is the same as in one. The peer reads only the first line."},
	{regexp.MustCompile(`^id: (129|dot|space|accent)`), "The specification warns about dots, because id, time and body could be split differently. An id is also a key in stores, so we limit its length and characters."},
	{regexp.MustCompile(`^(id|timestamp): twice`), "Two programs may read two different lines. For an id or a time, we cannot know which one was signed."},
	{regexp.MustCompile(`^timestamp: milliseconds`), "Thirteen digits can only be milliseconds, so we read them as such. For the peer, they are far in the future."},
	{regexp.MustCompile(`^timestamp: number signed`), "The signature covers the received bytes. The peer formats the number again, so it accepts bytes that were not signed."},
	{regexp.MustCompile(`^body: no text`), "We sign bytes. The peer decodes them as UTF-8 first."},
	{regexp.MustCompile(`^secret: (NUL bytes|empty|only a prefix)`), "HMAC pads its key with NUL bytes, so such a secret is the same as an empty one. Anyone can sign with it."},
	{regexp.MustCompile(`^secret: no padding`), "Base64 without its padding is often a secret that was not copied completely."},
	{regexp.MustCompile(`: delivery id: `), "With a dot in the id, time and body could be split differently. We refuse an id that does not match `[A-Za-z0-9_-]{1,128}` before we compute anything."},
}

func TestPeers_MatchDocumentedDifferences(t *testing.T) {
	versions := requirements(t)
	for _, p := range goPeers() {
		t.Run(p.name, func(t *testing.T) {
			require.Contains(t, versions, p.module)
			requireWritten(t, &p, p.module+" "+versions[p.module], p.run(t))
		})
	}
}

func TestOctokit_MatchesDocumentedDifferences(t *testing.T) {
	p := octokit(t)
	requireWritten(t, &p, octokitPackage.String(), p.run(t))
}

func TestExplanations_AreAllUsed(t *testing.T) {
	text := read(t)
	for _, e := range explanations {
		require.Contains(t, text, e.why)
	}
}

// requireWritten requires that PEERS.md has the results of the peer.
func requireWritten(t *testing.T, p *peer, version string, verdicts []verdict) {
	t.Helper()
	want := p.section(t, version, verdicts)
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

func (p *peer) section(t *testing.T, version string, verdicts []verdict) string {
	t.Helper()
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
	require.Greater(t, accepted, 20, "the peer accepts too few vectors, so the mapping must be wrong")
	require.Greater(t, refused, 20)

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
