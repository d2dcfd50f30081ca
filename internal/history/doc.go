// Package history owns the readings of the last 24 hours: what was read of the appliance every few seconds, by the minute,
// so that a page can show how it was before it was opened.
//
// A reading is a figure of one kind, of the whole appliance or of one subject such as a queue. Each minute keeps the least,
// the largest and the mean of what was read in it. A minute in which nothing was read, as the appliance was off or the figure
// could not be told, is a gap, and is never filled in. Counters, which only grow, are kept as rates; one that falls was begun
// anew.
//
// Memory is bounded: a minute of one kind and subject is 12 bytes, a day 17 KB, and there are at most MaxSeries of them, 2.2
// MB in all. Subjects beyond that are left out until others have had no reading for a day.
//
// The file is written every few minutes and at the end, whole and durably. After a crash the minutes since are a gap; a file that
// is damaged, or of another layout, costs the history and nothing else, and so does a disk that takes none.
//
// The package is apart because it knows nothing of where figures come from: app gives it the readings. It is not for alerts, which
// must not miss a peak between two looks, nor for metrics, which others gather.
//
// Goroutines: Run's caller reads and writes. Locks: History.mu guards what is kept and is never held while anything is read or
// written.
package history
