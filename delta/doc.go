// Package delta finds out which parts of a file the other side already has, and
// rebuilds the file from them.
//
// The destination holds a basis (its old version), the source holds the target.
// One file passes through the package like this:
//
//	destination                          source
//	Sign(basis) ── signature parts ────▶ Signature.Add, NewMatcher
//	DecodeSegment ◀── ops, digests ───── Matcher.Early or Segment, Segment.AppendBinary
//	DecodeQuestion ◀── hashes ────────── Matcher.Ask           ┐ at most MaxRounds
//	Patcher.Search ── bitmap ──────────▶ Segment.Refine        ┘ times a segment
//	Patcher.Apply ◀── literals ───────── Segment.Gaps
//
// # Coarse match
//
// The basis is cut into fixed blocks ([NewParams] chooses their size). A block is
// signed by a seeded, truncated xxh3 and by one anchor: the first position near
// its start where a hash of the next 8 bytes passes a threshold that one position
// in 256 passes, kept as an id of the 32 bytes there and the distance from the
// block's start. The source first checks the block that the current diagonal
// (basis offset minus target offset) expects, then up to four blocks ahead on the
// same diagonal (an edit in place), and only then scans the target for anchors,
// which find blocks that moved to any byte offset at memory speed. Each candidate
// is confirmed by the block's hash. A basis of a few tens of KiB is signed by a
// rolling polynomial hash instead, and the source looks it up at every offset.
//
// # Matching while the signature arrives
//
// A signature takes as long as it takes to read the basis. [Matcher.Early] matches a
// segment before the rest of it has come, by the diagonal on which nothing moved; of
// the signature it needs what [Matcher.EarlyBlocks] says. What did move is found with
// the whole signature alone. So an early match is thrown away if one gap takes more
// than a 16th of the segment (or four blocks if that is more), if all gaps take more
// than a quarter, or if the diagonal does not go on behind the last. Edits in place
// and what is appended then cost as much as with the whole signature. Pieces of a file
// that have changed places between others that have not are sent as literals as long
// as they are within these limits.
//
// # Refinement
//
// What remains are gaps of about a block. The source sends hashes of a gap's
// sub-blocks; the destination compares them with its basis on the diagonals of the
// gap's neighbours, or searches a window between them with the rolling hash, and
// answers with a bitmap. A match found there is known to the destination alone;
// the source merely learns that it need not send those bytes.
//
// # What is not guaranteed
//
// All hashes above are short and may collide, and the basis or the target may
// change under the engine's feet: a segment can describe wrong content. The BLAKE3
// digests of 1 MiB chunks decide. [Patcher.Apply] reports every chunk whose digest
// differs, and the caller has it sent again as a whole. The package limits what a
// peer can make it allocate or compute, but it does not limit how many segments a
// caller asks for. It opens no files, keeps no global state and starts no
// goroutine that it does not join before it returns.
package delta
