package wire

import "time"

// pace says how much may be under way on the lanes: what the line holds and little
// more, so that it is full and nothing waits long in front of it. As with BBR, by
// N. Cardwell and others, ACM Queue 14 (2016), that is the greatest rate at which bytes
// have arrived lately times the least time in which the far side has said so, and more
// as long as that still grows.
type pace struct {
	written, arrived int64 // bytes on lanes
	lost             int64 // of those, what went down with lanes and all that was under way then

	least time.Duration // in which bytes were acknowledged
	probe int64         // when so much has arrived, the time since begun is one
	begun time.Time     // of the probe; zero for none
	drain bool          // until a probe that begins with little under way has ended
	dry   time.Time     // when the last such probe ended that found no time much shorter; zero before the first

	rates [2]float64 // the greatest in this span and the one before, in bytes per second
	span  time.Time  // when this one began
	mark  time.Time  // from when on the rate is measured
	from  int64      // arrived at mark
	even  int        // measures in a row that were hardly greater than all before
	idle  bool       // a lane had nothing to carry since mark
}

// joined notes another lane: the rate may grow again.
func (p *pace) joined() { p.even = 0 }

const (
	spanTime   = 2 * time.Second
	leastMark  = 50 * time.Millisecond // that a rate is measured over
	evenEnough = 3                     // measures that end the beginning
	probeEvery = 6                     // measures, of which one is with more under way
	probeGain  = 1.2
	paceQueue  = 15 * time.Millisecond // that bytes may wait in front of the line
	drainEach  = 10 * time.Second      // after which the least time is measured anew
	drainPart  = 4                     // of what the line seems to hold is under way then
	leastPiece = 4 << 10
	pieceTime  = 5 * time.Millisecond // that a piece takes on the line
	laneHolds  = 2 << 20              // bytes under way on one channel of SSH
)

// wrote notes bytes that are about to be written on a lane.
func (p *pace) wrote(n int, now time.Time) {
	p.written += int64(n)
	if p.begun.IsZero() {
		p.probe, p.begun = p.written, now
	}
}

// lose notes that a lane is gone, and with it what was on it, which nobody knows.
func (p *pace) lose() {
	p.lost, p.begun = p.written-p.arrived, time.Time{}
}

// came notes that so many bytes have arrived in all.
func (p *pace) came(arrived int64, now time.Time) {
	p.arrived = arrived
	if !p.begun.IsZero() && arrived >= p.probe {
		before, took := p.least, now.Sub(p.begun)
		if p.least == 0 || took < p.least || p.drain && !p.dry.IsZero() {
			p.least = max(took, 1)
		}
		if p.begun = (time.Time{}); p.drain {
			p.drain, p.dry = false, now
			if took < before*3/4 { // the time before was one with much waiting, and so perhaps is a quarter of it
				p.dry = time.Time{}
			}
		}
	}
	if !p.drain && p.even >= evenEnough && (p.dry.IsZero() || now.Sub(p.dry) > drainEach) {
		p.drain, p.begun = true, time.Time{}
	}
	if p.mark.IsZero() {
		p.mark, p.from, p.span = now, arrived, now
		return
	}
	took := now.Sub(p.mark)
	if p.least == 0 || took < max(p.least, leastMark) {
		return
	}
	rate := float64(arrived-p.from) / took.Seconds()
	idle := p.idle
	p.mark, p.from, p.idle = now, arrived, false
	if idle && rate <= p.rate() {
		p.span = p.span.Add(took) // what was known is not forgotten meanwhile
		return
	}
	if p.even++; p.even <= evenEnough && rate > p.rate()*1.1 {
		p.even = 0
	}
	if now.Sub(p.span) > spanTime {
		p.rates[0], p.rates[1], p.span = 0, p.rates[0], now
	}
	p.rates[0] = max(p.rates[0], rate)
}

// rate returns what the line carries, in bytes per second; 0 if that is not known yet.
func (p *pace) rate() float64 { return max(p.rates[0], p.rates[1]) }

// window is how much may be under way with so many lanes, in bytes.
func (p *pace) window(lanes int) int64 {
	most := int64(max(lanes, 1)) * (laneHolds + timedPiece)
	rate := p.rate()
	if rate == 0 {
		return most
	}
	if p.even < evenEnough { // as much as one channel would have, or thrice what is known: that is of a round trip ago
		return min(most, max(laneHolds+timedPiece, int64(3*rate*p.least.Seconds())))
	}
	if p.drain { // what waits in front of the line makes all times longer, the least too
		return int64(rate*p.least.Seconds()/drainPart) + int64(p.piece())
	}
	holds := rate * (p.least + paceQueue).Seconds()
	if p.even%probeEvery == 0 { // would it be more?
		holds *= probeGain
	}
	return min(most, int64(holds)+int64(p.piece()))
}

// piece is how much is written at once, in bytes: what the line takes in a moment, at most
// what a packet of SSH holds.
func (p *pace) piece() int {
	rate := p.rate()
	if rate == 0 {
		return timedPiece
	}
	return min(max(int(rate*pieceTime.Seconds()), leastPiece), timedPiece)
}

// room reports whether n more bytes may be under way.
func (p *pace) room(n, lanes int) bool {
	under := p.written - p.lost - p.arrived
	return under <= 0 || under+int64(n) <= p.window(lanes)
}
