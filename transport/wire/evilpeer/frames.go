package evilpeer

import (
	"encoding/binary"
	"fmt"

	"gosync/transport/wire"
)

// header is the length of a frame's header: length of the payload (4 bytes, big
// endian), type, flags.
const header = 6

// raw is a frame with any header.
func raw(length uint32, typ, flags byte, payload []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, length)
	return append(append(b, typ, flags), payload...)
}

// frame is a frame whose length is right.
func frame(typ, flags byte, payload []byte) []byte {
	return raw(uint32(len(payload)), typ, flags, payload)
}

// relength sets the length in a frame's header.
func relength(b []byte, n int) []byte {
	binary.BigEndian.PutUint32(b, uint32(n))
	return b
}

// bomb is zstd data of a few KiB that gives n bytes: blocks that repeat a byte.
func bomb(n int) []byte {
	const block = 128 << 10
	b := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 13 << 3} // magic, no sizes, a window of 8 MiB
	for left := n; left > 0; left -= block {
		h := uint32(min(left, block))<<3 | 1<<1
		if left <= block {
			h |= 1
		}
		b = append(b, byte(h), byte(h>>8), byte(h>>16), 0)
	}
	return b
}

// stored is zstd data that gives data, a few KiB, as it is.
func stored(data []byte) []byte {
	h := uint32(len(data))<<3 | 1 // the last block, and raw
	return append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 13 << 3, byte(h), byte(h >> 8), byte(h >> 16)}, data...)
}

const zstd = 1 // the flag

// squeezed is a compressed frame that announces n bytes.
func squeezed(typ byte, announced uint64, data []byte) []byte {
	return frame(typ, zstd, append(binary.AppendUvarint(nil, announced), data...))
}

// frameCases break the outermost form of what is said. They do so at both ends
// alike, in front of the first message behind the greeting.
func frameCases() (cases []Case) {
	const class = "frames"
	add := func(name string, says string, f func(typ byte) []byte) {
		for _, as := range []Role{Source, Dest} {
			rule := Frame[*wire.Roots](func(b []byte) []byte { return f(b[4]) })
			if as == Dest {
				rule = Frame[*wire.Mode](func(b []byte) []byte { return f(b[4]) })
			}
			cases = append(cases, Case{Class: class, Name: fmt.Sprintf("%s, as %v", name, as), As: as, Rule: rule, Says: says})
		}
	}
	big := make([]byte, wire.MaxFrame+1)
	add("nothing", "", func(t byte) []byte { return frame(t, 0, nil) })
	add("one byte", "", func(t byte) []byte { return frame(t, 0, []byte{0}) })
	add("one byte too many", "", func(t byte) []byte { return frame(t, 0, make([]byte, 100)) })
	add("the greatest frame", "", func(t byte) []byte { return frame(t, 0, big[:wire.MaxFrame]) })
	add("a greater frame", "exceeds", func(t byte) []byte { return frame(t, 0, big) })
	add("2^31-1 bytes", "exceeds", func(t byte) []byte { return raw(1<<31-1, t, 0, big) })
	add("2^31 bytes", "exceeds", func(t byte) []byte { return raw(1<<31, t, 0, big) })
	add("2^32-1 bytes", "exceeds", func(t byte) []byte { return raw(1<<32-1, t, 0, big) })
	for _, typ := range []byte{0, 11, 15, 32, 47, 63, 127, 128, 255} {
		add(fmt.Sprintf("an unknown message %d", typ), "unknown message", func(byte) []byte { return frame(typ, 0, nil) })
	}
	for _, flags := range []byte{4, 5, 6, 0x80, 0xff} {
		add(fmt.Sprintf("unknown flags %#x", flags), "unknown flags", func(t byte) []byte { return frame(t, flags, nil) })
	}
	add("zstd without anything", "", func(t byte) []byte { return frame(t, zstd, nil) })
	add("zstd of garbage", "announced", func(t byte) []byte { return squeezed(t, 100, []byte("not zstd at all")) })
	add("zstd of 1 GiB", "announced", func(t byte) []byte { return squeezed(t, wire.MaxFrame, bomb(1<<30)) })
	add("zstd of 1 GiB that announces it", "exceeds", func(t byte) []byte { return squeezed(t, 1<<30, bomb(1<<30)) })
	add("zstd of 1 GiB that announces nothing", "announced", func(t byte) []byte { return squeezed(t, 0, bomb(1<<30)) })
	add("zstd of fewer bytes than announced", "announced", func(t byte) []byte { return squeezed(t, 101, bomb(100)) })
	add("zstd of more bytes than announced", "announced", func(t byte) []byte { return squeezed(t, 99, bomb(100)) })
	add("zstd of 2^63 bytes", "exceeds", func(t byte) []byte { return squeezed(t, 1<<63, nil) })
	add("zstd, many frames", "announced", func(t byte) []byte {
		var b []byte
		for range 1000 {
			b = append(b, bomb(wire.MaxFrame)...)
		}
		return squeezed(t, wire.MaxFrame, b)
	})
	add("zstd with a window of 2 GiB", "announced", func(t byte) []byte {
		b := bomb(100)
		b[5] = 21 << 3
		return squeezed(t, 100, b)
	})
	add("zstd with a dictionary", "announced", func(t byte) []byte {
		b := bomb(100)
		return squeezed(t, 100, append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x01, 13 << 3, 7}, b[6:]...))
	})
	add("the greeting again", "", func(byte) []byte { return wire.AppendFrame(nil, hello()) })
	add("a job", "", func(byte) []byte { return wire.AppendFrame(nil, &wire.Job{Paths: []string{"/"}}) })
	add("names", "", func(byte) []byte { return wire.AppendFrame(nil, &wire.Names{Names: []string{"a"}, Last: true}) })
	add("a ping with two bytes", "ping", func(byte) []byte { return frame(byte(wire.TypePing), 0, []byte{1, 1}) })
	add("a ping of another kind", "ping", func(byte) []byte { return frame(byte(wire.TypePing), 0, []byte{2}) })
	add("a ping of 1 MiB", "ping", func(byte) []byte { return frame(byte(wire.TypePing), 0, big[:wire.MaxFrame]) })
	add("a stripe where nothing is striped", "stripe", func(t byte) []byte { return frame(t, 2, make([]byte, 100)) })
	add("a stripe on content", "stripe", func(byte) []byte { return frame(byte(wire.TypeData), 2, make([]byte, 100)) })
	add("striping without a ticket", "without a ticket", func(byte) []byte { return wire.AppendFrame(nil, &wire.Striped{}) })
	add("a ticket that was not asked for", "ticket", func(byte) []byte { return wire.AppendFrame(nil, &wire.LaneTicket{Ticket: []byte("/tmp/x")}) })
	add("a ticket that is too long", "exceeds", func(byte) []byte { return wire.AppendFrame(nil, &wire.LaneTicket{Ticket: make([]byte, 1000)}) })
	add("a ticket is asked for twice", "twice", func(byte) []byte {
		return wire.AppendFrame(wire.AppendFrame(nil, &wire.Lanes{}), &wire.Lanes{})
	})
	add("nothing is acknowledged", "arrived", func(byte) []byte { return wire.AppendFrame(nil, &wire.LaneAck{}) })
	add("what was not sent is acknowledged", "acknowledged", func(byte) []byte { return wire.AppendFrame(nil, &wire.LaneAck{Next: 5}) })
	add("bytes that were not sent are acknowledged", "arrived", func(byte) []byte { return wire.AppendFrame(nil, &wire.LaneAck{Arrived: 5}) })
	cases = append(cases, cutCases(class)...)
	return append(cases, greetingCases(class)...)
}

func hello() *wire.Hello { return &wire.Hello{Version: wire.Version, MinVersion: wire.MinVersion} }

// cutCases end the stream.
func cutCases(class string) (cases []Case) {
	for n := range header + 4 {
		says := "unexpected EOF"
		if n == 0 {
			says = "closed"
		}
		cases = append(cases, Case{
			Class: class, Name: fmt.Sprintf("the end after %d bytes of a frame", n), Says: says,
			Rule: On(func(_ *Peer, m *wire.ListEnd) ([]Item, bool) {
				return []Item{{Bytes: append(wire.AppendFrame(nil, &wire.Owner{}), wire.AppendFrame(nil, m)[:n]...)}, {Cut: true}}, true
			}),
		})
	}
	return append(cases, Case{
		Class: class, Name: "the end within a large frame", Scene: chunked(), Says: "unexpected EOF",
		Rule: On(func(_ *Peer, m *wire.Data) ([]Item, bool) {
			return []Item{{Bytes: wire.AppendFrame(nil, m)[:200<<10]}, {Cut: true}}, true
		}),
	})
}

// greetingCases lie in the greeting.
func greetingCases(class string) (cases []Case) {
	add := func(name string, want wire.Code, f func(m *wire.Hello) []byte) {
		for _, as := range []Role{Source, Dest} {
			cases = append(cases, Case{
				Class: class, Name: fmt.Sprintf("%s, as %v", name, as), As: as, Want: []wire.Code{want},
				Rule: On(func(_ *Peer, m *wire.Hello) ([]Item, bool) { return []Item{{Bytes: f(m)}}, true }),
			})
		}
	}
	msg := func(f func(m *wire.Hello)) func(m *wire.Hello) []byte {
		return func(m *wire.Hello) []byte { f(m); return wire.AppendFrame(nil, m) }
	}
	add("a version that is too old", wire.CodeProtocol, msg(func(m *wire.Hello) { m.Version, m.MinVersion = 0, 0 }))
	add("a version that is too new", wire.CodeProtocol, msg(func(m *wire.Hello) { m.Version, m.MinVersion = 9, 8 }))
	add("a version that is far too new", wire.CodeProtocol, msg(func(m *wire.Hello) { m.Version, m.MinVersion = 1<<31-1, 1<<31-1 }))
	add("a range upside down", wire.CodeProtocol, msg(func(m *wire.Hello) { m.Version, m.MinVersion = 1, 2 }))
	add("another message", wire.CodeStream, func(*wire.Hello) []byte { return wire.AppendFrame(nil, &wire.Ping{}) })
	add("a compressed greeting", wire.CodeStream, func(m *wire.Hello) []byte { return relflag(wire.AppendFrame(nil, m), zstd) })
	add("an empty greeting", wire.CodeStream, func(*wire.Hello) []byte { return frame(byte(wire.TypeHello), 0, nil) })
	add("a greeting of 2^32-1 bytes", wire.CodeProtocol, func(*wire.Hello) []byte { return raw(1<<32-1, byte(wire.TypeHello), 0, nil) })
	add("a release of 300 bytes", wire.CodeStream, msg(func(m *wire.Hello) { m.Release = string(make([]byte, 300)) }))
	add("a clock at its end", wire.CodeOK, msg(func(m *wire.Hello) { m.ClockSec = -1 << 63 }))
	add("fields of later versions", wire.CodeOK, func(m *wire.Hello) []byte {
		b := append(wire.AppendFrame(nil, m), make([]byte, 1000)...)
		return relength(b, len(b)-header)
	})
	return cases
}

func relflag(b []byte, flags byte) []byte {
	b[5] = flags
	return b
}
