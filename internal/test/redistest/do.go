//go:build unix

package redistest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// Do sends one command over a new connection. It returns the first line of the reply, or all of a bulk string. An error
// reply becomes an error.
func (s *Server) Do(words ...string) (string, error) {
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(context.Background(), "tcp", s.Addr())
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(patience))
	var command strings.Builder
	fmt.Fprintf(&command, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(&command, "$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := conn.Write([]byte(command.String())); err != nil {
		return "", err
	}
	reply := bufio.NewReader(conn)
	line, err := reply.ReadString('\n')
	line = strings.TrimSpace(line)
	switch {
	case err != nil:
		return "", err
	case strings.HasPrefix(line, "-"):
		return "", fmt.Errorf("redistest: %s: %s", words[0], line[1:])
	case strings.HasPrefix(line, "$") && line != "$-1":
		var n int
		if _, err := fmt.Sscanf(line, "$%d", &n); err != nil {
			return "", err
		}
		bulk := make([]byte, n)
		_, err = io.ReadFull(reply, bulk)
		return string(bulk), err
	}
	return line, nil
}
