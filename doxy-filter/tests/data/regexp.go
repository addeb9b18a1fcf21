// What Go's regexp package says: one line of input is a pattern and texts, each in hexadecimal. One
// line of output is "error", or for each text 1 if the pattern matches all of it, else 0.
package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"regexp"
	"regexp/syntax"
	"strings"
)

func decode(word string) string {
	bytes, err := hex.DecodeString(strings.TrimPrefix(word, "x"))
	if err != nil {
		panic(err)
	}
	return string(bytes)
}

func main() {
	// All is read before anything is written, so that neither side waits for the other.
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		panic(err)
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for _, line := range strings.Split(strings.TrimSuffix(string(input), "\n"), "\n") {
		words := strings.Split(line, " ")
		tree, err := syntax.Parse(decode(words[0]), syntax.Perl)
		if err != nil {
			fmt.Fprintln(out, "error")
			continue
		}
		// Go writes the tree down again, so that the anchors cannot end up inside it.
		whole := regexp.MustCompile(`\A(?:` + tree.String() + `)\z`)
		for _, word := range words[1:] {
			if whole.MatchString(decode(word)) {
				fmt.Fprint(out, 1)
			} else {
				fmt.Fprint(out, 0)
			}
		}
		fmt.Fprintln(out)
	}
}
