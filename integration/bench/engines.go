package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// engines are the benchmarks of stores and inboxes, in the packages that they measure. Each has its engine alone as the floor.
var engines = []struct{ pkg, benchmarks, times string }{
	{"./idempotency", "MemoryClaimComplete|MemoryBytesPerKey", "1s"},
	{"./integration/sqlstore", "Claim", turns},
	{"./idempotency/redisstore", "Claim", turns},
	{"./inbox/sqlite", "Enqueue|Latency", turns},
	{"./inbox/river", "Enqueue|Callbacks", turns},
	{"./inbox/river", "Latency", "200x"},
	{"./integration/jetstream", "Enqueue|Callbacks|Latency", turns},
}

// turns is how often a benchmark measures both sides.
const turns = "9x"

// writeEngines runs the benchmarks of stores and inboxes, and writes their figures as one table.
func writeEngines(w *bytes.Buffer) error {
	w.WriteString("| | | figures |\n|---|---|---|\n")
	for _, e := range engines {
		began := time.Now()
		cmd := exec.Command("go", "test", "-run", "^$", "-bench", e.benchmarks, "-benchtime", e.times, e.pkg)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("go test -bench %s: %w: %s", e.pkg, err, out)
		}
		name := strings.TrimPrefix(e.pkg, "./")
		for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
			benchmark, figures := parseBenchmark(lines.Text())
			if benchmark != "" {
				fmt.Fprintf(w, "| %s | %s | %s |\n", name, benchmark, figures)
				name = ""
			}
		}
		fmt.Fprintf(os.Stderr, "%4.0f s  %s\n", time.Since(began).Seconds(), e.pkg)
	}
	return nil
}

// parseBenchmark returns the name and the figures of a line such as "BenchmarkClaim/x-2  3  12 ns/op  1.2 ratio".
func parseBenchmark(line string) (name, figures string) {
	fields := strings.Fields(line)
	if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
		return "", ""
	}
	var all []string
	for i := 2; i+1 < len(fields); i += 2 {
		all = append(all, fields[i]+" "+fields[i+1])
	}
	name = strings.TrimPrefix(fields[0], "Benchmark")
	if i := strings.LastIndexByte(name, '-'); i > 0 {
		name = name[:i]
	}
	return name, strings.Join(all, ", ")
}
