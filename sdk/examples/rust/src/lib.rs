//! The example decoder of the SDKs in Rust: logs of a made-up track recorder, as described in ../README.md. The decoders
//! in ../tracklog (Go) and ../c do the same, byte for byte.
#![cfg_attr(target_arch = "wasm32", no_std)]

use wayside::{
    fail, le_i16, le_i32, le_i64, le_u16, le_u32, le_u64, Attr, Column, Decoder, End, Error, Format, Info, Input, Reporter,
    Schema, Sequence, Severity, Sniff, Table, Text,
};

wayside::plugin!(Tracklog);
wayside::panic_handler!();

const MAGIC: &[u8] = b"TRACKLOG";
const VERSION: u8 = 1;
const HEADER: usize = 32;
const AT_VERSION: usize = 8;
const AT_FIRST: i64 = 12; // time of the first record, big-endian: files are ordered by it
const AT_HEADER_CRC: usize = 30;
const MIN_RECORD: u8 = 14; // sync, type, length, time, CRC
const MAX_RECORD: usize = 255;
const MIN_SAMPLE: usize = 30;
const MIN_EVENT: usize = 23;
const SAMPLE: u8 = 1;
const EVENT: u8 = 2;
const NO_SPEED: u16 = 0xFFFF;

const PARAMS: &str = r#"{"type":"object","additionalProperties":false,"properties":{
"crc":{"type":"string","enum":["keep","drop","ignore"],"default":"keep","description":"what happens to records whose checksum is wrong"},
"min_speed":{"type":"integer","minimum":0,"maximum":655,"default":0,"description":"leave out slower samples, km/h"}}}"#;

struct Records {
    table: Table,
    offset: Column<i64>,
    time: Column<i64>,
    speed: Column<i32>,
    flags: Column<u16>,
    position: Column<i64>,
    odometer: Column<u32>,
    acceleration: Column<i32>,
    mode: Column<u8>,
    aspect: Column<u8>,
    text: Text,
}

struct Events {
    table: Table,
    offset: Column<i64>,
    time: Column<i64>,
    code: Column<u16>,
    severity: Column<u8>,
    acknowledged: Column<bool>,
    value: Column<i64>,
    payload: Text,
    text: Text,
}

struct Tracklog {
    records: Records,
    events: Events,
}

const OFFSET: Attr = Attr { unit: "By", description: "of the record in the input", ..Attr::NONE };

impl Records {
    fn declare(s: &mut Schema) -> Records {
        let t = s.table("records", "one row a sample");
        let modes = &["off", "standby", "manual", "automatic", "degraded"];
        let aspects = &["dark", "stop", "caution", "proceed"];
        Records {
            offset: t.i64("offset", OFFSET),
            time: t.ts_us("time", Attr { role: "time", ..Attr::NONE }),
            speed: t.dec32("speed", Attr { scale: 2, unit: "km/h", role: "speed", nullable: true, ..Attr::NONE }),
            flags: t.u16("flags", Attr::NONE),
            position: t.dec64("position", Attr { scale: 2, unit: "m", role: "position", ..Attr::NONE }),
            odometer: t.u32("odometer", Attr { unit: "m", ..Attr::NONE }),
            acceleration: t.dec32("acceleration", Attr { scale: 3, unit: "m/s2", ..Attr::NONE }),
            mode: t.enum8("mode", Attr { labels: modes, ..Attr::NONE }),
            aspect: t.enum8("aspect", Attr { labels: aspects, ..Attr::NONE }),
            text: t.utf8("text", Attr::NONE),
            table: t,
        }
    }
}

impl Events {
    fn declare(s: &mut Schema) -> Events {
        let t = s.table("events", "one row an event");
        let codes = &["", "door", "brake", "horn", "radio"];
        let severities = &["info", "warning", "alarm"];
        Events {
            offset: t.i64("offset", OFFSET),
            time: t.ts_us("time", Attr { role: "time", ..Attr::NONE }),
            code: t.enum16("code", Attr { labels: codes, ..Attr::NONE }),
            severity: t.enum8("severity", Attr { labels: severities, ..Attr::NONE }),
            acknowledged: t.bool("acknowledged", Attr::NONE),
            value: t.dec64("value", Attr { scale: 3, nullable: true, role: "value", ..Attr::NONE }),
            payload: t.bin("payload", Attr { nullable: true, ..Attr::NONE }),
            text: t.utf8("text", Attr { sensitive: true, description: "what the driver wrote", ..Attr::NONE }),
            table: t,
        }
    }
}

impl Decoder for Tracklog {
    const INFO: Info = Info {
        id: "tracklog",
        name: "Track log",
        version: "1.0.0",
        description: "Example: logs of a made-up track recorder",
        licence: "Apache-2.0",
        formats: &[Format {
            id: "tracklog",
            name: "Track log",
            extensions: &[".trk"],
            media_types: &["application/x-tracklog"],
            sniff: &[Sniff::Bytes { offset: 0, bytes: "545241434b4c4f47", mask: "" }],
            sequence: Some(Sequence { at: AT_FIRST, length: 8 }),
        }],
        params: PARAMS,
        ..Info::NONE
    };

    fn declare(s: &mut Schema) -> Self {
        let records = Records::declare(s);
        let events = Events::declare(s);
        Tracklog { records, events }
    }

    fn decode(&mut self, input: &mut Input) -> Result<(), Error> {
        let mut crc = [0; 16];
        let crc = input.param("crc", &mut crc).unwrap_or("keep");
        let mut run = Run {
            out: self,
            report: input.reporter(),
            check: crc != "ignore",
            drop: crc == "drop",
            min_speed: input.param_int("min_speed", 0).max(0).min(655) as u16 * 100,
            lost: None,
            cut: None,
            unknown: [(0, 0); 256],
        };
        run.decode(input)
    }

    /// Is sure of a header whose checksum fits, less of one that only begins like one.
    fn sniff(head: &[u8]) -> u8 {
        if head.len() < HEADER || !head.starts_with(MAGIC) {
            return 0;
        }
        if checksum(&head[..AT_HEADER_CRC]) == le_u16(head, AT_HEADER_CRC) {
            100
        } else {
            60
        }
    }
}

/// The state of one decode.
struct Run<'a> {
    out: &'a mut Tracklog,
    report: Reporter,
    check: bool, // checksums are looked at
    drop: bool,  // records with a wrong one are left out
    min_speed: u16,
    lost: Option<i64>,          // offset at which the records' rhythm was lost
    cut: Option<i64>,           // offset of a record that the part ends in
    unknown: [(u64, i64); 256], // records of types that are not known, and the first one's offset
}

impl Run<'_> {
    fn decode(&mut self, input: &mut Input) -> Result<(), Error> {
        let mut more = true;
        while more {
            self.header(input)?;
            self.cut = None;
            self.part(input)?;
            self.resync(input.offset());
            more = input.next_part();
            if more {
                self.truncated(Severity::Error);
            }
        }
        for (typ, (n, at)) in self.unknown.iter().enumerate() {
            if *n > 0 {
                self.report.issue(Severity::Info, *at, "unknown_type", format_args!("{} records of type {}", n, typ));
            }
        }
        self.truncated(Severity::Fatal);
        Ok(())
    }

    /// Reports the record that the part ended in.
    fn truncated(&self, severity: Severity) {
        if let Some(at) = self.cut {
            self.report.issue(severity, at, "truncated", format_args!("the file ends within a record"));
        }
    }

    /// Reads the header of a part.
    fn header(&mut self, input: &mut Input) -> Result<(), Error> {
        let at = input.offset();
        let h = match input.next(HEADER) {
            Ok(h) => h,
            Err(End::Stopped) => return Err(End::Stopped.into()),
            Err(_) => return fail!("truncated", "the file ends within its header"),
        };
        if !h.starts_with(MAGIC) {
            return fail!("unknown_format", "the file does not begin with TRACKLOG");
        }
        if h[AT_VERSION] != VERSION {
            return fail!("unsupported", "version {} of the format is not known", h[AT_VERSION]);
        }
        if checksum(&h[..AT_HEADER_CRC]) != le_u16(h, AT_HEADER_CRC) {
            let text = format_args!("the checksum of the header is wrong");
            self.report.issue(Severity::Warning, at, "header_crc", text);
        }
        Ok(())
    }

    /// Reads the records of a part.
    fn part(&mut self, input: &mut Input) -> Result<(), Error> {
        loop {
            let base = input.offset();
            let b = input.window(MAX_RECORD)?;
            let last = b.len() < MAX_RECORD;
            let done = self.walk(b, base, last);
            input.skip(done as u64);
            if last {
                return Ok(());
            }
        }
    }

    /// Reads the records in b and says how many bytes it is done with. Unless these are the last bytes of the part it
    /// stops where a record may not be whole.
    fn walk(&mut self, b: &[u8], base: i64, last: bool) -> usize {
        let mut at = 0;
        while at < b.len() {
            let rest = &b[at..];
            if rest.len() < MAX_RECORD && !last {
                break;
            }
            let begins = rest.len() >= 4 && rest[0] == 0x5A && rest[1] == 0xA5 && rest[3] >= MIN_RECORD;
            let n = if begins { usize::from(rest[3]) } else { 0 };
            if self.lost.is_none() {
                if rest.len() < 4 || n > rest.len() {
                    self.cut = Some(base + at as i64);
                    return b.len();
                }
                if !begins {
                    self.lost = Some(base + at as i64);
                    at += 1;
                    continue;
                }
            } else {
                if !begins || n > rest.len() || !intact(&rest[..n]) {
                    at += 1;
                    continue;
                }
                self.resync(base + at as i64);
            }
            self.record(&rest[..n], base + at as i64);
            at += n;
        }
        at
    }

    /// Reports the bytes that no record was found in, up to an offset.
    fn resync(&mut self, to: i64) {
        if let Some(from) = self.lost {
            self.report.issue(Severity::Error, from, "resync", format_args!("{} bytes are no records", to - from));
            self.lost = None;
        }
    }

    /// Takes a whole record.
    #[inline]
    fn record(&mut self, r: &[u8], at: i64) {
        if self.check && !intact(r) {
            if self.drop {
                let text = format_args!("the checksum of the record is wrong, it is left out");
                return self.report.issue(Severity::Error, at, "crc_mismatch", text);
            }
            let text = format_args!("the checksum of the record is wrong");
            self.report.issue(Severity::Warning, at, "crc_mismatch", text);
        }
        match r[2] {
            SAMPLE => self.sample(r, at),
            EVENT => self.event(r, at),
            typ => {
                let (n, first) = &mut self.unknown[usize::from(typ)];
                if *n == 0 {
                    *first = at;
                }
                *n += 1;
            }
        }
    }

    #[inline]
    fn sample(&mut self, r: &[u8], at: i64) {
        if r.len() < MIN_SAMPLE {
            return self.report.issue(Severity::Error, at, "bad_length", format_args!("a sample of {} bytes", r.len()));
        }
        let speed = le_u16(r, 12);
        if speed < self.min_speed {
            return;
        }
        let o = &mut self.out.records;
        o.offset.set(at);
        o.time.set(le_i64(r, 4));
        o.speed.set_or_null(if speed == NO_SPEED { None } else { Some(speed.into()) });
        o.flags.set(le_u16(r, 14));
        o.position.set(le_i32(r, 16).into());
        o.odometer.set(le_u32(r, 20));
        o.acceleration.set(le_i16(r, 24).into());
        o.mode.set(r[26]);
        o.aspect.set(r[27]);
        o.text.set_lossy(&r[28..r.len() - 2]);
        o.table.end_row();
    }

    fn event(&mut self, r: &[u8], at: i64) {
        if r.len() < MIN_EVENT || MIN_EVENT + usize::from(r[20]) > r.len() {
            return self.report.issue(Severity::Error, at, "bad_length", format_args!("an event of {} bytes", r.len()));
        }
        let o = &mut self.out.events;
        o.offset.set(at);
        o.time.set(le_i64(r, 4));
        o.code.set(le_u16(r, 12));
        o.severity.set(r[14]);
        o.acknowledged.set(r[15] & 1 != 0);
        let value = le_i32(r, 16);
        o.value.set_or_null(if value == i32::MIN { None } else { Some(value.into()) });
        let end = 21 + usize::from(r[20]);
        if end > 21 {
            o.payload.set(&r[21..end]);
        } else {
            o.payload.null();
        }
        o.text.set_lossy(&r[end..r.len() - 2]);
        o.table.end_row();
    }
}

/// Says whether a record's checksum, its last two bytes, fits.
fn intact(r: &[u8]) -> bool {
    let n = r.len() - 2;
    checksum(&r[..n]) == le_u16(r, n)
}

static CRC_TABLE: [u16; 256] = crc_table();

const fn crc_table() -> [u16; 256] {
    let mut t = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut c = (i as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            c = if c & 0x8000 != 0 { c << 1 ^ 0x1021 } else { c << 1 };
            bit += 1;
        }
        t[i] = c;
        i += 1;
    }
    t
}

/// CRC-16/CCITT-FALSE.
fn checksum(b: &[u8]) -> u16 {
    let mut c = 0xFFFFu16;
    let mut words = b.chunks_exact(8); // one load for eight bytes
    for w in &mut words {
        let mut w = le_u64(w, 0);
        for _ in 0..8 {
            c = c << 8 ^ CRC_TABLE[usize::from((c >> 8) as u8 ^ w as u8)];
            w >>= 8;
        }
    }
    for x in words.remainder() {
        c = c << 8 ^ CRC_TABLE[usize::from((c >> 8) as u8 ^ x)];
    }
    c
}
