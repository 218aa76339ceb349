package engine

import (
	"fmt"
	"strconv"
	"strings"

	"gosync/walker/filter"
)

// idRule says which owners of the source become another.
type idRule struct {
	numbers   bool // from low to high
	low, high uint32
	pattern   string // else names that it matches; an owner without a name has the empty one
	wild      bool
	to        string // a name or a number of the destination
}

// IDMap is what --usermap or --groupmap say. The first rule that matches counts.
type IDMap []idRule

// maxIDMap is the greatest length of the text of a map.
const maxIDMap = 64 << 10

// ParseIDMap reads FROM:TO pairs that commas separate. FROM is a name, a pattern for
// names, a number or a range LOW-HIGH; TO is a name or a number.
func ParseIDMap(text string) (IDMap, error) {
	if len(text) > maxIDMap {
		return nil, fmt.Errorf("the map is longer than %d bytes", maxIDMap)
	}
	var m IDMap
	for pair := range strings.SplitSeq(text, ",") {
		from, to, ok := strings.Cut(pair, ":")
		switch {
		case !ok:
			return nil, fmt.Errorf("there is no colon in %q: write FROM:TO", pair)
		case to == "":
			return nil, fmt.Errorf("there is no name behind the colon of %q", pair)
		}
		r := idRule{to: to}
		if err := r.parseFrom(from); err != nil {
			return nil, err
		}
		if isNumber(to) {
			if _, err := parseID(to); err != nil {
				return nil, err
			}
		}
		m = append(m, r)
	}
	return m, nil
}

func (r *idRule) parseFrom(from string) (err error) {
	if from == "" || from[0] < '0' || from[0] > '9' {
		r.pattern, r.wild = from, strings.ContainsAny(from, "*?[")
		return nil
	}
	r.numbers = true
	low, high, ranged := strings.Cut(from, "-")
	if !ranged {
		high = low
	}
	if r.low, err = parseID(low); err == nil {
		r.high, err = parseID(high)
	}
	return err
}

func isNumber(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }

func parseID(text string) (uint32, error) {
	id, err := strconv.ParseUint(text, 10, 32)
	if err != nil || !isNumber(text) || id == 1<<32-1 { // that one means "none" to the system
		return 0, fmt.Errorf("%q is no number of an owner", text)
	}
	return uint32(id), nil
}

func (r *idRule) matches(id uint32, name string) bool {
	switch {
	case r.numbers:
		return r.low <= id && id <= r.high
	case r.wild:
		return filter.Match(r.pattern, name)
	}
	return r.pattern == name
}

// idTarget is a rule whose owner is known here.
type idTarget struct {
	idRule
	id uint32
}

// resolve finds the owners that m leads to. Rules that lead to nobody are left out
// and told, as rsync does it.
func (m IDMap) resolve(find func(string) (uint32, bool), unknown func(name string)) (targets []idTarget) {
	for _, r := range m {
		if isNumber(r.to) {
			if id, err := parseID(r.to); err == nil {
				targets = append(targets, idTarget{r, id})
			}
			continue
		}
		if id, ok := find(r.to); ok {
			targets = append(targets, idTarget{r, id})
		} else {
			unknown(r.to)
		}
	}
	return targets
}

// mapped returns what an owner of the source becomes, false where no rule says anything.
func mapped(targets []idTarget, id uint32, name string) (uint32, bool) {
	for i := range targets {
		if targets[i].matches(id, name) {
			return targets[i].id, true
		}
	}
	return 0, false
}
