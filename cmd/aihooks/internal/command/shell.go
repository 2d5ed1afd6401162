package command

import (
	"errors"
	"strings"

	"github.com/aihooks/aihooks-go/webhook"
)

// readCurlCommand reads the headers and the URL of a curl command for a POSIX shell.
func readCurlCommand(r *webhook.Request, text string) error {
	words, err := shellWords(text)
	if err != nil {
		return err
	}
	var lines []string
	for i := 1; i < len(words); i++ {
		word, next := words[i], ""
		if i+1 < len(words) {
			next = words[i+1]
		}
		switch {
		case word == "-H" || word == "--header":
			lines = append(lines, next)
			i++
		case strings.HasPrefix(word, "-H"):
			lines = append(lines, word[2:])
		case word == "-X" || word == "--request":
			r.Method = next
			i++
		case word == "--url":
			err = setTarget(r, r.Method, next)
			i++
		case strings.HasPrefix(word, "http://"), strings.HasPrefix(word, "https://"):
			err = setTarget(r, r.Method, word)
		case strings.HasPrefix(word, "--data"), word == "-d":
			i++
		}
		if err != nil {
			return err
		}
	}
	return readLines(r, strings.Join(lines, "\n"))
}

// shellWords splits a command as a POSIX shell does, with $'…' but without expanding anything.
func shellWords(text string) ([]string, error) {
	if strings.Contains(text, "^\n") || strings.Contains(text, `^"`) {
		return nil, errors.New("this is a command for cmd.exe: copy it as cURL for bash")
	}
	var words []string
	var word strings.Builder
	begun, quote := false, byte(0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote == '\'' && c != '\'', quote == '"' && c != '"' && c != '\\':
			word.WriteByte(c)
		case quote != 0 && c == quote || quote == '$' && c == '\'':
			quote = 0
		case quote == '$' && c != '\\':
			word.WriteByte(c)
		case c == '\\' && i+1 < len(text):
			i++
			switch {
			case text[i] == '\n' && quote == 0: // a continued line
				continue
			case quote == '$' && text[i] == 'n':
				word.WriteByte('\n')
			default:
				word.WriteByte(text[i])
			}
		case c == '$' && i+1 < len(text) && text[i+1] == '\'' && quote == 0:
			i++
			quote, begun = '$', true
			continue
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case quote == 0 && (c == ' ' || c == '\t' || c == '\n'):
			if begun {
				words = append(words, word.String())
			}
			word.Reset()
			begun = false
			continue
		default:
			word.WriteByte(c)
		}
		begun = true
	}
	if quote != 0 {
		return nil, errors.New("a quote in the curl command is not closed")
	}
	if begun {
		words = append(words, word.String())
	}
	return words, nil
}
