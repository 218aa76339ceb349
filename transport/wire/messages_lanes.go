package wire

// maxTicket is the greatest length in bytes of what leads a lane to its connection.
const maxTicket = 256

// Lanes asks the server for a ticket, with which the client can have further streams
// join the connection. It is for the connection alone, as all messages here.
type Lanes struct{}

// Type returns the message's number.
func (*Lanes) Type() Type { return TypeLanes }

func (*Lanes) append(b []byte) []byte { return b }
func (*Lanes) decode(*Dec)            {}

// LaneTicket answers Lanes.
type LaneTicket struct {
	Ticket []byte // nothing: no stream can join
}

// Type returns the message's number.
func (*LaneTicket) Type() Type { return TypeLaneTicket }

func (m *LaneTicket) append(b []byte) []byte { return appendBytes(b, m.Ticket) }
func (m *LaneTicket) decode(d *Dec)          { m.Ticket = d.bytes(maxTicket) }

// Striped says that bulk frames of its sender may come by lanes from here on.
type Striped struct{}

// Type returns the message's number.
func (*Striped) Type() Type { return TypeStriped }

func (*Striped) append(b []byte) []byte { return b }
func (*Striped) decode(*Dec)            {}

// LaneAck says how far striped frames have been taken in.
type LaneAck struct {
	Next    uint64 // the number of the first that was not
	Arrived int64  // bytes that have come on lanes, behind their greetings
}

// Type returns the message's number.
func (*LaneAck) Type() Type { return TypeLaneAck }

func (m *LaneAck) append(b []byte) []byte {
	return appendUint(appendUint(b, m.Next), uint64(m.Arrived))
}

func (m *LaneAck) decode(d *Dec) { m.Next, m.Arrived = d.uvarint(maxStripe), d.size() }

// Taken says how much content has been taken in from the connection's own stream.
type Taken struct {
	Bytes int64 // of the payloads of bulk frames without a stripe, as they were sent
}

// Type returns the message's number.
func (*Taken) Type() Type { return TypeTaken }

func (m *Taken) append(b []byte) []byte { return appendUint(b, uint64(m.Bytes)) }
func (m *Taken) decode(d *Dec)          { m.Bytes = d.size() }
