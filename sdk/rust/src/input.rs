use crate::error::{End, Error, Message};
use crate::memory;
use crate::run::Run;
use core::fmt;

/// Sizes of the read buffer: it starts small, because most files are, and doubles with every read that fills it.
const FIRST_BUFFER: usize = 16 << 10;
const FULL_BUFFER: usize = 256 << 10;
/// Bytes of a sub-file's name.
const MAX_CHILD: usize = 255;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Worth knowing.
    Info = 0,
    /// The row is kept, doubtful.
    Warning = 1,
    /// A record is lost, decoding goes on.
    Error = 2,
    /// Decoding cannot go on past this offset: reported last, then the decoder returns.
    Fatal = 3,
}

/// Reports problems and log lines. It can be copied and used while bytes of the input are borrowed.
#[derive(Clone, Copy)]
pub struct Reporter {
    pub(crate) run: *mut Run,
}

impl Reporter {
    /// Reports a problem at a byte offset of the input, -1 = none. The code is `[a-z0-9_]+`. The message is
    /// `format_args!(…)`.
    pub fn issue(&self, severity: Severity, offset: i64, code: &str, message: fmt::Arguments) {
        let text = Message::new(message);
        // A run lives for ever; its host is there while it goes on.
        if let Some(host) = unsafe { (*self.run).host() } {
            host.issue(severity as i32, offset, code, text.as_str())
        }
    }

    /// Writes a line to the decode's log.
    pub fn log(&self, level: Severity, message: fmt::Arguments) {
        let text = Message::new(message);
        if let Some(host) = unsafe { (*self.run).host() } {
            host.log(level as i32, text.as_str())
        }
    }
}

/// The file that is decoded: a buffered reader that knows its offset, the parameters, and sub-files. Offsets count the
/// bytes of all parts of a recording in their order, as those of rows and issues do.
pub struct Input {
    run: *mut Run,
    buf: *mut u8, // unread bytes are buf[r..w]
    size: usize,
    r: usize,
    w: usize,
    base: i64, // offset in the input of buf[0]
    start: i64,
    part: usize,
    eof: bool,
}

impl Input {
    pub(crate) fn new(run: *mut Run) -> Input {
        Input { run, buf: core::ptr::null_mut(), size: 0, r: 0, w: 0, base: 0, start: 0, part: 0, eof: false }
    }

    #[inline(always)]
    fn run(&self) -> &mut Run {
        // It lives for ever, there is one thread, and no reference to it is kept.
        unsafe { &mut *self.run }
    }

    #[inline(always)]
    fn bytes(&self, n: usize) -> &[u8] {
        if n == 0 {
            return &[];
        }
        // n ≤ w-r, which the host has written.
        unsafe { core::slice::from_raw_parts(self.buf.add(self.r), n) }
    }

    /// Gives the reporter of issues.
    pub fn reporter(&self) -> Reporter {
        Reporter { run: self.run }
    }

    /// Gives the offset of the next unread byte.
    #[inline(always)]
    pub fn offset(&self) -> i64 {
        self.base + self.r as i64
    }

    /// Gives the unread bytes at hand. At the end of a part, after [`End::Short`], they are the rest.
    #[inline(always)]
    pub fn at_hand(&self) -> &[u8] {
        self.bytes(self.w - self.r)
    }

    /// Gives the next n bytes without consuming them. Memory grows with n: a length that only the file bounds must be
    /// checked first.
    #[inline(always)]
    pub fn peek(&mut self, n: usize) -> Result<&[u8], End> {
        if n > self.w - self.r {
            self.fill(n)?;
        }
        Ok(self.bytes(n))
    }

    /// Gives the next n bytes and consumes them. After an error nothing is consumed.
    #[inline(always)]
    pub fn next(&mut self, n: usize) -> Result<&[u8], End> {
        if n > self.w - self.r {
            self.fill(n)?;
        }
        self.r += n;
        // Those before r.
        Ok(if n == 0 { &[] } else { unsafe { core::slice::from_raw_parts(self.buf.add(self.r - n), n) } })
    }

    /// Gives all unread bytes that are at hand, at least n of them unless the part ends before. A decoder whose records
    /// are small walks through them and consumes what it used with [`Input::skip`].
    #[inline]
    pub fn window(&mut self, n: usize) -> Result<&[u8], End> {
        if n > self.w - self.r {
            match self.fill(n) {
                Err(End::Stopped) => return Err(End::Stopped),
                _ => return Ok(self.at_hand()),
            }
        }
        Ok(self.at_hand())
    }

    /// Consumes n bytes, or all up to the end of the part; gives how many.
    pub fn skip(&mut self, n: u64) -> u64 {
        let mut done = 0;
        loop {
            let have = (self.w - self.r) as u64;
            if n - done <= have {
                self.r += (n - done) as usize;
                return n;
            }
            done += have;
            self.r = self.w;
            if self.fill(1).is_err() {
                return done;
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn fill(&mut self, n: usize) -> Result<(), End> {
        while self.w - self.r < n {
            if self.run().over() {
                return Err(End::Stopped);
            }
            if self.eof {
                return Err(if self.w == self.r { End::Eof } else { End::Short });
            }
            self.make_room(n)?;
            // The memory from w to size was written once: make_room clears it.
            let room = unsafe { core::slice::from_raw_parts_mut(self.buf.add(self.w), self.size - self.w) };
            let most = room.len();
            let got = match self.run().host() {
                Some(host) => host.read(room).min(most),
                None => 0,
            };
            self.eof = got == 0;
            self.w += got;
        }
        if self.run().over() {
            return Err(End::Stopped);
        }
        Ok(())
    }

    /// Moves the unread bytes to the front, into a larger buffer when n does not fit or the last read filled it.
    fn make_room(&mut self, n: usize) -> Result<(), End> {
        let mut size = self.size.max(FIRST_BUFFER);
        if n > memory::MOST {
            self.run().out_of_memory(n);
            return Err(End::Stopped);
        }
        if self.w == self.size && self.size != 0 && size < FULL_BUFFER {
            size *= 2;
        }
        while size < n {
            size *= 2;
        }
        let have = self.w - self.r;
        // The unread bytes lie in the old buffer, and both are as large as their sizes say.
        unsafe {
            if self.r > 0 {
                core::ptr::copy(self.buf.add(self.r), self.buf, have);
            }
            self.base += self.r as i64;
            self.r = 0;
            self.w = have;
            if size != self.size {
                let to = memory::enlarge(self.buf, self.size, have, size);
                if to.is_null() {
                    self.run().out_of_memory(size);
                    return Err(End::Stopped);
                }
                self.buf = to;
                self.size = size;
            }
        }
        Ok(())
    }

    /// Reads anywhere in the open part, from whose start offset counts; gives how many bytes, 0 at its end or without
    /// capability seek.
    pub fn read_at(&mut self, offset: i64, buf: &mut [u8]) -> usize {
        let mut done = 0;
        while done < buf.len() {
            let got = match self.run().host() {
                Some(host) => host.read_at(offset + done as i64, &mut buf[done..]),
                None => 0,
            };
            if got == 0 {
                break;
            }
            done += got.min(buf.len() - done);
        }
        done
    }

    /// Gives the length of the open part, -1 without capability seek.
    pub fn size(&mut self) -> i64 {
        self.run().host().map_or(-1, |h| h.size())
    }

    /// Goes on with the next of the files that the input came as; false where there is none, and the input stays as it
    /// is. Bytes of the former part that were not read are dropped. A decoder whose format has a sequence calls it where
    /// its input ends, well or within a record, until it is false.
    pub fn next_part(&mut self) -> bool {
        let next = self.part + 1;
        if self.run().over() || self.run().host().map_or(-1, |h| h.part(next, &mut [])) < 0 {
            return false;
        }
        let size = self.size();
        let end = if size >= 0 {
            self.start + size
        } else {
            loop {
                self.r = self.w;
                match self.fill(1) {
                    Ok(()) => {}
                    Err(End::Stopped) => return false,
                    Err(_) => break self.offset(),
                }
            }
        };
        if !self.run().host().map_or(false, |h| h.open_part(next)) {
            return false;
        }
        self.part = next;
        self.start = end;
        self.base = end;
        self.r = 0;
        self.w = 0;
        self.eof = false;
        true
    }

    /// Gives the name of the open part, "" where there is none. buf holds as much of it as fits.
    pub fn part_name<'b>(&self, buf: &'b mut [u8]) -> &'b str {
        let part = self.part;
        let n = self.run().host().map_or(-1, |h| h.part(part, buf));
        text(buf, n).unwrap_or("")
    }

    /// Gives the offset of the open part's first byte: what is to be added to an offset of [`Input::read_at`].
    pub fn part_offset(&self) -> i64 {
        self.start
    }

    /// Gives a parameter of the decode, None where it was not given or does not fit buf.
    pub fn param<'b>(&self, key: &str, buf: &'b mut [u8]) -> Option<&'b str> {
        let n = self.run().host().map_or(-1, |h| h.param(key, buf));
        text(buf, n)
    }

    /// Gives a parameter that is true or false, or its default.
    pub fn param_bool(&self, key: &str, default: bool) -> bool {
        match self.param(key, &mut [0; 8]) {
            Some("true") | Some("1") => true,
            Some("false") | Some("0") => false,
            _ => default,
        }
    }

    /// Gives a parameter that is a whole number, or its default.
    pub fn param_int(&self, key: &str, default: i64) -> i64 {
        self.param(key, &mut [0; 24]).and_then(|v| v.parse().ok()).unwrap_or(default)
    }

    /// Gives a parameter of any length.
    #[cfg(feature = "alloc")]
    pub fn param_string(&self, key: &str) -> Option<alloc::string::String> {
        let n = self.run().host().map_or(-1, |h| h.param(key, &mut []));
        let mut buf = alloc::vec![0; usize::try_from(n).ok()?];
        self.param(key, &mut buf).map(Into::into)
    }

    /// Begins a sub-file, which becomes a file and a decode of its own, and gives its handle; None where the host refuses
    /// it. It needs capability child. The name may come from the input: one that is longer than 255 bytes is cut, none is
    /// "unnamed". At most 8 are open at a time.
    pub fn child(&mut self, name: &str) -> Option<i32> {
        let mut n = name.len().min(MAX_CHILD);
        while !name.is_char_boundary(n) {
            n -= 1;
        }
        let name = if n == 0 { "unnamed" } else { &name[..n] };
        let h = self.run().host().map_or(-1, |h| h.child(name));
        if h < 0 {
            return None;
        }
        Some(h)
    }

    /// Writes to a sub-file; false where the host refuses the bytes.
    pub fn child_write(&mut self, child: i32, data: &[u8]) -> bool {
        self.run().host().map_or(false, |h| h.child_write(child, data))
    }

    /// Completes a sub-file.
    pub fn child_close(&mut self, child: i32) {
        if let Some(h) = self.run().host() {
            h.child_close(child)
        }
    }

    /// Says whether the host wants no more rows.
    pub fn stopped(&self) -> bool {
        self.run().over()
    }

    /// Makes the error of a record that the input ends within.
    pub fn truncated(&self) -> Error {
        Error::new("truncated", format_args!("the input ends within a record at {}", self.offset()))
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        memory::give(self.buf, self.size)
    }
}

/// Gives the text of n bytes that was copied to buf, None where it is none or was cut.
fn text(buf: &[u8], n: i32) -> Option<&str> {
    let n = usize::try_from(n).ok()?;
    core::str::from_utf8(buf.get(..n)?).ok()
}
