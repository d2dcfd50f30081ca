package runtime

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// notifier tells what happens in folders.
type notifier interface {
	// Add begins to tell of a folder. One that is there already is told of once.
	Add(dir string) error
	// Remove ends it. A folder that has gone by itself is no error.
	Remove(dir string)
	Events() <-chan folderEvent
	// Lost tells that events were lost, or why there will be none any more.
	Lost() <-chan error
	// Close ends everything and joins it.
	Close() error
}

// folderEvent is what happened to a watched folder or to what lies directly in it.
type folderEvent struct {
	path string // of the folder, or of the file in it
	what happening
}

// happening is a kind of folderEvent.
type happening int

const (
	changed  happening = iota // a file has come or is being written, or its attributes have changed
	complete                  // a file was closed by who wrote it, or renamed into its place
	gone                      // a file was removed or renamed away
	itself                    // the folder was removed or moved, or has come to be another file system's
)

// inotify is the kernel's notifier. It is used without a library because only the kernel's own events tell that a file
// was closed after it was written: that is when a copy has ended.
//
// Its goroutine is read; Close joins it.
type inotify struct {
	file   *os.File
	events chan folderEvent
	lost   chan error // capacity 1: one loss says all
	done   chan struct{}
	once   sync.Once
	wg     sync.WaitGroup

	mu   sync.Mutex // guards what follows
	dirs map[int32]string
	ids  map[string]int32
}

const inotifyMask = unix.IN_CREATE | unix.IN_MODIFY | unix.IN_ATTRIB | unix.IN_CLOSE_WRITE | unix.IN_MOVED_TO |
	unix.IN_MOVED_FROM | unix.IN_DELETE | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR

// errEventsLost says that the kernel had no room for more events.
var errEventsLost = errors.New("more changes than the kernel remembers")

// newInotify begins to listen; Add says to what.
func newInotify() (notifier, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("open inotify: %w", err)
	}
	n := &inotify{
		file: os.NewFile(uintptr(fd), "inotify"), events: make(chan folderEvent), lost: make(chan error, 1),
		done: make(chan struct{}), dirs: map[int32]string{}, ids: map[string]int32{},
	}
	n.wg.Go(n.read)
	return n, nil
}

func (n *inotify) Events() <-chan folderEvent { return n.events }

func (n *inotify) Lost() <-chan error { return n.lost }

// control runs f with the descriptor, which is not closed meanwhile.
func (n *inotify) control(f func(fd int) error) error {
	raw, err := n.file.SyscallConn()
	if err != nil {
		return fmt.Errorf("inotify: %w", err)
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil {
		return fmt.Errorf("inotify: %w", err)
	}
	return failed
}

func (n *inotify) Add(dir string) error {
	n.mu.Lock() // neither call below waits for anything
	defer n.mu.Unlock()
	return n.control(func(fd int) error {
		id, err := unix.InotifyAddWatch(fd, dir, inotifyMask)
		if err != nil {
			return fmt.Errorf("watch %s: %w", dir, err)
		}
		if was, ok := n.dirs[int32(id)]; ok { // the same folder by another path
			delete(n.ids, was)
		}
		n.dirs[int32(id)], n.ids[dir] = dir, int32(id)
		return nil
	})
}

func (n *inotify) Remove(dir string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	id, ok := n.ids[dir]
	if !ok {
		return
	}
	delete(n.ids, dir)
	delete(n.dirs, id)
	_ = n.control(func(fd int) error {
		_, err := unix.InotifyRmWatch(fd, uint32(id))
		return err //nolint:wrapcheck // it says that the kernel has removed it already
	})
}

func (n *inotify) Close() error {
	var err error
	n.once.Do(func() {
		close(n.done)
		err = n.file.Close()
	})
	n.wg.Wait()
	if err != nil {
		return fmt.Errorf("close inotify: %w", err)
	}
	return nil
}

// read gives on what the kernel tells until Close.
func (n *inotify) read() {
	buf := make([]byte, 64<<10)
	for {
		got, err := n.file.Read(buf)
		if err != nil {
			select {
			case <-n.done:
			case n.lost <- fmt.Errorf("read changes of folders: %w", err):
			default:
			}
			return
		}
		for rest := buf[:got]; len(rest) >= unix.SizeofInotifyEvent; {
			id := int32(binary.NativeEndian.Uint32(rest))
			mask, size := binary.NativeEndian.Uint32(rest[4:]), int(binary.NativeEndian.Uint32(rest[12:]))
			end := min(unix.SizeofInotifyEvent+size, len(rest))
			name, _, _ := bytes.Cut(rest[unix.SizeofInotifyEvent:end], []byte{0})
			rest = rest[end:]
			if !n.tell(id, mask, string(name)) {
				return
			}
		}
	}
}

// tell gives on one event; false = Close was called.
func (n *inotify) tell(id int32, mask uint32, name string) bool {
	if mask&unix.IN_Q_OVERFLOW != 0 {
		select {
		case n.lost <- errEventsLost:
		default:
		}
		return true
	}
	n.mu.Lock()
	dir, ok := n.dirs[id]
	if ok && mask&unix.IN_IGNORED != 0 {
		delete(n.dirs, id)
		delete(n.ids, dir)
	}
	n.mu.Unlock()
	if !ok {
		return true // of a folder that is not followed any more
	}
	ev := folderEvent{path: filepath.Join(dir, name), what: kindOf(mask)}
	select {
	case n.events <- ev:
		return true
	case <-n.done:
		return false
	}
}

// kindOf says what the kernel's bits mean.
func kindOf(mask uint32) happening {
	switch {
	case mask&(unix.IN_DELETE_SELF|unix.IN_MOVE_SELF|unix.IN_IGNORED|unix.IN_UNMOUNT) != 0:
		return itself
	case mask&(unix.IN_DELETE|unix.IN_MOVED_FROM) != 0:
		return gone
	case mask&(unix.IN_CLOSE_WRITE|unix.IN_MOVED_TO) != 0:
		return complete
	}
	return changed
}
