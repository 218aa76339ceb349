package evilpeer

import (
	"slices"
	"time"

	"gosync/transport/wire"
)

// Role is the part that the peer plays.
type Role uint8

// The roles.
const (
	Source Role = iota // the victim is the destination
	Dest
)

func (r Role) String() string { return [...]string{"source", "destination"}[r] }

// Side is where the victim is.
type Side uint8

// The sides.
const (
	Anywhere Side = iota // the case is tried at both
	Client               // the victim is the client: the peer is a server
	Server
)

// Case is one lie.
type Case struct {
	Class string
	Name  string
	As    Role   // of the peer
	At    Side   // of the victim; the zero value for both
	Scene *Scene // nil for one that copies a few small files
	Rule  Rule

	// Want are the exit statuses that the victim may end with; none stands for
	// CodeStream because it has seen that the protocol was broken. Only where
	// CodeOK is among them may the run end well.
	Want []wire.Code

	Says   string                 // what the victim's error has to hold; "" for what Want implies
	Equal  bool                   // a run that ends well has made the trees equal
	Check  func(dst string) error // what else must be true of the destination
	Passes bool                   // what the honest end says against the victim reaches it
	Ends   bool                   // nothing but time ends the run: only memory is looked at
	Lasts  time.Duration          // ... after so long, where it takes much to show; 0 for a moment
	Shown  string                 // an expression for what the program prints
}

// Sides returns the places of the victim at which a case is tried.
func (c *Case) Sides() []Side {
	if c.At == Anywhere {
		return []Side{Client, Server}
	}
	return []Side{c.At}
}

// Allows reports whether a victim may end with an exit status.
func (c *Case) Allows(code int) bool {
	if len(c.Want) == 0 {
		return code == int(wire.CodeStream)
	}
	return slices.Contains(c.Want, wire.Code(code))
}

// Refuses reports whether a victim has to see that the protocol was broken.
func (c *Case) Refuses() bool { return len(c.Want) == 0 && c.Says == "" }
