package transport

import (
	"errors"
	"fmt"
	"strings"
)

// maxRshWords bounds the words of a remote shell command, as rsync does.
const maxRshWords = 1000

// ErrRsh means that the command of -e cannot be used as it is written.
var ErrRsh = errors.New("remote shell command")

// SplitRsh splits the argument of -e as rsync does, not as a shell does. Spaces separate words; single and double quotes
// group, within a word too; a quote written twice inside its own kind stands for itself (two single quotes inside single quotes give one); backslashes,
// tabs and dollar signs are ordinary characters.
func SplitRsh(cmd string) ([]string, error) {
	if strings.IndexByte(cmd, 0) >= 0 {
		return nil, fmt.Errorf("%w: it holds a NUL byte", ErrRsh)
	}
	var words []string
	for i := 0; i < len(cmd); {
		if cmd[i] == ' ' {
			i++
			continue
		}
		word, n, err := rshWord(cmd[i:])
		if err != nil {
			return nil, err
		}
		words = append(words, word)
		if len(words) > maxRshWords {
			return nil, fmt.Errorf("%w: more than %d words", ErrRsh, maxRshWords)
		}
		i += n
	}
	if len(words) == 0 || words[0] == "" {
		return nil, fmt.Errorf("%w: no program is named", ErrRsh)
	}
	return words, nil
}

// rshWord reads one word from the start of s and reports how many bytes it took.
func rshWord(s string) (word string, n int, err error) {
	var b strings.Builder
	quote := byte(0)
	for ; n < len(s); n++ {
		c := s[n]
		switch {
		case quote == 0 && c == ' ':
			return b.String(), n, nil
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case quote != 0 && c == quote:
			if n+1 < len(s) && s[n+1] == quote {
				b.WriteByte(quote)
				n++
				continue
			}
			quote = 0
		default:
			b.WriteByte(c)
		}
	}
	if quote != 0 {
		return "", n, fmt.Errorf("%w: missing closing %c", ErrRsh, quote)
	}
	return b.String(), n, nil
}
