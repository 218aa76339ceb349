package main

import (
	"strings"
	"testing"
)

func TestInfoWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args string
		word int
		want int
	}{
		{"", infoNonreg, 1},
		{"", infoName, 0},
		{"-v", infoName, 1},
		{"-v", infoSkip, 0},
		{"-vv", infoName, 2},
		{"-vv", infoSkip, 1},
		{"-v --info=name0", infoName, 0},
		{"--info=name0 -v", infoName, 0},
		{"--info=name2,name", infoName, 1},
		{"--info=NAME2", infoName, 2},
		{"--info=all2,none", infoName, 0},
		{"--info=none,all3", infoSkip, 3},
		{"--info=name99999999999999999999", infoName, 4},
		{"--info=name007", infoName, 4},
		{"--info=name000", infoName, 0},
		{"--stats", infoStats, 2},
		{"--stats --info=stats0", infoStats, 0},
		{"--progress", infoProgress, 1},
		{"--info=progress2", infoProgress, 2},
		{"-q --info=name", infoName, 0},
		{strings.Repeat("-v ", 60), infoBackup, 1},
		{"--info=,name,", infoName, 1},
	} {
		s, _, err := parseArgs(strings.Fields(c.args), false)
		if err != nil {
			t.Errorf("%s: %v", c.args, err)
			continue
		}
		if got := s.info(c.word); got != c.want {
			t.Errorf("%s: %s is %d, want %d", c.args, infoWords()[c.word].name, got, c.want)
		}
	}
}

func TestWordsRefused(t *testing.T) {
	t.Parallel()
	for _, arg := range []string{"--info=foo", "--info=nam", "--info=2", "--info=name-1", "--debug=name", "--debug=x1"} {
		if _, _, err := parseArgs([]string{arg}, false); err == nil || !strings.Contains(err.Error(), "help lists them") {
			t.Errorf("%s: %v", arg, err)
		}
	}
}

func TestDebugging(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]bool{"": false, "-vv": false, "-vvv": true, "--debug=io": true, "--debug=io0": false, "--debug=all,none": false, "--debug=all4": true, "--debug=HLINK5": true} {
		s, _, err := parseArgs(strings.Fields(args), false)
		if err != nil || s.debugging() != want {
			t.Errorf("%s: %v, want %v (%v)", args, s.debugging(), want, err)
		}
	}
}
