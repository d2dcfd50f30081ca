// Package alert owns the judgement of figures: which of them have been beyond their limits for long enough to be told, to
// whom that is told, and what was told before.
//
// A Rule compares one signal with a warning and a critical limit. A reading is that signal now, of the whole appliance or
// of one subject such as a queue. A level is on after the reading was beyond its limit for the rule's For without a
// break, and off after it was within for Keep; between the two nothing changes, so a figure that swings around its limit
// does not flap. An alert is one rule and subject from the first level that is on until none is. The same alert that
// comes again within Deduplication is the old one, opened anew, and is told again only when that time is over.
//
// Alerts and silences are durable and bounded in number. An alert that was open before a restart is open after it, and is
// not told twice. A database that takes no records, as on a full disk, costs the history, never the telling.
//
// The package is apart because it knows nothing of where figures come from or how people are told: app gives it the
// readings, and notifiers stand behind one interface.
//
// Goroutines: Run's caller judges. Readings and each notifier have one of their own for a turn, which Run waits for as long as is
// good for the judging: a disk, a database or a notifier that hangs costs itself alone. What was told is recorded when it was
// told, so that after a crash it may be told twice, and is never lost. Locks: Engine.mu guards all state and is never
// held over I/O or a notifier.
package alert
