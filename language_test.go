package aihooks_test

import (
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// banned are idioms that readers stumble over, with what to write in their place. They are matched as whole words, whatever
// their case. A line that needs one has "language:ok" in it.
var banned = []struct{ idiom, instead string }{
	{`of (its|their|his|our|your|my) own`, "own, another, separate"},
	{`stands?`, "is, are"},
	{`stood`, "was, were"},
	{`nobody`, "no one, no caller, no process; or say who does not"},
	{`who(so)?ever`, "the caller, the process, the sender"},
	{`(is|are|was|were) to be`, "must be, will be"},
	{`beside`, "next to, in addition to"},
	{`anew`, "again"},
	{`puts? down`, "records"},
	{`(what|has|have|had) (became|become|becomes) of`, "how it ended, its outcome"},
	{`what becomes of`, "how it ends, its outcome"},
	{`heeds?`, "honors"},
	{`mended`, "fixed"},
	{`so long`, "for that time"},
	{`(is|are|was|were) none`, "is not, does not exist"},
	{`for good`, "permanently, until"},
	{`twins?`, "duplicate, copy"},
	{`bur(y|ies|ied)`, "dead-letter"},
	{`park(s|ed|ing)?`, "dead-letter"},
	{`(is|are|was|were|be) away`, "is unavailable, is down"},
	{`blanks`, "whitespace"},
	{`strangers?`, "unauthenticated sender"},
	{`thinned`, "sampled"},
	{`to whom|by whom|of whom`, "who"},
}

func TestLanguage_HasNoBannedIdiom(t *testing.T) {
	var all []string
	for _, b := range banned {
		all = append(all, b.idiom)
	}
	pattern := regexp.MustCompile(`(?i)\b(` + strings.Join(all, "|") + `)\b`)
	instead := func(found string) string {
		for _, b := range banned {
			if regexp.MustCompile(`(?i)^(` + b.idiom + `)$`).MatchString(found) {
				return b.instead
			}
		}
		return ""
	}
	words := 0
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || path == "language_test.go":
			return nil
		}
		for line, text := range prose(t, path) {
			words += len(strings.Fields(text))
			if strings.Contains(text, "language:ok") {
				continue
			}
			for _, found := range pattern.FindAllString(text, -1) {
				t.Errorf("%s:%d: %q: write %s", path, line, found, instead(found))
			}
		}
		return nil
	}))
	t.Logf("%d words", words)
}

// prose returns the lines of a file that people read, by their numbers: of a Go file, its comments and strings.
func prose(t *testing.T, path string) map[int]string {
	t.Helper()
	lines := make(map[int]string)
	add := func(first int, text string) {
		for i, line := range strings.Split(text, "\n") {
			lines[first+i] += " " + line
		}
	}
	switch filepath.Ext(path) {
	case ".go":
		source, err := os.ReadFile(path)
		require.NoError(t, err)
		files := token.NewFileSet()
		file := files.AddFile(path, files.Base(), len(source))
		var s scanner.Scanner
		s.Init(file, source, nil, scanner.ScanComments)
		for {
			pos, kind, text := s.Scan()
			if kind == token.EOF {
				return lines
			}
			if kind == token.COMMENT || kind == token.STRING {
				add(file.Line(pos), text)
			}
		}
	case ".md", ".html", ".js", ".sql", ".yml", ".yaml":
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		add(1, string(text))
	}
	return lines
}
