package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// moreTests lists further packages whose tests cover a package.
var moreTests = map[string][]string{
	"emberqa": {"emberqa/emberqatest", "internal/allvendors"},
}

// A test is one test function, with the blocks of the target that it reaches.
type test struct {
	dir, name string
	took      time.Duration
	blocks    []block
}

type block struct {
	file                                       string
	startLine, startColumn, endLine, endColumn int
}

// measure runs every test separately, for its time and its coverage.
func measure(t *target, dirs []string, scratch string, workers int) ([]*test, error) {
	var tests []*test
	for _, dir := range dirs {
		binary, err := build(dir, filepath.Join(scratch, "cover"), "-cover", "-coverpkg="+t.path)
		if err != nil {
			return nil, err
		}
		list := exec.Command(binary, "-test.list", "^(Test|Fuzz|Example)")
		list.Dir = dir
		out, err := list.Output()
		if err != nil {
			return nil, fmt.Errorf("list the tests of %s: %w", dir, err)
		}
		var here []*test
		for name := range strings.FieldsSeq(string(out)) {
			here = append(here, &test{dir: dir, name: name})
		}
		err = parallel(workers, here, func(tt *test) error {
			profile := filepath.Join(scratch, tt.name+".out")
			start := time.Now()
			if failure, err := run(binary, []*test{tt}, 0, 5*time.Minute, "-test.coverprofile", profile); err != nil {
				return err
			} else if failure != "" {
				return fmt.Errorf("%s fails without a mutant: %s", tt.name, failure)
			}
			tt.took = time.Since(start)
			content, err := os.ReadFile(profile)
			for line := range strings.Lines(string(content)) {
				name, rest, _ := strings.Cut(line, ".go:")
				var b block
				var statements, count int
				if n, _ := fmt.Sscanf(rest, "%d.%d,%d.%d %d %d", &b.startLine, &b.startColumn, &b.endLine, &b.endColumn, &statements, &count); n == 6 && count > 0 {
					b.file = path.Base(name) + ".go"
					tt.blocks = append(tt.blocks, b)
				}
			}
			return errors.Join(err, os.Remove(profile))
		})
		if err != nil {
			return nil, err
		}
		tests = append(tests, here...)
	}
	slices.SortStableFunc(tests, func(a, b *test) int { return cmp.Compare(a.took, b.took) })
	return tests, nil
}

func build(dir, name string, args ...string) (string, error) {
	name += "-" + strings.ReplaceAll(dir, "/", "-") + ".test"
	cmd := exec.Command("go", slices.Concat([]string{"test", "-c", "-vet=off", "-ldflags=-w", "-o", name}, args, []string{"./" + dir})...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the tests of %s: %w\n%s", dir, err, out)
	}
	return name, nil
}

var failed = regexp.MustCompile(`--- FAIL: (\S+)|(panic: .*|fatal error: .*|WARNING: DATA RACE)`)

// run runs tests of one folder with a mutant, and returns the first failure. It limits the memory if the shell can,
// because a mutated loop may allocate forever.
func run(binary string, tests []*test, id int, timeout time.Duration, args ...string) (failure string, err error) {
	names := make([]string, len(tests))
	for i, t := range tests {
		names[i] = t.name
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	limit := "ulimit -v 8000000 2>/dev/null; "
	if strings.Contains(filepath.Base(binary), "race") { // the race detector reserves more memory
		limit = ""
	}
	cmd := exec.CommandContext(ctx, "sh", slices.Concat([]string{"-c", limit + `exec "$0" "$@"`, binary, "-test.failfast", "-test.timeout=0", "-test.run", "^(" + strings.Join(names, "|") + ")$"}, args)...)
	cmd.Dir, cmd.WaitDelay = tests[0].dir, time.Second
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", switchName, id))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "timeout", nil
	case errors.As(err, &exit):
		return cmp.Or(strings.TrimSpace(failed.FindString(out.String())), err.Error()), nil
	default:
		return "", err
	}
}

// reaching returns the tests that reach a mutant. If no block contains the mutant, as in a case of a switch, it returns
// the tests of its function.
func reaching(m *mutant, tests []*test, t *target) []*test {
	file := path.Base(filepath.ToSlash(m.file.name))
	has := func(covers func(b block) bool) []*test {
		var found []*test
		for _, tt := range tests {
			if slices.ContainsFunc(tt.blocks, func(b block) bool { return b.file == file && covers(b) }) {
				found = append(found, tt)
			}
		}
		return found
	}
	if m.decl == nil {
		return tests
	}
	if found := has(func(b block) bool {
		return !before(m.place.Line, m.place.Column, b.startLine, b.startColumn) && before(m.place.Line, m.place.Column, b.endLine, b.endColumn)
	}); len(found) > 0 {
		return found
	}
	start, end := t.fset.Position(m.decl.Pos()), t.fset.Position(m.decl.End())
	return has(func(b block) bool {
		return !before(b.startLine, b.startColumn, start.Line, start.Column) && before(b.startLine, b.startColumn, end.Line, end.Column)
	})
}

func before(line, column, otherLine, otherColumn int) bool {
	return line < otherLine || line == otherLine && column < otherColumn
}
