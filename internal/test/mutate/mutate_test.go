package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const source = `package p

import "errors"

const limit = 8

var on = true

type counter struct{ n int }

func (c *counter) add(n int) error {
	if n < 0 || c.full() {
		return errors.New("p: negative or full")
	}
	c.n += n
	return nil
}

func or[T comparable](v, d T) T {
	if v == *new(T) {
		return d
	}
	return v
}

func (c *counter) full() bool { return c.n == limit }

func drain(c *counter, take func() bool) {
	defer close(make(chan int, 1))
loop:
	for c.n > 0 {
		switch {
		case take():
			c.n--
		default:
			break loop
		}
	}
}
`

func loadSource(t *testing.T) *target {
	t.Helper()
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("go.mod", []byte("module p\n\ngo 1.25\n"), 0o600))
	require.NoError(t, os.WriteFile("p.go", []byte(source), 0o600))
	t.Setenv("GOWORK", "off")
	target, err := load(".")
	require.NoError(t, err)
	return target
}

func TestLoad_FindsEveryMutant(t *testing.T) {
	var found []string
	for _, m := range loadSource(t).mutants {
		key, _, _ := strings.Cut(strings.TrimPrefix(m.key, "p.go "), " in [")
		found = append(found, key)
	}
	require.Equal(t, []string{
		"const constant [8] -> [9]",
		"var constant [true] -> [false]",
		"counter.add swap [<] -> [<=]",
		"counter.add swap [<] -> [>=]",
		"counter.add constant [0] -> [1]",
		"counter.add swap [||] -> [&&]",
		"counter.add negate [c.full()] -> [!c.full()]",
		`counter.add return [errors.New("p: negative or full")] -> [nil]`,
		"counter.add swap [+=] -> [-=]",
		"or swap [==] -> [!=]",
		"counter.full swap [==] -> [!=]",
		"drain remove [defer close(make(chan int, 1))] -> []",
		"drain constant [1] -> [2]",
		"drain constant [1] -> [0]",
		"drain swap [>] -> [>=]",
		"drain swap [>] -> [<=]",
		"drain constant [0] -> [1]",
		"drain negate [take()] -> [!take()]",
		"drain swap [--] -> [++]",
		"drain swap [break] -> [continue]",
	}, found)
}

// The instrumented package compiles, including labels, and behaves like the selected mutant.
func TestOverlay_RunsChosenMutant(t *testing.T) {
	target := loadSource(t)
	test := `package p

import "testing"

func TestAdd(t *testing.T) {
	if new(counter).add(0) != nil {
		t.Fatal("zero is refused")
	}
}
`
	require.NoError(t, os.WriteFile("p_test.go", []byte(test), 0o600))
	tests, err := measure(target, []string{"."}, t.TempDir(), 1)
	require.NoError(t, err)
	require.Len(t, tests, 1)
	all, err := target.binaries(t.TempDir(), target.mutants)
	require.NoError(t, err)
	failures := make(map[string]string)
	for i, m := range append([]*mutant{{key: "none"}}, target.mutants...) {
		if i == 0 || m.decl != nil {
			failure, err := all.kill(i, tests, []string{"."}, false)
			require.NoError(t, err)
			failures[m.key] = failure
		}
	}
	require.Len(t, failures, 19)
	require.Empty(t, failures["none"])
	require.Equal(t, "--- FAIL: TestAdd", failures["p.go counter.add swap [<] -> [<=] in [if n < 0 || c.full() {]"])
	require.Empty(t, failures["p.go counter.add swap [||] -> [&&] in [if n < 0 || c.full() {]"], "the test cannot detect this mutant")
	for _, m := range target.mutants {
		if strings.Contains(m.key, " drain ") {
			require.Empty(t, reaching(m, tests, target), m.key)
		}
	}
}

func TestReadList_ReadsReasons(t *testing.T) {
	name := filepath.Join(t.TempDir(), "list.txt")
	for content, want := range map[string]string{
		"# a comment\n\nequivalent: it is a hint\n\ta\n\tb\naccepted: too dear\n\tc\n": "",
		"equivalent: twice\n\ta\n\ta\n": "lists a mutant twice: a",
		"because\n\ta\n":                "a reason must start with",
	} {
		require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
		list, err := readList(name)
		if want != "" {
			require.ErrorContains(t, err, want)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, map[string]string{"a": "equivalent: it is a hint", "b": "equivalent: it is a hint", "c": "accepted: too dear"}, list)
	}
	_, err := readList("survivors.txt")
	require.NoError(t, err)
}
