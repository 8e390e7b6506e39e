// The Go peer: franz-go. Usage: go-peer COMMAND --bootstrap HOST:PORT [--option value]…
// Results are JSON lines on stdout, logs go to stderr. See ../README.md.
package main

import (
	"fmt"
	"os"
)

func main() {
	commands := map[string]func(Options) error{
		"basics":       basics,
		"idempotent":   idempotent,
		"transactions": transactions,
		"load":         load,
		"read":         read,
		"hold":         hold,
		"once":         once,
		"zombie":       zombie,
		"hang":         hang,
	}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "unknown command")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](parse(os.Args[2:])); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if failures > 0 {
		os.Exit(1)
	}
}
