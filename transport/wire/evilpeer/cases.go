package evilpeer

import "slices"

// Cases returns the table of all cases.
func Cases() []Case {
	all := slices.Concat(
		nameCases(), scopeCases(), typeCases(), oracleCases(), deltaCases(), resumeCases(), metaCases(),
		countCases(), frameCases(), directionCases(), confirmCases(), showCases(),
	)
	why := known()
	for i := range all {
		c := &all[i]
		if c.Scene == nil {
			c.Scene = fresh()
		}
		c.Known = why[c.Class+"/"+c.Name]
	}
	return all
}

// known are the cases that fail today, and why.
func known() map[string]string {
	return map[string]string{}
}
