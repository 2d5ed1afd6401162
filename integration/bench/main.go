// Bench measures the library next to handlers written by hand, to other libraries and to the engines below the stores and
// inboxes. It writes its table into README.md and its plot into plot.svg. Run it with "make bench", on a machine that does
// nothing else.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"
)

var (
	rounds    = flag.Int("rounds", 5, "how often each contender is measured")
	only      = flag.String("only", "", "the one section to measure: socket, inprocess, verification, hostile or engines")
	profiles  = flag.String("profiles", "", "a folder for a CPU profile of each server process")
	serving   = flag.String("serve", "", "be a server process with this handler")
	loading   = flag.String("load", "", "be a client process for this address")
	attacking = flag.String("attack", "", "attack the address of -load in this way, instead of sending deliveries")
	loadSize  = flag.Int("size", 512, "the size of the client's deliveries, in bytes")
	loadFor   = flag.Duration("for", time.Second, "how long the client sends")
)

// slice is how long a contender is measured in each round, over a socket.
const slice = 2 * time.Second

// A section is a part of the table, with its own units.
type section struct {
	name, title string
	measure     func() ([]*comparison, error)
}

// enginesName is the name of the last section, for -only.
const enginesName = "engines"

var sections = []section{
	{"socket", "Over a socket", socket},
	{"inprocess", "In process, without a socket", inProcess},
	{"verification", "Verification alone", verification},
	{"hostile", "Genuine deliveries next to an attack", hostile},
}

func main() {
	flag.Parse()
	var err error
	switch {
	case *serving != "":
		err = serve(*serving)
	case *attacking != "":
		attackFrom(*attacking, *loading, *loadFor)
	case *loading != "":
		var r loaded
		if r, err = (load{Addr: *loading, Size: *loadSize, For: *loadFor}).run(); err == nil {
			err = json.NewEncoder(os.Stdout).Encode(r)
		}
	default:
		err = measureAll()
	}
	fail(err)
}

// measureAll prints each section when it has been measured.
func measureAll() error {
	var report bytes.Buffer
	var plotted *comparison
	fmt.Fprintf(&report, "Measured on %s.\n", machine())
	for _, s := range sections {
		if *only != "" && *only != s.name {
			continue
		}
		all, err := s.measure()
		if err != nil {
			return err
		}
		printed := report.Len()
		fmt.Fprintf(&report, "\n### %s\n\n", s.title)
		writeTable(&report, all)
		fmt.Print(string(report.Bytes()[printed:]))
		if plotted == nil {
			plotted = all[0]
		}
	}
	if *only == "" || *only == enginesName {
		printed := report.Len()
		report.WriteString("\n### Stores and inboxes\n\n")
		if err := writeEngines(&report); err != nil {
			return err
		}
		fmt.Print(string(report.Bytes()[printed:]))
	}
	if *only != "" {
		return nil
	}
	return writeReport(report.Bytes(), plotted)
}
