//! The second example decoder of the SDKs in Rust: logs whose channels only their headers name, and that hold whole files,
//! as described in ../../README.md. The decoders in ../../chanlog (Go) and ../../c do the same, byte for byte. It uses
//! `std`, unlike the first one: how many tables there are is not known beforehand.

use wayside::{
    fail, le_f64, le_i32, le_i64, le_u16, le_u32, Attr, Column, Decoder, End, Error, Format, Info, Input, Schema, Severity,
    Sniff, Table, Text,
};

wayside::plugin!(Chanlog);

const MAGIC: &[u8] = b"CHANLOG1";
const RECORD_HEAD: usize = 9; // group and time
const ATTACHMENT: u8 = 0xFF; // in the place of a group
const ATTACH_HEAD: usize = 6; // mark, length of the name, length of the file

// Types of channels.
const INTEGER: u8 = 1;
const FLOAT: u8 = 2;
const TEXT: u8 = 3;

/// The one table that is known beforehand: what the header says.
struct Chanlog {
    channels: Table,
    table: Text,
    column: Text,
    typ: Column<u8>,
    name: Text,
    unit: Text,
}

/// A table that was found: the channels that are recorded together.
struct Group {
    table: Table,
    offset: Column<i64>,
    time: Column<i64>,
    values: Vec<Value>,
}

/// A column of a group.
enum Value {
    Integer(Column<i32>),
    Float(Column<f64>),
    Text(Text),
}

impl Decoder for Chanlog {
    const INFO: Info = Info {
        id: "chanlog",
        name: "Channel log",
        version: "1.0.0",
        description: "Example: logs of a made-up recorder whose channels their headers name",
        licence: "Apache-2.0",
        formats: &[Format {
            id: "chanlog",
            name: "Channel log",
            extensions: &[".chl"],
            sniff: &[Sniff::Bytes { offset: 0, bytes: "4348414e4c4f4731", mask: "" }],
            ..Format::NONE
        }],
        capabilities: &["child"],
        ..Info::NONE
    };

    fn declare(s: &mut Schema) -> Self {
        let t = s.table("channels", "one row a channel of the header");
        Chanlog {
            table: t.utf8("table", Attr { description: "with the channel's values", ..Attr::NONE }),
            column: t.utf8("column", Attr { description: "of that table", ..Attr::NONE }),
            typ: t.enum8(
                "type",
                Attr { description: "of its values", labels: &["", "integer", "float", "text"], ..Attr::NONE },
            ),
            name: t.utf8("name", Attr { description: "as the header says it", ..Attr::NONE }),
            unit: t.utf8("unit", Attr { description: "as the header says it", ..Attr::NONE }),
            channels: t,
        }
    }

    fn decode(&mut self, input: &mut Input) -> Result<(), Error> {
        let mut groups = self.header(input)?;
        let report = input.reporter();
        loop {
            let at = input.offset();
            let mark = match input.peek(1) {
                Ok(b) => b[0],
                Err(End::Eof) => return Ok(()),
                Err(e) => return Err(e.into()),
            };
            let done = match groups.get_mut(usize::from(mark)) {
                _ if mark == ATTACHMENT => attach(input, at),
                Some(g) => g.record(input, at),
                None => {
                    report.issue(Severity::Fatal, at, "unknown_group", format_args!("there is no group {}", mark));
                    return Ok(());
                }
            };
            match done {
                Ok(()) => {}
                Err(End::Stopped) => return Err(End::Stopped.into()),
                Err(_) => {
                    report.issue(Severity::Fatal, at, "truncated", format_args!("the file ends within a record"));
                    return Ok(());
                }
            }
        }
    }
}

impl Chanlog {
    /// Reads the header and opens a table for each group.
    fn header(&mut self, input: &mut Input) -> Result<Vec<Group>, Error> {
        let h = input.next(MAGIC.len() + 1).map_err(ended)?;
        if !h.starts_with(MAGIC) {
            return fail!("unknown_format", "the file does not begin with CHANLOG1");
        }
        let count = usize::from(h[MAGIC.len()]);
        (1..=count).map(|number| self.describe(input, number)).collect()
    }

    /// Reads the description of a group, and of its channels.
    fn describe(&mut self, input: &mut Input, number: usize) -> Result<Group, Error> {
        let n = usize::from(input.next(1).map_err(ended)?[0]);
        let b = input.next(n + 2).map_err(ended)?;
        let (description, count) = (plain(&b[..n]), le_u16(b, n));
        let name = format!("group_{}", number);
        let table = input.table(&name, &description);
        let offset = Attr { unit: "By", description: "of the record in the input", ..Attr::NONE };
        let mut g = Group {
            offset: table.i64("offset", offset),
            time: table.ts_us("time", Attr { role: "time", ..Attr::NONE }),
            values: Vec::new(),
            table,
        };
        for _ in 0..count {
            g.values.push(self.channel(input, &g.table, &name)?);
        }
        g.table.open()?;
        Ok(g)
    }

    /// Reads the description of a channel.
    fn channel(&mut self, input: &mut Input, t: &Table, table: &str) -> Result<Value, Error> {
        let h = input.next(3).map_err(ended)?; // type, lengths of unit and name
        let (typ, units, names) = (h[0], usize::from(h[1]), usize::from(h[2]));
        let (unit, name) = input.next(units + names).map_err(ended)?.split_at(units);
        let column = t.name(name);
        let attr = Attr { unit: &plain(unit), description: &plain(name), ..Attr::NONE };
        let value = match typ {
            INTEGER => Value::Integer(t.i32(column, attr)),
            FLOAT => Value::Float(t.f64(column, attr)),
            TEXT => Value::Text(t.utf8(column, attr)),
            _ => return fail!("corrupt_record", "{}: there is no type {} of channels", table, typ),
        };
        self.table.set_str(table);
        self.column.set_str(column);
        self.typ.set(typ);
        self.name.set_lossy(name);
        self.unit.set_lossy(unit);
        self.channels.end_row();
        Ok(value)
    }
}

impl Group {
    /// Reads a record: all of it is looked at before a value is written, so that no row is left half done.
    fn record(&mut self, input: &mut Input, at: i64) -> Result<(), End> {
        let mut n = RECORD_HEAD;
        for v in &self.values {
            n += match v {
                Value::Integer(_) => 4,
                Value::Float(_) => 8,
                Value::Text(_) => 1 + usize::from(input.peek(n + 1)?[n]),
            };
        }
        let r = input.next(n)?;
        self.offset.set(at);
        self.time.set(le_i64(r, 1));
        let mut r = &r[RECORD_HEAD..];
        for v in &mut self.values {
            let n = match v {
                Value::Integer(c) => {
                    c.set(le_i32(r, 0));
                    4
                }
                Value::Float(c) => {
                    c.set(le_f64(r, 0));
                    8
                }
                Value::Text(c) => {
                    let end = 1 + usize::from(r[0]);
                    c.set_lossy(&r[1..end]);
                    end
                }
            };
            r = &r[n..];
        }
        self.table.end_row();
        Ok(())
    }
}

/// Hands on a file that lies in the log.
fn attach(input: &mut Input, at: i64) -> Result<(), End> {
    let h = input.next(ATTACH_HEAD)?;
    let (names, mut left) = (usize::from(h[1]), le_u32(h, 2) as usize);
    let name = plain(input.next(names)?);
    let file = match input.child(&name) {
        Some(file) => file,
        None => return skip(input, left), // the host says so among the issues
    };
    input.reporter().issue(Severity::Info, at, "attachment", format_args!("a file of {} bytes", left));
    while left > 0 {
        let b = input.window(1)?;
        if b.is_empty() {
            return Err(End::Eof);
        }
        let b = b[..b.len().min(left)].to_vec();
        let taken = input.child_write(file, &b);
        left -= b.len();
        skip(input, b.len())?;
        if !taken {
            return skip(input, left);
        }
    }
    input.child_close(file);
    Ok(())
}

fn skip(input: &mut Input, n: usize) -> Result<(), End> {
    if input.skip(n as u64) < n as u64 {
        return Err(if input.stopped() { End::Stopped } else { End::Eof });
    }
    Ok(())
}

/// Gives a text that is printable ASCII, "" for any other: descriptions and units are for people.
fn plain(b: &[u8]) -> String {
    match core::str::from_utf8(b) {
        Ok(s) if b.iter().all(|c| (b' '..=b'~').contains(c)) => s.into(),
        _ => String::new(),
    }
}

/// Gives the end of the input the text of where it came.
fn ended(e: End) -> Error {
    match e {
        End::Stopped => e.into(),
        _ => Error::new("truncated", format_args!("the file ends within its header")),
    }
}
