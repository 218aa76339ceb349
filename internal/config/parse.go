package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// parser collects what stands in a file. The library's decoder says whether that is TOML;
// its parser, which tells where things stand and in which order, is what is read.
type parser struct {
	file    File
	toml    unstable.Parser
	nearest func(word string, known []string) string
}

// parse reads data as the content of the file called name.
func parse(name string, data []byte, nearest func(word string, known []string) string) (*File, error) {
	var whole map[string]any
	if err := toml.Unmarshal(data, &whole); err != nil {
		return nil, tomlError(name, err)
	}
	p := &parser{file: File{Name: name}, nearest: nearest}
	p.toml.Reset(data)
	var table []string
	for p.toml.NextExpression() {
		e := p.toml.Expression()
		var err error
		switch e.Kind {
		case unstable.Table:
			var at Place
			table, at = p.key(e)
			err = p.open(table, at)
		case unstable.ArrayTable:
			_, at := p.key(e)
			err = &Error{at, errors.New("there are no arrays of tables: write [...]")}
		case unstable.KeyValue:
			err = p.keyValue(table, e)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := p.toml.Error(); err != nil {
		return nil, tomlError(name, err)
	}
	for i := range p.file.Jobs {
		if err := checkJob(&p.file.Jobs[i]); err != nil {
			return nil, err
		}
	}
	return &p.file, nil
}

// tomlError gives an error of the library its place.
func tomlError(name string, err error) error {
	at := Place{File: name}
	if d, ok := errors.AsType[*toml.DecodeError](err); ok {
		at.Line, at.Column = d.Position()
	}
	return &Error{at, errors.New(strings.TrimPrefix(err.Error(), "toml: "))}
}

// key returns the parts of the key of a table or a value, and where its last one stands.
func (p *parser) key(n *unstable.Node) ([]string, Place) {
	var parts []string
	at := Place{File: p.file.Name}
	for it := n.Key(); it.Next(); {
		k := it.Node()
		parts = append(parts, string(k.Data))
		start := p.toml.Shape(k.Raw).Start
		at.Line, at.Column = start.Line, start.Column
	}
	return parts, at
}

// open begins a table.
func (p *parser) open(path []string, at Place) error {
	switch path[0] {
	case "defaults":
		if len(path) > 1 {
			return &Error{at, fmt.Errorf("[defaults] holds options and no tables: %s", strings.Join(path[1:], "."))}
		}
	case "job":
		if len(path) > 2 {
			return &Error{at, fmt.Errorf("a job holds options and no tables: %s", strings.Join(path[2:], "."))}
		}
		if len(path) == 2 {
			p.job(path[1], at)
		}
	default:
		return p.unknown(at, "table", path[0], []string{"defaults", "job"})
	}
	return nil
}

// unknown is the error for a name that is not known.
func (p *parser) unknown(at Place, what, name string, known []string) error {
	if guess := p.nearest(name, known); guess != "" {
		return &Error{at, fmt.Errorf("unknown %s %q; did you mean %s?", what, name, guess)}
	}
	return &Error{at, fmt.Errorf("unknown %s %q; there are %s", what, name, strings.Join(known, ", "))}
}

// job returns the job of that name, a new one where there is none yet.
func (p *parser) job(name string, at Place) *Job {
	if j := p.file.Job(name); j != nil {
		return j
	}
	p.file.Jobs = append(p.file.Jobs, Job{Name: name, At: at})
	return &p.file.Jobs[len(p.file.Jobs)-1]
}

// keyValue reads a key with its value, which may be an inline table.
func (p *parser) keyValue(table []string, n *unstable.Node) error {
	key, at := p.key(n)
	path := append(table[:len(table):len(table)], key...)
	value := n.Value()
	if value.Kind == unstable.InlineTable {
		if err := p.open(path, at); err != nil {
			return err
		}
		for it := value.Children(); it.Next(); {
			if err := p.keyValue(path, it.Node()); err != nil {
				return err
			}
		}
		return nil
	}
	switch {
	case path[0] == "defaults" && len(path) == 2:
		s, err := setting(path[1], at, value)
		p.file.Defaults = append(p.file.Defaults, s)
		return err
	case path[0] == "job" && len(path) == 3:
		return p.job(path[1], at).set(path[2], at, value)
	case len(path) > 1:
		return p.open(path, at)
	case path[0] == "defaults" || path[0] == "job":
		return &Error{at, fmt.Errorf("%s is a table: write [%s]", path[0], path[0])}
	}
	return p.unknown(at, "key", path[0], []string{"[defaults]", "[job.NAME]"})
}

// JobKeys are the keys of a job that are no options.
func JobKeys() []string { return []string{"about", "command", "dest", "sources"} }

// set takes one key of a job.
func (j *Job) set(key string, at Place, value *unstable.Node) error {
	s, err := setting(key, at, value)
	if err != nil {
		return err
	}
	one := map[string]*string{"about": &j.About, "command": &j.Command, "dest": &j.Dest}[key]
	switch {
	case key == "sources" && s.Kind == Switch, key == "sources" && s.Kind == Number:
		return &Error{at, errors.New("sources takes an array of strings")}
	case key == "sources":
		j.Sources = s.Values
	case one != nil && s.Kind != Text:
		return &Error{at, fmt.Errorf("%s takes a string", key)}
	case one != nil && (s.Values[0] == "" || strings.ContainsRune(s.Values[0], '\n')):
		return &Error{at, fmt.Errorf("%s is empty, or more than a line", key)}
	case one != nil:
		*one = s.Values[0]
	default:
		j.Settings = append(j.Settings, s)
	}
	return nil
}

// setting reads the value of a key.
func setting(key string, at Place, value *unstable.Node) (Setting, error) {
	s := Setting{Key: key, At: at}
	if value.Kind == unstable.Array {
		s.Kind = List
		for it := value.Children(); it.Next(); {
			text, kind, err := scalar(it.Node())
			if err != nil || kind == Switch {
				return s, &Error{at, fmt.Errorf("%s: an array holds strings and numbers", key)}
			}
			s.Values = append(s.Values, text)
		}
		return s, nil
	}
	text, kind, err := scalar(value)
	if err != nil {
		return s, &Error{at, fmt.Errorf("%s: %w", key, err)}
	}
	if s.Kind = kind; kind == Switch {
		s.On = text == "true"
		return s, nil
	}
	s.Values = []string{text}
	return s, nil
}

// scalar reads a value that is no array.
func scalar(n *unstable.Node) (string, Kind, error) {
	text := string(n.Data)
	switch n.Kind {
	case unstable.Bool:
		return text, Switch, nil
	case unstable.Integer:
		i, err := strconv.ParseInt(text, 0, 64)
		return strconv.FormatInt(i, 10), Number, err
	case unstable.String:
		if strings.ContainsRune(text, 0) {
			return "", Text, errors.New("the value holds a zero byte")
		}
		return text, Text, nil
	}
	return "", Text, fmt.Errorf("%s: a value is a string, an integer, true, false, or an array", text)
}
