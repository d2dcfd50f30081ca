use crate::memory;
use crate::table::{TableState, BATCH_BYTES};
use core::marker::PhantomData;

/// What a column of fixed width stores.
pub trait Number: Copy + sealed::Sealed {}

mod sealed {
    pub trait Sealed {}
}

macro_rules! number {
    ($($t:ty)*) => {$(
        impl sealed::Sealed for $t {}
        impl Number for $t {}
    )*};
}

number!(bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64);

/// Bytes of texts that a column makes room for first.
const FIRST_TEXT: usize = 1024;

/// A column's values since the last batch. Handles and the table point to it; it is never freed, so that a handle that
/// outlives its decode finds a column without room, and no memory of another. There is one thread.
pub(crate) struct ColumnState {
    pub(crate) p: *mut u8, // of the next value
    pub(crate) end: *mut u8,
    pub(crate) data: *mut u8, // values; of texts their offsets
    pub(crate) valid: *mut u8, // bitmap, once there was a null
    pub(crate) next: *mut ColumnState,
    pub(crate) table: *mut TableState,
    pub(crate) name: &'static str,
    pub(crate) bytes: *mut u8, // of texts
    pub(crate) used: usize,
    pub(crate) bytes_room: usize,
    pub(crate) width: usize,
    pub(crate) text: bool,
    pub(crate) nullable: bool,
    pub(crate) nulls: bool,
}

impl ColumnState {
    /// Gives the number of values.
    pub(crate) fn values(&self) -> usize {
        if self.data.is_null() {
            return 0;
        }
        (self.p as usize - self.data as usize) / self.width - usize::from(self.text)
    }

    /// Sets the column to n values, of which there are at least as many.
    pub(crate) fn trim(&mut self, n: usize) {
        if self.data.is_null() {
            return;
        }
        // The offsets of n texts are n+1, which were written.
        unsafe {
            if self.text {
                self.used = *(self.data as *const u32).add(n) as usize;
            }
            self.p = self.data.add(self.width * (n + usize::from(self.text)));
        }
        if n == 0 {
            self.nulls = false;
        }
    }

    #[cold]
    #[inline(never)]
    fn overfull(&mut self) {
        let name = self.name;
        // A column has a table as long as it has memory, and for ever.
        let table = unsafe { &mut *self.table };
        if table.index.is_none() {
            return table.fail("trap", format_args!("table {} was not opened", table.name));
        }
        table.fail("trap", format_args!("table {}: column {} has more values than rows", table.name, name));
    }

    /// Leaves the row without a value.
    #[cold]
    fn null(&mut self) {
        if self.p == self.end {
            return self.overfull();
        }
        let table = unsafe { &mut *self.table };
        if !self.nullable {
            return table.fail("trap", format_args!("table {}: column {} is not nullable", table.name, self.name));
        }
        if !self.nulls {
            let size = table.validity_bytes();
            if self.valid.is_null() {
                self.valid = memory::get(size);
            }
            if self.valid.is_null() {
                return table.out_of_memory(size);
            }
            unsafe { core::ptr::write_bytes(self.valid, 0xff, size) };
            self.nulls = true;
        }
        let row = self.values();
        // There is room for a value, and the bitmap has a bit for every row of a batch.
        unsafe {
            *self.valid.add(row >> 3) &= !(1 << (row & 7));
            if self.text {
                (self.p as *mut u32).write(self.used as u32);
            } else {
                core::ptr::write_bytes(self.p, 0, self.width);
            }
            self.p = self.p.add(self.width);
        }
    }

    /// Makes room for n more bytes. Past BATCH_BYTES the batch ends with this row.
    #[cold]
    #[inline(never)]
    fn extend(&mut self, n: usize) -> bool {
        let table = unsafe { &mut *self.table };
        if n > memory::MOST - self.used {
            table.fail("output_limit", format_args!("a text is too long"));
            return false;
        }
        if self.used + n > BATCH_BYTES {
            table.limit = 0;
        }
        let mut room = self.bytes_room.max(FIRST_TEXT);
        while room - self.used < n {
            room *= 2;
        }
        let v = memory::enlarge(self.bytes, self.bytes_room, self.used, room);
        if v.is_null() {
            table.out_of_memory(room);
            return false;
        }
        self.bytes = v;
        self.bytes_room = room;
        true
    }
}

/// Writes one column of fixed width: give each row its value, in any order of columns, then end the row.
pub struct Column<T: Number> {
    pub(crate) state: *mut ColumnState,
    pub(crate) of: PhantomData<T>,
}

impl<T: Number> Column<T> {
    #[inline(always)]
    fn state(&mut self) -> &mut ColumnState {
        // It lives for ever, and no other reference to it does while this one is used.
        unsafe { &mut *self.state }
    }

    /// Gives the row's value.
    #[inline(always)]
    pub fn set(&mut self, v: T) {
        let s = self.state();
        if s.p == s.end {
            return s.overfull();
        }
        // p is before end, at a multiple of the width from data.
        unsafe {
            (s.p as *mut T).write(v);
            s.p = s.p.add(core::mem::size_of::<T>());
        }
    }

    /// Leaves the row without a value; the column must be nullable.
    pub fn null(&mut self) {
        self.state().null()
    }

    /// Gives the value, or none.
    #[inline(always)]
    pub fn set_or_null(&mut self, v: Option<T>) {
        match v {
            Some(v) => self.set(v),
            None => self.null(),
        }
    }

    /// Gives the values of the rows to come, for loops that write many rows at once: write them, then tell the table with
    /// [`crate::Table::added`]. There is room for one row at least between two rows.
    #[inline]
    pub fn room(&mut self) -> &mut [T] {
        let s = self.state();
        if s.data.is_null() {
            return &mut [];
        }
        let n = (s.end as usize - s.p as usize) / core::mem::size_of::<T>();
        // The memory from p to end holds numbers or zeros, each of which is a T.
        unsafe { core::slice::from_raw_parts_mut(s.p as *mut T, n) }
    }
}

/// Writes a column of texts or of bytes.
pub struct Text {
    pub(crate) state: *mut ColumnState,
}

impl Text {
    #[inline(always)]
    fn state(&mut self) -> &mut ColumnState {
        // As of Column.
        unsafe { &mut *self.state }
    }

    /// Gives the row's value. A text must be valid UTF-8, else the host ends the decode: see [`Text::set_lossy`].
    #[inline(always)]
    pub fn set(&mut self, v: &[u8]) {
        let s = self.state();
        if s.p == s.end {
            return s.overfull();
        }
        if v.len() > s.bytes_room - s.used && !s.extend(v.len()) {
            return;
        }
        // There is room for the bytes and for an offset.
        unsafe {
            copy(v, s.bytes.add(s.used));
            s.used += v.len();
            (s.p as *mut u32).write(s.used as u32);
            s.p = s.p.add(4);
        }
    }

    /// Gives the row's value.
    #[inline(always)]
    pub fn set_str(&mut self, v: &str) {
        self.set(v.as_bytes())
    }

    /// Gives the row's value and puts U+FFFD in the place of every run of bytes that are not UTF-8: for texts of files
    /// that may be damaged.
    #[inline(always)]
    pub fn set_lossy(&mut self, v: &[u8]) {
        if is_ascii(v) || core::str::from_utf8(v).is_ok() {
            return self.set(v);
        }
        self.mend(v)
    }

    #[cold]
    #[inline(never)]
    fn mend(&mut self, v: &[u8]) {
        let s = self.state();
        if s.p == s.end {
            return s.overfull();
        }
        let most = v.len().saturating_mul(3);
        if most > s.bytes_room - s.used && !s.extend(most) {
            return;
        }
        let (mut at, mut bad) = (0, false);
        while at < v.len() {
            let n = character(&v[at..]);
            let piece: &[u8] = match (n, bad) {
                (0, true) => &[],
                (0, false) => "\u{fffd}".as_bytes(),
                (n, _) => &v[at..at + n],
            };
            bad = n == 0;
            at += n.max(1);
            // Three bytes at most for each byte of v.
            unsafe { copy(piece, s.bytes.add(s.used)) };
            s.used += piece.len();
        }
        unsafe {
            (s.p as *mut u32).write(s.used as u32);
            s.p = s.p.add(4);
        }
    }

    /// Leaves the row without a value; the column must be nullable.
    pub fn null(&mut self) {
        self.state().null()
    }
}

/// Copies bytes to memory with room for them: most are few, for which a call costs more than it copies.
#[inline(always)]
unsafe fn copy(v: &[u8], to: *mut u8) {
    let (from, n) = (v.as_ptr(), v.len());
    let mut i = 0;
    while i + 8 <= n {
        (to.add(i) as *mut u64).write_unaligned((from.add(i) as *const u64).read_unaligned());
        i += 8;
    }
    while i < n {
        *to.add(i) = *from.add(i);
        i += 1;
    }
}

#[inline(always)]
fn is_ascii(v: &[u8]) -> bool {
    let mut words = v.chunks_exact(8);
    for w in &mut words {
        if crate::le_u64(w, 0) & 0x8080_8080_8080_8080 != 0 {
            return false;
        }
    }
    words.remainder().iter().all(|b| *b < 0x80)
}

/// Gives the length of the character that begins a text, 0 where none does.
fn character(v: &[u8]) -> usize {
    let n = match v[0] {
        0..=0x7f => 1,
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return 0,
    };
    if n <= v.len() && core::str::from_utf8(&v[..n]).is_ok() {
        n
    } else {
        0
    }
}
