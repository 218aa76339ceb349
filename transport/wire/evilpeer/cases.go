package evilpeer

import "slices"

// Cases returns the table of all cases.
func Cases() []Case {
	all := slices.Concat(
		nameCases(), scopeCases(), typeCases(), oracleCases(), deltaCases(), resumeCases(), metaCases(),
		countCases(), frameCases(), directionCases(), confirmCases(), showCases(), optionCases(), keptCases(),
	)
	for i := range all {
		c := &all[i]
		if c.Scene == nil {
			c.Scene = fresh()
		}
	}
	return all
}
