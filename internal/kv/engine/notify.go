package engine

// notifyFlags is notify-keyspace-events: the classes of events that are told, as letters.
type notifyFlags struct {
	key, event bool // K and E: by key, by event
	classes    string
	text       string
}

// notifyAll is what A stands for.
const notifyAll = "g$lshzxetd"

// SetNotify sets which keyspace events are told, as notify-keyspace-events has it; false of a letter that is none.
func (e *Engine) SetNotify(text string) bool {
	f := notifyFlags{}
	for _, c := range text {
		switch {
		case c == 'K':
			f.key = true
		case c == 'E':
			f.event = true
		case c == 'A':
			f.classes += notifyAll
		case c == 'm' || c == 'n' || containsRune(notifyAll, c):
			f.classes += string(c)
		default:
			return false
		}
	}
	f.text = f.canonical()
	e.notify = f
	return true
}

// Notify gives the setting as CONFIG GET answers it.
func (e *Engine) Notify() string { return e.notify.text }

// NotifyKinds says whether events are published by key and by event.
func (e *Engine) NotifyKinds() (byKey, byEvent bool) { return e.notify.key, e.notify.event }

func (f *notifyFlags) canonical() string {
	all, text := true, ""
	for _, c := range notifyAll {
		all = all && containsRune(f.classes, c)
	}
	if all {
		text = "A"
	}
	for _, c := range notifyAll + "mn" {
		if containsRune(f.classes, c) && (!all || !containsRune(notifyAll, c)) {
			text += string(c)
		}
	}
	if f.key {
		text += "K"
	}
	if f.event {
		text += "E"
	}
	return text
}

func containsRune(s string, r rune) bool {
	for _, c := range s {
		if c == r {
			return true
		}
	}
	return false
}

// event tells of something that happened to a key.
func (e *Engine) event(class byte, name string, d *db, key []byte) {
	if e.cfg.Hooks.Event == nil || !e.notify.key && !e.notify.event || !containsRune(e.notify.classes, rune(class)) {
		return
	}
	e.cfg.Hooks.Event(class, name, d.id, key)
}

// missed tells of a key that was looked for and not there.
func (e *Engine) missed(d *db, key []byte) { e.event('m', "keymiss", d, key) }

// modified tells everybody who cares that a key has another value.
func (e *Engine) modified(d *db, key []byte, by *Session) {
	if len(d.watched) > 0 {
		d.touchWatched(key)
	}
	if e.cfg.Hooks.Modified != nil {
		e.cfg.Hooks.Modified(d.id, key, by)
	}
}
