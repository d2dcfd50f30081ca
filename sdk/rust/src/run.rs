//! One run of a decoder, from the declaration of its tables to its result.

use crate::error::{Error, Message};
use crate::host::Host;
use crate::input::Input;
use crate::table::{Schema, TableState};
use crate::Decoder;
use core::fmt;
use core::ptr::null_mut;

/// Bytes of a file that a decoder may look at to recognise it.
const SNIFF_HEAD: usize = 64 << 10;

/// One run of a decoder. It is never freed, so that what points to it may be kept; the host is gone when it has ended.
pub(crate) struct Run {
    host: Option<*mut dyn Host>,
    pub(crate) stopped: bool, // the host wants no more rows
    pub(crate) failed: Option<Error>,
    pub(crate) manifest: bool,
    pub(crate) decoding: bool, // a table that is declared now was found in the input
    pub(crate) first: *mut TableState,
    pub(crate) last: *mut TableState,
    pub(crate) open: usize,    // tables that the host knows
    pub(crate) schemas: usize, // bytes of those found at run time
}

impl Run {
    pub(crate) fn new(host: Option<*mut dyn Host>, manifest: bool) -> Run {
        let (first, last) = (null_mut(), null_mut());
        Run { host, stopped: false, failed: None, manifest, decoding: false, first, last, open: 0, schemas: 0 }
    }

    /// Gives the host while the run goes on.
    pub(crate) fn host(&mut self) -> Option<&mut dyn Host> {
        // It was given to run, which has not returned.
        self.host.map(|h| unsafe { &mut *h })
    }

    /// Says whether reading gives nothing more.
    pub(crate) fn over(&self) -> bool {
        self.stopped || self.failed.is_some()
    }

    /// Looks at every table.
    pub(crate) fn each(&self, mut f: impl FnMut(&TableState)) {
        let mut p: *const TableState = self.first;
        while !p.is_null() {
            // States live for ever, and nothing changes one meanwhile.
            unsafe {
                f(&*p);
                p = (*p).next;
            }
        }
    }

    /// Notes why the decode fails. The first reason counts.
    pub(crate) fn fail(&mut self, code: &'static str, text: fmt::Arguments) {
        if self.failed.is_none() {
            self.failed = Some(Error { code, text: Message::new(text), stopped: false });
        }
    }

    pub(crate) fn out_of_memory(&mut self, n: usize) {
        self.fail("memory_limit", format_args!("no memory for {} bytes", n));
    }
}

/// Makes the run of a host. The pointer is used until the run is closed, within the borrow of the host.
fn open(host: &mut dyn Host) -> Schema {
    let host: *mut dyn Host = unsafe { core::mem::transmute::<&mut dyn Host, &'static mut dyn Host>(host) };
    Schema::new(Run::new(Some(host), false))
}

pub(crate) fn run<D: Decoder>(host: &mut dyn Host) -> i32 {
    let mut schema = open(host);
    let mut decoder = D::declare(&mut schema);
    schema.each(|t| t.begin());
    unsafe { (*schema.run).decoding = true };
    let mut input = Input::new(schema.run);
    if unsafe { (*schema.run).failed.is_none() } {
        if let Err(e) = decoder.decode(&mut input) {
            let run = unsafe { &mut *schema.run };
            if !e.stopped && run.failed.is_none() {
                run.failed = Some(e);
            }
        }
    }
    drop(input);
    let failed = unsafe { (*schema.run).failed.is_some() };
    schema.each(|t| t.end(failed));
    schema.each(|t| t.release());
    drop(decoder);
    let run = unsafe { &mut *schema.run };
    let mut result = 0;
    if let Some(e) = run.failed {
        if let Some(host) = run.host() {
            host.fail(e.code, e.text());
        }
        result = 1;
    }
    run.host = None;
    result
}

pub(crate) fn sniff<D: Decoder>(host: &mut dyn Host) -> i32 {
    let schema = open(host);
    let mut input = Input::new(schema.run);
    let sure = match input.window(SNIFF_HEAD) {
        Ok(head) => D::sniff(&head[..head.len().min(SNIFF_HEAD)]),
        Err(_) => 0,
    };
    drop(input);
    unsafe { (*schema.run).host = None };
    sure.min(100).into()
}
