use core::fmt;

/// A text of at most 1,024 bytes, cut where it does not fit: messages need no memory.
#[derive(Clone, Copy)]
pub struct Message {
    buf: [u8; 1024],
    len: usize,
}

impl Message {
    /// Formats a message: `Message::new(format_args!("{} bytes", n))`.
    pub fn new(args: fmt::Arguments) -> Message {
        let mut m = Message { buf: [0; 1024], len: 0 };
        let _ = fmt::write(&mut m, args); // what does not fit is cut
        m
    }

    /// Gives the text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.buf[..self.len]).unwrap_or("")
    }
}

impl fmt::Write for Message {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let mut n = s.len().min(self.buf.len() - self.len);
        while !s.is_char_boundary(n) {
            n -= 1;
        }
        self.buf[self.len..self.len + n].copy_from_slice(&s.as_bytes()[..n]);
        self.len += n;
        if n < s.len() {
            return Err(fmt::Error);
        }
        Ok(())
    }
}

/// Why reading gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The part has ended.
    Eof,
    /// The part ends before as many bytes as were asked for; [`crate::Input::at_hand`] are left.
    Short,
    /// The host wants no more rows: the decoder returns.
    Stopped,
}

/// The reason of a failed decode, with its stable code.
#[derive(Clone, Copy)]
pub struct Error {
    pub(crate) code: &'static str,
    pub(crate) text: Message,
    pub(crate) stopped: bool,
}

impl Error {
    /// Makes an error: see [`crate::fail!`].
    pub fn new(code: &'static str, args: fmt::Arguments) -> Error {
        Error { code, text: Message::new(args), stopped: false }
    }

    /// Gives the code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Gives the text.
    pub fn text(&self) -> &str {
        self.text.as_str()
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.text())
    }
}

impl From<End> for Error {
    /// Makes the end of the input an error: truncated, or the order to stop, which is success.
    fn from(e: End) -> Error {
        let mut out = Error::new("truncated", format_args!("unexpected end of the input"));
        out.stopped = e == End::Stopped;
        out
    }
}
