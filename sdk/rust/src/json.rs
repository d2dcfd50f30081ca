use crate::memory;
use core::fmt::{self, Write};

/// A growing JSON text.
pub(crate) struct Json {
    v: *mut u8,
    n: usize,
    room: usize,
    comma: bool,
    pub(crate) short: bool, // there was no memory for all of it
}

impl Json {
    pub(crate) const fn new() -> Json {
        Json { v: core::ptr::null_mut(), n: 0, room: 0, comma: false, short: false }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        if self.n == 0 {
            return &[];
        }
        // n bytes of the memory were written.
        unsafe { core::slice::from_raw_parts(self.v, self.n) }
    }

    pub(crate) fn raw(&mut self, s: &[u8]) {
        if s.len() > self.room - self.n {
            let mut room = self.room.max(512) * 2;
            while room - self.n < s.len() {
                room *= 2;
            }
            let v = memory::enlarge(self.v, self.room, self.n, room);
            if v.is_null() {
                self.short = true;
                return;
            }
            self.v = v;
            self.room = room;
        }
        // There is room for them, and they are not part of this memory: it is borrowed mutably.
        unsafe { core::ptr::copy_nonoverlapping(s.as_ptr(), self.v.add(self.n), s.len()) };
        self.n += s.len();
    }

    pub(crate) fn text(&mut self, s: &str) {
        self.raw(b"\"");
        for c in s.chars() {
            let _ = match c {
                '"' => self.write_str("\\\""),
                '\\' => self.write_str("\\\\"),
                c if c < ' ' => write!(self, "\\u{:04x}", c as u32),
                c => self.write_char(c),
            };
        }
        self.raw(b"\"");
    }

    /// Begins an object or a list.
    pub(crate) fn open(&mut self, bracket: &str) {
        self.raw(bracket.as_bytes());
        self.comma = false;
    }

    /// Ends it.
    pub(crate) fn close(&mut self, bracket: &str) {
        self.raw(bracket.as_bytes());
        self.comma = true;
    }

    /// Begins an element of a list.
    pub(crate) fn element(&mut self) {
        if self.comma {
            self.raw(b",");
        }
        self.comma = true;
    }

    /// Begins an element of an object.
    pub(crate) fn key(&mut self, key: &str) {
        self.element();
        self.text(key);
        self.raw(b":");
    }

    /// Writes a text that is not empty.
    pub(crate) fn field(&mut self, key: &str, v: &str) {
        if !v.is_empty() {
            self.key(key);
            self.text(v);
        }
    }

    pub(crate) fn int(&mut self, key: &str, v: i64) {
        self.key(key);
        let _ = write!(self, "{}", v);
    }

    /// Writes true, or nothing.
    pub(crate) fn flag(&mut self, key: &str, v: bool) {
        if v {
            self.key(key);
            self.raw(b"true");
        }
    }

    /// Writes a list that is not empty.
    pub(crate) fn list(&mut self, key: &str, v: &[&str]) {
        if v.is_empty() {
            return;
        }
        self.key(key);
        self.open("[");
        for s in v {
            self.element();
            self.text(s);
        }
        self.close("]");
    }
}

impl fmt::Write for Json {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.raw(s.as_bytes());
        Ok(())
    }
}

impl Drop for Json {
    fn drop(&mut self) {
        memory::give(self.v, self.room)
    }
}
