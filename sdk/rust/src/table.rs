use crate::column::{Column, ColumnState, Number, Text};
use crate::host::Batch;
use crate::json::Json;
use crate::manifest::Attr;
use crate::memory;
use crate::run::Run;
use core::fmt;
use core::marker::PhantomData;
use core::ptr::null_mut;

/// Limits of the contract.
const BATCH_ROWS: usize = 8192;
pub(crate) const BATCH_BYTES: usize = 1 << 20;
const MAX_BATCH_BYTES: usize = 16 << 20;
/// Rows that a table makes room for first: most files are small.
const FIRST_ROWS: usize = 64;

/// A table's rows since the last batch. Like its columns' states it is never freed.
pub(crate) struct TableState {
    n: usize,
    pub(crate) limit: usize, // rows at which end_row has more to do: room or batch are full
    room: usize,             // rows that the columns have room for
    max_rows: usize,
    width: usize,
    pub(crate) columns: usize,
    pub(crate) index: Option<usize>, // None = found at run time, and the host has not taken it yet
    flushed: i64,
    pub(crate) name: &'static str,
    pub(crate) copies: usize, // names that Table::name gave a number
    first: *mut ColumnState,
    last: *mut ColumnState,
    pub(crate) next: *mut TableState,
    seq: *mut i64,
    desc: *mut usize,
    run: *mut Run,
    pub(crate) json: Json,
    pub(crate) tail: Json, // what follows the columns in the manifest
}

/// Collects the tables of a decoder while they are declared.
pub struct Schema {
    pub(crate) run: *mut Run,
}

/// A table's writer: give each column its value, then call end_row. A column that got no value, or two, in a row is a
/// mistake of the decoder: the run ends with code trap.
pub struct Table {
    pub(crate) state: *mut TableState,
}

/// Moves a value to memory that is never freed; null where there is none.
fn keep<T>(v: T) -> *mut T {
    let p = memory::get(core::mem::size_of::<T>()) as *mut T;
    if p.is_null() {
        panic!("no memory for the declaration of a table");
    }
    // Memory of this size and an alignment of 16.
    unsafe { p.write(v) };
    p
}

/// Copies a text to memory that is never freed.
pub(crate) fn keep_text(s: &str) -> &'static str {
    if s.is_empty() {
        return "";
    }
    let p = memory::get(s.len());
    if p.is_null() {
        panic!("no memory for the name of a column");
    }
    // Memory of this size, which holds the same text for ever.
    unsafe {
        core::ptr::copy_nonoverlapping(s.as_ptr(), p, s.len());
        core::str::from_utf8_unchecked(core::slice::from_raw_parts(p, s.len()))
    }
}

/// Begins a table of a run.
pub(crate) fn begin_table(run: *mut Run, name: &'static str, description: &str) -> Table {
    let mut t = TableState {
        n: 0,
        limit: 0,
        room: 0,
        max_rows: BATCH_ROWS,
        width: 8,
        columns: 1,
        index: None,
        flushed: 0,
        name,
        copies: 0,
        first: null_mut(),
        last: null_mut(),
        next: null_mut(),
        seq: null_mut(),
        desc: null_mut(),
        run,
        json: Json::new(),
        tail: Json::new(),
    };
    // States live for ever, and no reference to the run is kept.
    let r = unsafe { &mut *run };
    if !r.decoding {
        t.index = Some(r.open);
        r.open += 1;
    }
    if t.writes() {
        t.json.open("{");
        t.json.field("name", name);
        t.json.field("description", description);
        t.json.key("columns");
        t.json.open("[");
        let seq = Attr { description: "number of the row, from 1", ..Attr::NONE };
        seq.write(&mut t.json, "seq", "i64");
    }
    let p = keep(t);
    if r.last.is_null() {
        r.first = p;
    } else {
        unsafe { (*r.last).next = p };
    }
    r.last = p;
    Table { state: p }
}

impl Schema {
    pub(crate) fn new(run: Run) -> Schema {
        Schema { run: keep(run) }
    }

    pub(crate) fn for_manifest() -> Schema {
        Schema::new(Run::new(None, true))
    }

    /// Declares a table. Its first column is seq, which counts the rows from 1 by itself.
    pub fn table(&mut self, name: &'static str, description: &'static str) -> Table {
        begin_table(self.run, name, description)
    }

    /// Writes the tables of the manifest; false where there was no memory.
    pub(crate) fn describe(&mut self, j: &mut Json) -> bool {
        let mut whole = true;
        self.each(|t| {
            j.element();
            whole = t.describe(j) && whole;
        });
        whole
    }

    pub(crate) fn each(&mut self, mut f: impl FnMut(&mut TableState)) {
        let mut p = unsafe { (*self.run).first };
        while !p.is_null() {
            // States live for ever, and f has the only reference to this one.
            unsafe {
                f(&mut *p);
                p = (*p).next;
            }
        }
    }
}

macro_rules! columns {
    ($($(#[$doc:meta])* $name:ident $t:ty;)*) => {$(
        $(#[$doc])*
        pub fn $name(&self, name: &str, attr: Attr) -> Column<$t> {
            self.column(name, stringify!($name), attr)
        }
    )*};
}

impl Table {
    #[inline(always)]
    fn state(&mut self) -> &mut TableState {
        // It lives for ever, and no other reference to it does while this one is used.
        unsafe { &mut *self.state }
    }

    columns! {
        /// Declares a column of truth values.
        bool bool;
        /// Declares a column of signed 8-bit numbers.
        i8 i8;
        /// Declares a column of signed 16-bit numbers.
        i16 i16;
        /// Declares a column of signed 32-bit numbers.
        i32 i32;
        /// Declares a column of signed 64-bit numbers.
        i64 i64;
        /// Declares a column of unsigned 8-bit numbers.
        u8 u8;
        /// Declares a column of unsigned 16-bit numbers.
        u16 u16;
        /// Declares a column of unsigned 32-bit numbers.
        u32 u32;
        /// Declares a column of unsigned 64-bit numbers.
        u64 u64;
        /// Declares a column of 32-bit floats.
        f32 f32;
        /// Declares a column of 64-bit floats.
        f64 f64;
        /// Declares a column of microseconds since 1970-01-01T00:00:00.
        ts_us i64;
        /// Declares a column of nanoseconds since 1970-01-01T00:00:00.
        ts_ns i64;
        /// Declares a column of unscaled decimals of up to 9 digits.
        dec32 i32;
        /// Declares a column of unscaled decimals of up to 18 digits.
        dec64 i64;
        /// Declares a column of indexes into at most 256 labels.
        enum8 u8;
        /// Declares a column of indexes into at most 65,536 labels.
        enum16 u16;
    }

    /// Declares a column of UTF-8 texts.
    pub fn utf8(&self, name: &str, attr: Attr) -> Text {
        Text { state: self.add(name, "utf8", 0, attr) }
    }

    /// Declares a column of bytes.
    pub fn bin(&self, name: &str, attr: Attr) -> Text {
        Text { state: self.add(name, "bin", 0, attr) }
    }

    fn column<T: Number>(&self, name: &str, typ: &'static str, attr: Attr) -> Column<T> {
        Column { state: self.add(name, typ, core::mem::size_of::<T>(), attr), of: PhantomData }
    }

    fn add(&self, name: &str, typ: &'static str, width: usize, attr: Attr) -> *mut ColumnState {
        // As of state; nothing else refers to it while a column is declared.
        let t = unsafe { &mut *self.state };
        let name = keep_text(name);
        let text = width == 0;
        let width = if text { 4 } else { width };
        let c = keep(ColumnState {
            p: null_mut(),
            end: null_mut(),
            data: null_mut(),
            valid: null_mut(),
            next: null_mut(),
            table: self.state,
            name,
            bytes: null_mut(),
            used: 0,
            bytes_room: 0,
            width,
            text,
            nullable: attr.nullable,
            nulls: false,
        });
        if t.index.is_some() && t.run().decoding {
            t.fail("trap", format_args!("table {}: column {} comes too late", t.name, name));
            return c; // it has no room and belongs to no row
        }
        if t.last.is_null() {
            t.first = c;
        } else {
            unsafe { (*t.last).next = c };
        }
        t.last = c;
        t.columns += 1;
        t.width += width;
        t.max_rows = (BATCH_BYTES / t.width).max(1).min(BATCH_ROWS);
        if t.writes() {
            attr.write(&mut t.json, name, typ);
        }
        c
    }

    /// Says how many bytes of the input a row covers from its column `offset`: the value of `column` ("": 0) plus `plus`;
    /// and, as the JSON array of the manifest's layouts ("": none), which fields lie in them.
    pub fn describe_rows(&mut self, column: &str, plus: i64, layouts: &str) {
        let t = self.state();
        if !t.writes() {
            return;
        }
        let j = &mut t.tail;
        j.raw(b",\"row_length\":");
        j.open("{");
        j.field("column", column);
        j.int("plus", plus);
        j.close("}");
        if !layouts.is_empty() {
            j.key("layouts");
            j.raw(layouts.as_bytes());
        }
    }

    /// Gives the number of complete rows, which is the last row's seq.
    pub fn rows(&self) -> i64 {
        let t = unsafe { &*self.state };
        t.flushed + t.n as i64
    }

    /// Completes a row. Full batches go to the host by themselves; when it wants no more, reading says so.
    #[inline(always)]
    pub fn end_row(&mut self) {
        let t = self.state();
        t.n += 1;
        if t.n >= t.limit {
            t.end_batch();
        }
    }

    /// Gives the number of rows that may be written into the columns' room at once, at least 1 between two rows.
    pub fn room(&self) -> usize {
        let t = unsafe { &*self.state };
        t.room - t.n
    }

    /// Takes rows that were written into the room of all columns of fixed width; texts are set one by one, as ever.
    pub fn added(&mut self, rows: usize) {
        let t = self.state();
        if rows > t.room - t.n {
            let (name, room) = (t.name, t.room - t.n);
            return t.fail("trap", format_args!("table {}: {} rows were added, there was room for {}", name, rows, room));
        }
        t.each(|c| {
            let n = c.width * rows;
            if !c.text && c.end as usize - c.p as usize >= n {
                // Up to end.
                c.p = unsafe { c.p.add(n) };
            }
        });
        t.n += rows;
        if t.n >= t.limit {
            t.end_batch();
        }
    }
}

impl TableState {
    pub(crate) fn run(&self) -> &mut Run {
        // It lives for ever, and no reference to it is kept.
        unsafe { &mut *self.run }
    }

    pub(crate) fn fail(&self, code: &'static str, text: fmt::Arguments) {
        self.run().fail(code, text)
    }

    pub(crate) fn out_of_memory(&self, n: usize) {
        self.run().out_of_memory(n)
    }

    pub(crate) fn validity_bytes(&self) -> usize {
        (self.max_rows + 7) / 8
    }

    /// Says whether the schema is written: for the manifest, or because the table was found at run time.
    fn writes(&self) -> bool {
        self.index.is_none() || self.run().manifest
    }

    /// Ends the schema, of which nothing is kept; false where there was no memory for all of it.
    pub(crate) fn describe(&mut self, j: &mut Json) -> bool {
        self.json.close("]");
        j.raw(self.json.bytes());
        j.raw(self.tail.bytes());
        j.raw(b"}");
        let whole = !self.json.short && !self.tail.short;
        self.json = Json::new();
        self.tail = Json::new();
        whole
    }

    /// Makes the table ready for rows.
    pub(crate) fn begin(&mut self) {
        self.grow(FIRST_ROWS.min(self.max_rows));
        self.limit = self.room;
    }

    pub(crate) fn each(&self, mut f: impl FnMut(&mut ColumnState)) {
        let mut p = self.first;
        while !p.is_null() {
            // As of Schema.
            unsafe {
                f(&mut *p);
                p = (*p).next;
            }
        }
    }

    /// The rare part of end_row: ends a batch, or makes room for more rows of it.
    #[cold]
    #[inline(never)]
    fn end_batch(&mut self) {
        if self.index.is_none() {
            self.fail("trap", format_args!("table {} was not opened", self.name));
        }
        if self.room == 0 {
            self.n = 0; // no decode runs, or there was no memory at all
            return;
        }
        if self.n >= self.max_rows || self.limit == 0 {
            self.flush();
        }
        if self.n >= self.room {
            self.grow((2 * self.room).min(self.max_rows));
        }
        if self.n >= self.room {
            self.drop_rows(); // no memory: the decode fails
        }
        self.limit = self.room;
    }

    /// Makes room for rows in every column.
    fn grow(&mut self, rows: usize) {
        let mut missing = 0;
        self.each(|c| {
            let had = c.end as usize - c.data as usize;
            let mut used = c.p as usize - c.data as usize;
            let size = c.width * (rows + usize::from(c.text));
            let v = memory::enlarge(c.data, had, used, size);
            if v.is_null() {
                missing = missing.max(size);
                return;
            }
            if used == 0 && c.text {
                used = 4; // the first offset is 0
            }
            c.data = v;
            // Both lie within size.
            unsafe {
                c.p = v.add(used);
                c.end = v.add(size);
            }
        });
        if missing > 0 {
            return self.out_of_memory(missing);
        }
        self.room = rows;
    }

    /// Says whether every column has one value a row; else the decode fails.
    fn check(&self) -> bool {
        let mut good = true;
        self.each(|c| {
            let have = c.values();
            if have != self.n && good {
                good = false;
                let (table, rows) = (self.name, self.n);
                self.fail("trap", format_args!("table {}: column {} has {} values in {} rows", table, c.name, have, rows));
            }
        });
        good
    }

    fn drop_rows(&mut self) {
        self.each(|c| c.trim(0));
        self.n = 0;
    }

    /// Emits the complete rows.
    fn flush(&mut self) {
        if self.n > 0 && self.check() {
            let mut size = self.n * self.width;
            self.each(|c| size += c.used);
            if size > MAX_BATCH_BYTES {
                self.fail("output_limit", format_args!("a row is larger than a batch may be"));
            } else if self.prepare() && !self.run().stopped {
                self.emit();
            }
        }
        self.flushed += self.n as i64;
        self.drop_rows();
    }

    /// Makes the memory of seq and of the descriptor.
    fn prepare(&mut self) -> bool {
        if self.seq.is_null() {
            self.seq = memory::get(8 * self.max_rows) as *mut i64;
        }
        if self.desc.is_null() {
            self.desc = memory::get(self.desc_bytes()) as *mut usize;
        }
        if self.seq.is_null() || self.desc.is_null() {
            self.out_of_memory(8 * self.max_rows);
            return false;
        }
        true
    }

    fn desc_bytes(&self) -> usize {
        (4 + 4 * self.columns) * core::mem::size_of::<usize>()
    }

    fn emit(&mut self) {
        // seq has max_rows places, the descriptor as many words as the columns need.
        let desc = unsafe {
            for i in 0..self.n {
                self.seq.add(i).write(self.flushed + i as i64 + 1);
            }
            core::ptr::write_bytes(self.desc, 0, 4 + 4 * self.columns);
            core::slice::from_raw_parts_mut(self.desc, 4 + 4 * self.columns)
        };
        desc[0] = self.n;
        desc[1] = self.columns;
        desc[4] = self.seq as usize;
        desc[7] = 8 * self.n;
        let (rows, mut at) = (self.n, 8);
        self.each(|c| {
            let d = &mut desc[at..at + 4];
            d[1] = if c.nulls { c.valid as usize } else { 0 };
            if c.text {
                d[0] = c.bytes as usize;
                d[2] = c.data as usize;
                d[3] = c.used;
            } else {
                d[0] = c.data as usize;
                d[3] = c.width * rows;
            }
            at += 4;
        });
        let run = self.run();
        if let (Some(host), Some(index)) = (run.host(), self.index) {
            if !host.emit(index, &Batch { desc }) {
                run.stopped = true;
            }
        }
    }

    /// Emits what is left. After a failure the values of a row that was not completed are dropped, else they are a
    /// mistake.
    pub(crate) fn end(&mut self, failed: bool) {
        if !failed && !self.check() {
            return self.drop_rows();
        }
        let n = self.n;
        self.each(|c| {
            if c.values() > n {
                c.trim(n);
            }
        });
        self.flush();
    }

    /// Gives the memory back. Handles that are kept find columns without room.
    pub(crate) fn release(&mut self) {
        let validity = self.validity_bytes();
        self.each(|c| {
            memory::give(c.data, c.end as usize - c.data as usize);
            memory::give(c.valid, validity);
            memory::give(c.bytes, c.bytes_room);
            c.p = null_mut();
            c.end = null_mut();
            c.data = null_mut();
            c.valid = null_mut();
            c.bytes = null_mut();
            c.bytes_room = 0;
            c.used = 0;
        });
        memory::give(self.seq as *mut u8, 8 * self.max_rows);
        memory::give(self.desc as *mut u8, self.desc_bytes());
        self.seq = null_mut();
        self.desc = null_mut();
        self.json = Json::new();
        self.tail = Json::new();
        self.n = 0;
        self.room = 0;
        self.limit = 0;
    }
}
