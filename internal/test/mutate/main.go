// Mutate changes a package in one place at a time, and runs its tests. If the tests still pass, a test is missing, or the
// change has no effect. The file survivors.txt lists the known survivors. Run the program with "make mutate".
//
// No other program fits. gremlins (v0.6.0) only swaps operators, so it does not find a removed unlock or a dropped error.
// It has no list of known survivors, and builds the tests again for every mutant. Here, one build has all mutants of a
// package, so a mutant costs only the tests that reach it.
package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

var (
	workers = flag.Int("workers", runtime.GOMAXPROCS(0), "how many mutants run at once")
	only    = flag.String("run", "", "run only the mutants that match this regular expression")
	shard   = flag.String("shard", "1/1", "run one part of the mutants: 2/3 is the second of three parts")
	race    = flag.Bool("race", true, "run removed statements with the race detector as well; needs a C compiler")
	known   = flag.Bool("known", true, "also run the mutants in survivors.txt")
	verbose = flag.Bool("v", false, "print the test that killed each mutant")
)

const listFile = "internal/test/mutate/survivors.txt"

func main() {
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: mutate [flags] folders or files of the root module")
		flag.PrintDefaults()
	}
	flag.Parse()
	ok := true
	list, err := readList(listFile)
	for _, arg := range flag.Args() {
		if err == nil {
			var passed bool
			passed, err = mutate(filepath.ToSlash(filepath.Clean(arg)), list)
			ok = ok && passed
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// readList reads survivors.txt: reasons, each followed by its indented mutants.
func readList(name string) (map[string]string, error) {
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	list := make(map[string]string)
	reason := ""
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSuffix(line, "\n")
		key, indented := strings.CutPrefix(line, "\t")
		switch {
		case strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#"):
		case indented && list[key] != "":
			return nil, fmt.Errorf("%s lists a mutant twice: %s", name, key)
		case indented:
			list[key] = reason
		case !strings.HasPrefix(line, "equivalent: ") && !strings.HasPrefix(line, "accepted: "):
			return nil, fmt.Errorf("%s: a reason must start with \"equivalent: \" or \"accepted: \": %s", name, line)
		default:
			reason = line
		}
	}
	return list, nil
}

// mutate runs the mutants of a package or a file, and reports whether survivors.txt is right.
func mutate(arg string, list map[string]string) (ok bool, err error) {
	dir := arg
	if strings.HasSuffix(arg, ".go") {
		dir = path.Dir(arg)
	}
	selected := func(key string) bool { // excludes packages below dir
		file, _, _ := strings.Cut(key, " ")
		return file == arg || path.Dir(file) == arg
	}
	pattern, err := regexp.Compile(*only)
	if err != nil {
		return false, err
	}
	var part, parts int
	if n, _ := fmt.Sscanf(*shard, "%d/%d", &part, &parts); n != 2 || part < 1 || part > parts {
		return false, fmt.Errorf("-shard (%s) must be i/n with 1 <= i <= n", *shard)
	}
	start := time.Now()
	t, err := load("./" + dir)
	if err != nil {
		return false, err
	}
	ok = true
	stale := maps.Clone(list)
	for _, m := range t.mutants {
		delete(stale, m.key)
	}
	for _, key := range slices.Sorted(maps.Keys(stale)) {
		if selected(key) {
			ok = false
			fmt.Printf("listed, but no longer a mutant: %s\n", key)
		}
	}
	chosen := slices.DeleteFunc(slices.Clone(t.mutants), func(m *mutant) bool {
		return !selected(m.key) || !pattern.MatchString(m.key) || m.shard(parts)+1 != part || !*known && list[m.key] != ""
	})
	if len(chosen) == 0 {
		return ok, nil
	}
	scratch, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return false, err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	dirs := append([]string{dir}, moreTests[dir]...)
	tests, err := measure(t, dirs, scratch, *workers)
	if err != nil {
		return false, err
	}
	all, err := t.binaries(filepath.Join(scratch, "all"), t.mutants)
	if err != nil {
		return false, err
	}
	if failure, err := all.kill(0, tests, dirs, *race); err != nil {
		return false, err
	} else if failure != "" {
		return false, fmt.Errorf("the tests of %s fail without a mutant: %s", dir, failure)
	}
	fmt.Printf("%s: %d mutants, %d tests; prepared in %v\n", arg, len(chosen), len(tests), time.Since(start).Round(time.Second))
	r := &results{list: list}
	err = parallel(*workers, chosen, func(m *mutant) error {
		id, reach := slices.Index(t.mutants, m)+1, reaching(m, tests, t)
		if m.decl == nil {
			alone := filepath.Join(scratch, fmt.Sprint("alone", id))
			defer func() { _ = os.RemoveAll(alone) }()
			b, err := t.binaries(alone, []*mutant{m})
			if err != nil {
				return err
			}
			if _, err := b.get(dir, "plain"); err != nil {
				return nil // a change that does not compile is not a mutant
			}
			failure, err := b.kill(id, reach, dirs, false)
			r.add(m, failure, len(reach))
			return err
		}
		failure, err := all.kill(id, reach, dirs, m.operator == "remove") // the removed statement may be a lock
		r.add(m, failure, len(reach))
		return err
	})
	fmt.Printf("%s: %d mutants: %d killed (%.1f %% of those that are not equivalent), %d equivalent, %d accepted, %d survived; %v\n",
		arg, r.killed+r.equivalent+r.accepted+r.survived, r.killed, 100*float64(r.killed)/float64(max(1, r.killed+r.accepted+r.survived)),
		r.equivalent, r.accepted, r.survived, time.Since(start).Round(time.Second))
	return ok && r.survived == 0, err
}

type results struct {
	list                                   map[string]string
	mu                                     sync.Mutex
	killed, equivalent, accepted, survived int
}

func (r *results) add(m *mutant, failure string, tests int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	reason := r.list[m.key]
	switch equivalent := strings.HasPrefix(reason, "equivalent: "); {
	case failure != "" && reason != "": // not an error, because a slow machine can kill an equivalent mutant
		fmt.Printf("listed, but killed by %s: %s\n", failure, m.key)
		fallthrough
	case failure != "":
		if equivalent {
			r.equivalent++
		} else {
			r.killed++
		}
		if *verbose {
			fmt.Printf("killed by %s: %s\n", failure, m.key)
		}
	case equivalent:
		r.equivalent++
	case reason != "":
		r.accepted++
	default:
		r.survived++
		fmt.Printf("survived %d tests, %s:\n\t%s\n", tests, m.place, m.key)
	}
}

// A binaries builds and caches the test binaries with mutants.
type binaries struct {
	scratch, overlay string
	mu               sync.Mutex
	built            map[string]string
}

func (t *target) binaries(scratch string, mutants []*mutant) (*binaries, error) {
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		return nil, err
	}
	overlay, err := t.overlay(scratch, mutants)
	return &binaries{scratch: scratch, overlay: overlay, built: make(map[string]string)}, err
}

func (b *binaries) get(dir, name string, args ...string) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if built := b.built[name+dir]; built != "" {
		return built, nil
	}
	built, err := build(dir, filepath.Join(b.scratch, name), append(args, "-overlay", b.overlay)...)
	b.built[name+dir] = built
	return built, err
}

// kill runs tests with a mutant until one fails, and returns the failure. It runs the tests of each folder, the fast
// ones first. With race, it then runs those of the first folder with the race detector.
func (b *binaries) kill(id int, tests []*test, dirs []string, race bool) (failure string, err error) {
	runDir := func(dir, name string, args ...string) (bool, error) {
		for _, slow := range []bool{false, true} {
			var group []*test
			timeout := 10 * time.Second
			for _, t := range tests {
				if t.dir == dir && (t.took > 50*time.Millisecond) == slow {
					group, timeout = append(group, t), timeout+10*t.took
				}
			}
			if len(group) == 0 {
				continue
			}
			binary, err := b.get(dir, name, args...)
			if err != nil {
				return false, err
			}
			if failure, err = run(binary, group, id, timeout); failure != "" || err != nil {
				return true, err
			}
		}
		return false, nil
	}
	for _, dir := range dirs {
		if done, err := runDir(dir, "plain"); done || err != nil {
			return failure, err
		}
	}
	if race {
		_, err = runDir(dirs[0], "race", "-race")
	}
	return failure, err
}

// parallel calls f for every item, and stops at the first error.
func parallel[T any](workers int, items []T, f func(T) error) error {
	var first error
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := 0
	for range workers {
		wg.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				stop := first != nil || i >= len(items)
				mu.Unlock()
				if stop {
					return
				}
				if err := f(items[i]); err != nil {
					mu.Lock()
					first = err
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return first
}
