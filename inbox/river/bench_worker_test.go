//go:build unix

package riverinbox_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

const envWay = "RIVERTEST_WAY"

// benchWorker is the main function of a process that works the stored jobs. It prints "ready", and then the number of
// callbacks for each line on standard input.
func benchWorker() error {
	b, err := openBench(os.Getenv(envDSN))
	if err != nil {
		return err
	}
	if err := b.client.Start(context.Background()); err != nil {
		return err
	}
	var calls atomic.Int64
	var stop func() error
	for _, w := range allWays {
		if w.name == os.Getenv(envWay) {
			stop, err = w.work(b, func(string) { calls.Add(1) })
		}
	}
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Println(calls.Load())
	}
	if err := stop(); err != nil {
		return err
	}
	return b.close()
}

// A benchProcess is a process of benchWorker.
type benchProcess struct {
	b     *testing.B
	cmd   *exec.Cmd
	lines *bufio.Scanner
	ask   *os.File
}

func startBenchWorker(b *testing.B, dsn string, w way) *benchProcess {
	b.Helper()
	p := &benchProcess{b: b, cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), envWork+"=bench", envDSN+"="+dsn, envWay+"="+w.name)
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	require.NoError(b, err)
	r, ask, err := os.Pipe()
	require.NoError(b, err)
	p.cmd.Stdin, p.ask, p.lines = r, ask, bufio.NewScanner(out)
	require.NoError(b, p.cmd.Start())
	require.NoError(b, r.Close())
	require.True(b, p.lines.Scan())
	return p
}

func (p *benchProcess) calls() int {
	_, err := p.ask.WriteString("\n")
	require.NoError(p.b, err)
	require.True(p.b, p.lines.Scan())
	n, err := strconv.Atoi(p.lines.Text())
	require.NoError(p.b, err)
	return n
}

func (p *benchProcess) end() {
	require.NoError(p.b, p.ask.Close())
	require.NoError(p.b, p.cmd.Wait())
}
