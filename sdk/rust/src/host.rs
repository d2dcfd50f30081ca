/// Where a decoder's bytes come from and its rows go: the imports of the ABI in a guest, anything natively.
pub trait Host {
    /// Reads the open part on; 0 = its end.
    fn read(&mut self, buf: &mut [u8]) -> usize;
    /// Reads the open part anywhere; 0 = its end, or capability seek was not granted.
    fn read_at(&mut self, offset: i64, buf: &mut [u8]) -> usize {
        let _ = (offset, buf);
        0
    }
    /// Gives the length of the open part, -1 without capability seek.
    fn size(&mut self) -> i64 {
        -1
    }
    /// Copies as much of a part's name as fits and gives its whole length, -1 = there is no such part.
    fn part(&mut self, index: usize, buf: &mut [u8]) -> i32 {
        let _ = (index, buf);
        -1
    }
    /// Makes a part the open one, from its first byte.
    fn open_part(&mut self, index: usize) -> bool {
        let _ = index;
        false
    }
    /// Takes the schema of a table found at run time, as JSON, and gives the table's index; negative = it does not.
    fn table(&mut self, schema: &[u8]) -> i32 {
        let _ = schema;
        -1
    }
    /// Takes a batch of a table, counted from 0; false = no more rows are wanted.
    fn emit(&mut self, table: usize, batch: &Batch) -> bool;
    /// Takes a problem at a byte offset, -1 = none.
    fn issue(&mut self, severity: i32, offset: i64, code: &str, message: &str);
    /// Takes the reason of a decode that ends with an error.
    fn fail(&mut self, code: &str, message: &str);
    /// Takes a line for the log.
    fn log(&mut self, level: i32, message: &str) {
        let _ = (level, message);
    }
    /// Copies as much of a parameter as fits and gives its whole length, -1 = it was not given.
    fn param(&mut self, key: &str, buf: &mut [u8]) -> i32 {
        let _ = (key, buf);
        -1
    }
    /// Begins a sub-file; negative = refused.
    fn child(&mut self, name: &str) -> i32 {
        let _ = name;
        -1
    }
    /// Writes to a sub-file; false = refused.
    fn child_write(&mut self, child: i32, data: &[u8]) -> bool {
        let _ = (child, data);
        false
    }
    /// Completes a sub-file.
    fn child_close(&mut self, child: i32) {
        let _ = child;
    }
}

/// A run of complete rows of one table, column by column, as a descriptor of the ABI in words of the machine.
pub struct Batch<'a> {
    pub(crate) desc: &'a [usize],
}

/// A batch's values of one column.
pub struct Data<'a> {
    /// Little-endian, or the concatenated texts.
    pub values: &'a [u8],
    /// A bitmap, 1 = there; None = no nulls.
    pub validity: Option<&'a [u8]>,
    /// Of texts: one more than rows.
    pub offsets: Option<&'a [u32]>,
}

impl<'a> Batch<'a> {
    /// Gives the number of rows.
    pub fn rows(&self) -> usize {
        self.desc[0]
    }

    /// Gives the number of columns.
    pub fn columns(&self) -> usize {
        self.desc[1]
    }

    /// Gives a column, counted from 0, which is seq.
    pub fn column(&self, i: usize) -> Data<'a> {
        let d = &self.desc[4 + 4 * i..8 + 4 * i];
        // The table made the descriptor of memory that holds at least this.
        unsafe {
            Data {
                values: bytes(d[0], d[3]),
                validity: if d[1] == 0 { None } else { Some(bytes(d[1], (self.rows() + 7) / 8)) },
                offsets: if d[2] == 0 {
                    None
                } else {
                    Some(core::slice::from_raw_parts(d[2] as *const u32, self.rows() + 1))
                },
            }
        }
    }
}

unsafe fn bytes<'a>(p: usize, n: usize) -> &'a [u8] {
    if n == 0 {
        return &[];
    }
    core::slice::from_raw_parts(p as *const u8, n)
}

/// The host of a guest.
#[doc(hidden)]
#[cfg(target_arch = "wasm32")]
pub mod guest {
    use super::{Batch, Host};
    use crate::error::Message;

    mod import {
        #[link(wasm_import_module = "wayside_v1")]
        extern "C" {
            pub fn read(p: *mut u8, n: usize) -> i32;
            pub fn read_at(off: i64, p: *mut u8, n: usize) -> i32;
            pub fn size() -> i64;
            pub fn part(index: i32, p: *mut u8, cap: usize) -> i32;
            pub fn open_part(index: i32) -> i32;
            pub fn manifest(p: *const u8, n: usize);
            pub fn table(p: *const u8, n: usize) -> i32;
            pub fn emit(table: i32, desc: *const usize) -> i32;
            pub fn issue(severity: i32, off: i64, code: *const u8, code_len: usize, p: *const u8, n: usize);
            pub fn fail(code: *const u8, code_len: usize, p: *const u8, n: usize);
            pub fn log(level: i32, p: *const u8, n: usize);
            pub fn param(key: *const u8, key_len: usize, p: *mut u8, cap: usize) -> i32;
            pub fn child(name: *const u8, n: usize) -> i32;
            pub fn child_write(child: i32, p: *const u8, n: usize) -> i32;
            pub fn child_close(child: i32);
        }
    }

    /// The imports of the ABI. Every call gives the host memory that the slices hold.
    pub struct Imports;

    impl Host for Imports {
        fn read(&mut self, buf: &mut [u8]) -> usize {
            unsafe { import::read(buf.as_mut_ptr(), buf.len()) }.max(0) as usize
        }
        fn read_at(&mut self, offset: i64, buf: &mut [u8]) -> usize {
            unsafe { import::read_at(offset, buf.as_mut_ptr(), buf.len()) }.max(0) as usize
        }
        fn size(&mut self) -> i64 {
            unsafe { import::size() }
        }
        fn part(&mut self, index: usize, buf: &mut [u8]) -> i32 {
            unsafe { import::part(index as i32, buf.as_mut_ptr(), buf.len()) }
        }
        fn open_part(&mut self, index: usize) -> bool {
            unsafe { import::open_part(index as i32) == 0 }
        }
        fn table(&mut self, schema: &[u8]) -> i32 {
            unsafe { import::table(schema.as_ptr(), schema.len()) }
        }
        fn emit(&mut self, table: usize, batch: &Batch) -> bool {
            unsafe { import::emit(table as i32, batch.desc.as_ptr()) == 0 }
        }
        fn issue(&mut self, severity: i32, offset: i64, code: &str, message: &str) {
            unsafe { import::issue(severity, offset, code.as_ptr(), code.len(), message.as_ptr(), message.len()) }
        }
        fn fail(&mut self, code: &str, message: &str) {
            unsafe { import::fail(code.as_ptr(), code.len(), message.as_ptr(), message.len()) }
        }
        fn log(&mut self, level: i32, message: &str) {
            unsafe { import::log(level, message.as_ptr(), message.len()) }
        }
        fn param(&mut self, key: &str, buf: &mut [u8]) -> i32 {
            unsafe { import::param(key.as_ptr(), key.len(), buf.as_mut_ptr(), buf.len()) }
        }
        fn child(&mut self, name: &str) -> i32 {
            unsafe { import::child(name.as_ptr(), name.len()) }
        }
        fn child_write(&mut self, child: i32, data: &[u8]) -> bool {
            unsafe { import::child_write(child, data.as_ptr(), data.len()) >= 0 }
        }
        fn child_close(&mut self, child: i32) {
            unsafe { import::child_close(child) }
        }
    }

    /// Gives the host the manifest.
    pub fn manifest(text: &[u8]) {
        unsafe { import::manifest(text.as_ptr(), text.len()) }
    }

    /// Ends the instance.
    pub fn panic(info: &core::panic::PanicInfo) -> ! {
        Imports.log(2, Message::new(format_args!("{}", info)).as_str());
        core::arch::wasm32::unreachable()
    }
}
