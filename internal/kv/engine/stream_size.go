package engine

// How large a block would be in Redis decides where the next one begins, and so what XTRIM and XADD with ~ leave: clients
// count on that (BullMQ on how many events stay). These are the sizes of its lists, each element of which has a head, its
// bytes and the way back.
const (
	listHead    = 7 // and the end
	listSmall   = 1 + 1
	listTrailer = listSmall // the count of elements, as long as it is below 128
)

// listInt is the size of a number.
func listInt(n int64) int {
	switch {
	case n >= 0 && n < 1<<7:
		return listSmall
	case n >= -1<<12 && n < 1<<12:
		return 2 + 1
	case n >= -1<<15 && n < 1<<15:
		return 3 + 1
	case n >= -1<<23 && n < 1<<23:
		return 4 + 1
	case n >= -1<<31 && n < 1<<31:
		return 5 + 1
	}
	return 9 + 1
}

// listString is the size of a string, which may look like a number.
func listString(b []byte) int {
	if n, ok := ParseInt(b); ok {
		return listInt(n)
	}
	size := len(b)
	switch {
	case size < 1<<6:
		size++
	case size < 1<<12:
		size += 2
	default:
		size += 5
	}
	switch {
	case size < 1<<7:
		return size + 1
	case size < 1<<14-1:
		return size + 2
	case size < 1<<21-1:
		return size + 3
	case size < 1<<28-1:
		return size + 4
	}
	return size + 5
}

// listBase is the size of a block without entries: how many there are, how many were deleted, the fields, and an end.
func listBase(fields [][]byte) int {
	size := listHead + 2*listSmall + listInt(int64(len(fields))) + listSmall
	for _, f := range fields {
		size += listString(f)
	}
	return size
}

// listEntry is the size of an entry; same says that its fields are those of the block.
func listEntry(base, id streamID, args [][]byte, same bool) int {
	size := listSmall + listInt(int64(id.ms-base.ms)) + listInt(int64(id.seq-base.seq)) + listTrailer // a difference below zero is one
	if !same {
		size += listInt(int64(len(args) / 2))
	}
	for i, a := range args {
		if !same || i%2 == 1 {
			size += listString(a)
		}
	}
	return size
}
