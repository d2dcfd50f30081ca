package engine

// Session is one caller's state: its database, its transaction, what it waits for. It belongs to one connection, or to a
// script or a log that repeats commands. Its fields are read and set under the engine's lock.
type Session struct {
	ID       int64
	Peer     Peer // who owns the session
	NoTouch  bool // what it looks at is not used by that
	Tracking bool // Hooks.Read is told what it reads
	Internal bool // no client: nothing is checked, commands that wait do not

	db      int
	multi   *transaction
	watches []watch
	stale   bool // one of them has changed
	waiter  *waiter
	nested  bool // runs within another command
	script  bool // which is a script
	Broken  bool // a command failed in a way that leaves its answer half: to be closed
}

// Peer is what owns a session. Its methods are called under the lock and must not wait.
type Peer interface {
	// Allow says why a command may not run now, "" = it may. It is asked for commands of clients and of their scripts.
	Allow(cmd *Command, args [][]byte) (refusal string)
	// Reply is where the answer of a command goes that had to wait.
	Reply() Reply
	// Wake says that the session waits no longer.
	Wake()
}

// NewSession makes a session on database 0.
func (e *Engine) NewSession(peer Peer) *Session {
	e.sessions++
	return &Session{ID: e.sessions, Peer: peer}
}

// DB is the number of the session's database.
func (s *Session) DB() int { return s.db }

// Select changes the database; the number was checked.
func (s *Session) Select(db int) { s.db = db }

// InMulti says whether a transaction was begun, and how many commands it has.
func (s *Session) InMulti() (n int, in bool) {
	if s.multi == nil {
		return -1, false
	}
	return s.multi.n, true
}

// Blocked says whether the session waits; its caller must not send more commands until Peer.Wake.
func (s *Session) Blocked() bool { return s.waiter != nil }

// Nested says that what runs is part of a transaction or a script.
func (s *Session) Nested() bool { return s.nested || s.Internal }

// Stale says that a watched key has another value now.
func (s *Session) Stale() bool { return s.stale }

// Watching is how many keys the session watches.
func (s *Session) Watching() int { return len(s.watches) }

// Reset gives up the transaction, what is watched and what is waited for, and goes back to database 0.
func (e *Engine) Reset(s *Session) {
	e.unwait(s)
	s.multi = nil
	e.unwatch(s)
	s.db = 0
}

// Close ends a session.
func (e *Engine) Close(s *Session) { e.Reset(s) }
