package main

import (
	"strings"

	"gosync/transport"
)

// configSettings is what options say of the user's configuration file.
type configSettings struct {
	config   string // --config; "" for the usual place
	noConfig bool
}

// configFlags are the options about the user's own settings.
func configFlags() []flag {
	return []flag{{
		name: "config", arg: "FILE", kind: valueFile, negate: true, lineOnly: true, category: catConfig,
		doc:  "read FILE instead of ~/.config/gosync/config.toml",
		long: "It holds defaults for options, and jobs that gosync run starts by name; gosync help config describes it. What the command line says wins over the environment, and that over the file. A gosync that another one has started reads none.",
		set: func(s *settings, on bool, text string) error {
			s.config, s.noConfig = "", !on
			if on && text == "" {
				return usageErrorf("the value is empty")
			}
			s.config = text
			return nil
		},
	}}
}

func viaWords() []string {
	var words []string
	for _, v := range transport.Vias() {
		words = append(words, string(v))
	}
	return words
}

// infoValues are what --info takes: its words, some of them with the level that they are mostly given with.
func infoValues() []string {
	words := []string{"help", "all", "none", "progress2", "name2", "stats2"}
	for _, w := range infoWords() {
		words = append(words, strings.ToLower(w.name))
	}
	return words
}

func debugValues() []string {
	words := []string{"help", "all", "none"}
	for _, w := range debugWords() {
		words = append(words, strings.ToLower(w.name))
	}
	return words
}

func checksumValues() []string { return append([]string{"auto"}, checksumNames()...) }

func compressValues() []string { return append([]string{"auto"}, compressNames()...) }
