package manifest

// Listing is what one directory holds, sorted by name.
type Listing struct {
	Entries []Entry

	// Err says why the listing is incomplete, nil where it is complete. Nothing
	// may be deleted on the word of an incomplete listing.
	Err error
}
