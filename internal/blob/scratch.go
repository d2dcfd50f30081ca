package blob

import (
	"errors"
	"fmt"
	"os"
)

// Scratch makes an empty file for bytes that are needed for a while only, such as those of a recording that came
// wrapped. It has no name, so it goes when it is closed, however the process ends.
func (d *Dir) Scratch() (*os.File, error) {
	made, err := d.cfg.FS.CreateTemp(d.cfg.TempDir, tempPattern)
	if err != nil {
		return nil, fmt.Errorf("make scratch file: %w", d.classify(err))
	}
	f, err := os.OpenFile(made.Name(), os.O_RDWR, 0)
	err = errors.Join(err, made.Close(), d.cfg.FS.Remove(made.Name()))
	if err != nil {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
		return nil, fmt.Errorf("make scratch file: %w", d.classify(err))
	}
	return f, nil
}

// Room gives how many bytes the disk has room for, at least one: an error says that there is none.
func (d *Dir) Room() (int64, error) {
	if err := d.cfg.Guard.CheckSpace(1); err != nil {
		return 0, err
	}
	n, err := d.cfg.Guard.Spare()
	if err != nil {
		return 0, fmt.Errorf("ask for room: %w", err)
	}
	return max(n, 1), nil
}

// CheckSpace says whether the disk has room for n more bytes.
func (d *Dir) CheckSpace(n int64) error { return d.cfg.Guard.CheckSpace(n) }
