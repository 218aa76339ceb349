// Package evilpeer is a peer that breaks one rule of the protocol at a time. It
// is for tests.
//
// An honest end of a run speaks through it: [Play] decodes every message that
// leaves the honest end, lets a [Rule] change, drop, repeat or insert messages, or
// put any bytes in their place, and encodes what is left with gosync's own
// encoder. So all but the one lie is what an honest peer says. What the end under
// test, the victim, says is decoded too and may be changed on its way to the
// honest end, which then does what the victim never asked for.
//
// [Cases] is the table of all lies, each with the [Scene] that it needs (a tree to
// copy and how) and what the victim's run has to end with. The package makes the
// scenes and judges what is left of them, but runs no engine: it is given the
// honest end as a function, and its users run the victim.
//
// It is not shown that a victim withstands lies that are not in the table; the
// mutator, [Damage], tries more of them at random.
package evilpeer
