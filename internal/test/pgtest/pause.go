//go:build unix

package pgtest

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Pause suspends every process of the server, as if the machine were out of memory or being migrated. Connections stay open
// and new ones are accepted, but the server does not respond. It requires Linux.
func (s *Server) Pause() error {
	pid := s.postgres.Process.Pid
	if err := s.signal(pid, syscall.SIGSTOP); err != nil { // first, so that it starts no more children
		return err
	}
	children, err := childrenOf(pid)
	for _, child := range children {
		err = errors.Join(err, s.signal(child, syscall.SIGSTOP))
	}
	return err
}

// Resume resumes a paused server.
func (s *Server) Resume() error {
	var err error
	for _, pid := range s.paused {
		// postgres is resumed first. A backend that had ended before the pause can then disappear, so ESRCH is no error.
		if e := syscall.Kill(pid, syscall.SIGCONT); !errors.Is(e, syscall.ESRCH) {
			err = errors.Join(err, e)
		}
	}
	s.paused = nil
	return err
}

func (s *Server) signal(pid int, signal syscall.Signal) error {
	if err := syscall.Kill(pid, signal); err != nil {
		if errors.Is(err, syscall.ESRCH) {
			return nil // a backend that has just ended
		}
		return fmt.Errorf("pgtest: pause: %w", err)
	}
	s.paused = append(s.paused, pid)
	return nil
}

func childrenOf(pid int) ([]int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
	if err != nil {
		return nil, fmt.Errorf("pgtest: pause: %w", err)
	}
	var children []int
	for field := range strings.FieldsSeq(string(text)) {
		child, err := strconv.Atoi(field)
		if err != nil {
			return nil, fmt.Errorf("pgtest: pause: %w", err)
		}
		children = append(children, child)
	}
	return children, nil
}
