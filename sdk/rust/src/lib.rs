//! What decoders for Wayside are written with in Rust: no dependencies, no `std`, no `alloc` needed.
//!
//! A decoder declares its tables and fills them from a reader. The declarations are the manifest too, so that code and
//! manifest cannot drift:
//!
//! ```
//! use wayside::{Attr, Column, Decoder, End, Error, Format, Info, Input, Schema, Table};
//!
//! struct Readings {
//!     table: Table,
//!     time: Column<i64>,
//!     value: Column<f64>,
//! }
//!
//! impl Decoder for Readings {
//!     const INFO: Info = Info {
//!         id: "readings",
//!         name: "Readings",
//!         version: "1.0.0",
//!         formats: &[Format { id: "readings", extensions: &[".rdg"], ..Format::NONE }],
//!         ..Info::NONE
//!     };
//!
//!     fn declare(s: &mut Schema) -> Self {
//!         let table = s.table("readings", "one row a reading");
//!         Readings {
//!             time: table.ts_us("time", Attr { role: "time", ..Attr::NONE }),
//!             value: table.f64("value", Attr { unit: "Cel", ..Attr::NONE }),
//!             table,
//!         }
//!     }
//!
//!     fn decode(&mut self, input: &mut Input) -> Result<(), Error> {
//!         loop {
//!             let p = match input.next(16) {
//!                 Ok(p) => p,
//!                 Err(End::Eof) => return Ok(()),
//!                 Err(e) => return Err(e.into()),
//!             };
//!             self.time.set(wayside::le_i64(p, 0));
//!             self.value.set(wayside::le_f64(p, 8));
//!             self.table.end_row();
//!         }
//!     }
//! }
//!
//! wayside::plugin!(Readings);
//! # fn main() {}
//! ```
//!
//! A decoder whose columns only the header of its input tells begins a table with [`Input::table`] while it decodes.
//!
//! A guest is a `cdylib` for `wasm32-unknown-unknown`. Without `std` it also needs [`panic_handler!`]. Natively a decoder
//! runs with [`run`] on any [`Host`], which is how it is tested.
//!
//! An instance decodes one input and has one thread. Mistakes of a decoder (two values of a column in a row, none, a
//! null where none may be) end the decode with code `trap`; when memory ends, the decode does, with code
//! `memory_limit`. Rows before either are kept.
#![cfg_attr(target_arch = "wasm32", no_std)]
#![warn(missing_docs)]

#[cfg(feature = "alloc")]
extern crate alloc;

mod column;
mod error;
mod found;
mod host;
mod input;
mod json;
mod manifest;
mod memory;
mod numbers;
mod run;
mod table;

pub use column::{Column, Number, Text};
pub use error::{End, Error, Message};
pub use host::{Batch, Data, Host};
pub use input::{Input, Reporter, Severity};
pub use manifest::{Attr, Format, Info, Range, Sequence, Sniff, Walk};
#[cfg(feature = "alloc")]
pub use memory::Allocator;
pub use numbers::*;
pub use table::{Schema, Table};

#[doc(hidden)]
#[cfg(target_arch = "wasm32")]
pub use host::guest;

/// A decoder: what it is, its tables, and the function that fills them.
pub trait Decoder: Sized {
    /// The part of the manifest that is not the tables.
    const INFO: Info;

    /// Declares the tables. It runs before every decode and for the manifest, and must declare the same each time.
    fn declare(schema: &mut Schema) -> Self;

    /// Decodes one input. An error ends the decode with its code; rows that were written are kept.
    fn decode(&mut self, input: &mut Input) -> Result<(), Error>;

    /// Looks at the first bytes of a file, at most 64 KiB, and says how sure it is that the file is its own, 0 to 100.
    /// The host asks it where the rules of several plugins fit.
    fn sniff(head: &[u8]) -> u8 {
        let _ = head;
        0
    }
}

/// Decodes one input of a host and gives the result of `wayside_decode`: 0 when it went well.
pub fn run<D: Decoder>(host: &mut dyn Host) -> i32 {
    run::run::<D>(host)
}

/// Gives a decoder's manifest, as JSON, to `take`.
pub fn manifest<D: Decoder>(take: &mut dyn FnMut(&[u8])) {
    manifest::write::<D>(take)
}

/// Gives a decoder's confidence in the input of a host, 0 to 100.
pub fn sniff<D: Decoder>(host: &mut dyn Host) -> i32 {
    run::sniff::<D>(host)
}

/// Makes the exports of a plugin of a [`Decoder`].
#[macro_export]
macro_rules! plugin {
    ($decoder:ty) => {
        #[cfg(target_arch = "wasm32")]
        #[no_mangle]
        pub extern "C" fn wayside_manifest() {
            $crate::manifest::<$decoder>(&mut $crate::guest::manifest)
        }

        #[cfg(target_arch = "wasm32")]
        #[no_mangle]
        pub extern "C" fn wayside_decode() -> i32 {
            $crate::run::<$decoder>(&mut $crate::guest::Imports)
        }

        #[cfg(target_arch = "wasm32")]
        #[no_mangle]
        pub extern "C" fn wayside_sniff() -> i32 {
            $crate::sniff::<$decoder>(&mut $crate::guest::Imports)
        }
    };
}

/// Makes the panic handler of a guest without `std`: the panic's text goes to the log, and the instance traps.
#[macro_export]
macro_rules! panic_handler {
    () => {
        #[cfg(target_arch = "wasm32")]
        #[panic_handler]
        fn wayside_panic(info: &core::panic::PanicInfo) -> ! {
            $crate::guest::panic(info)
        }
    };
}

/// Makes the `Err` that ends a decode: `return wayside::fail!("truncated", "ends at {}", at)`. The codes of the host are
/// unknown_format, truncated, corrupt_record and unsupported.
#[macro_export]
macro_rules! fail {
    ($code:expr, $($arg:tt)*) => {
        Err($crate::Error::new($code, format_args!($($arg)*)))
    };
}
