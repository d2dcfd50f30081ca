//! Tables that only the input tells of.

use crate::error::{Error, Message};
use crate::input::Input;
use crate::json::Json;
use crate::table::{begin_table, keep_text, Table, TableState};

/// Limits of the contract.
const MAX_SCHEMAS: usize = 1 << 20; // bytes, of all tables found at run time
const MAX_TABLES: usize = 256;
const MAX_COLUMNS: usize = 4096;
const MAX_NAME: usize = 63;

impl Input {
    /// Begins a table that only the input tells of, as the header of a log tells of its channels: declare its columns,
    /// with [`Table::name`] where their names come from the input too, then call [`Table::open`]. A table that the decoder
    /// knows beforehand is declared in `declare` instead, so that it stands in the manifest.
    pub fn table(&mut self, name: &str, description: &str) -> Table {
        begin_table(self.reporter().run, keep_text(name), description)
    }
}

impl Table {
    /// Makes a column's name of a text of the input: letters of ASCII in lower case and digits stay, everything else
    /// between them becomes one _. A name that a column of the table has gets a number, which counts on over the table:
    /// "Temp. [°C]" becomes temp_c, a second one temp_c_2.
    pub fn name(&self, text: &[u8]) -> &'static str {
        // It lives for ever, and no other reference to it does while this one is used.
        let t = unsafe { &mut *self.state };
        let mut plain = [0; MAX_NAME + 1];
        let plain = plain_name(text, &mut plain);
        let mut name = Message::new(format_args!("{}", plain));
        while t.has(name.as_str()) {
            t.copies += 1;
            let number = Message::new(format_args!("_{}", t.copies + 1));
            let stem = plain.len().min(MAX_NAME - number.as_str().len());
            name = Message::new(format_args!("{}{}", &plain[..stem], number.as_str()));
        }
        keep_text(name.as_str())
    }

    /// Gives a table of [`Input::table`] to the host; rows follow. Its error ends the decode, when the decoder returns it:
    /// code table_limit beyond 256 tables of a decode, 4,096 columns of a table or 1 MiB of the schemas found at run time
    /// together; code trap for a name that is none or is taken, which is a mistake of the decoder, as is a second call.
    pub fn open(&mut self) -> Result<(), Error> {
        // As of name.
        let t = unsafe { &mut *self.state };
        if t.index.is_some() {
            return crate::fail!("trap", "table {} is open already", t.name);
        }
        t.admit()?;
        let mut schema = Json::new();
        if !t.describe(&mut schema) || schema.short {
            return crate::fail!("memory_limit", "no memory for the schema of table {}", t.name);
        }
        let run = t.run();
        run.schemas += schema.bytes().len();
        if run.schemas > MAX_SCHEMAS {
            return crate::fail!("table_limit", "the schemas of the tables found at run time have more than {} bytes", MAX_SCHEMAS);
        }
        let index = run.host().map_or(-1, |h| h.table(schema.bytes()));
        if index < 0 {
            return crate::fail!("table_limit", "table {}: the host does not take it", t.name);
        }
        run.open += 1;
        t.index = Some(index as usize);
        t.begin();
        Ok(())
    }
}

impl TableState {
    /// Says whether the table has a column.
    fn has(&self, name: &str) -> bool {
        let mut found = name == "seq";
        self.each(|c| found = found || c.name == name);
        found
    }

    /// Says why the host would not take a table, which would end the instance with a reason that helps nobody.
    fn admit(&self) -> Result<(), Error> {
        let (run, name) = (self.run(), self.name);
        if run.open >= MAX_TABLES {
            return crate::fail!("table_limit", "there are more than {} tables", MAX_TABLES);
        }
        if self.columns > MAX_COLUMNS {
            return crate::fail!("table_limit", "table {}: there are more than {} columns", name, MAX_COLUMNS);
        }
        if !valid_name(name) || name == "issues" {
            return crate::fail!("trap", "{:?} cannot be the name of a table", name);
        }
        let mut same = 0;
        run.each(|t| same += usize::from(t.name == name && (t.index.is_some() || core::ptr::eq(t, self))));
        if same > 1 {
            return crate::fail!("trap", "table {}: there are two", name);
        }
        let mut bad = None;
        self.each(|c| {
            if bad.is_none() && !valid_name(c.name) {
                bad = Some(crate::fail!("trap", "table {}: {:?} cannot be the name of a column", name, c.name));
            } else if bad.is_none() && self.count(c.name) > 1 {
                bad = Some(crate::fail!("trap", "table {}: there are two columns {}", name, c.name));
            }
        });
        bad.unwrap_or(Ok(()))
    }

    /// Gives the number of columns of a name.
    fn count(&self, name: &str) -> usize {
        let mut n = usize::from(name == "seq");
        self.each(|c| n += usize::from(c.name == name));
        n
    }
}

/// Makes a name that no other column is looked at for.
fn plain_name<'a>(text: &[u8], to: &'a mut [u8; MAX_NAME + 1]) -> &'a str {
    let (mut n, mut gap) = (0, false);
    for c in text {
        if n >= MAX_NAME {
            break;
        }
        let c = c.to_ascii_lowercase();
        if !c.is_ascii_lowercase() && !c.is_ascii_digit() {
            gap = n > 0;
            continue;
        }
        if n == 0 && c <= b'9' {
            to[0] = b'c'; // a name begins with a letter
            n = 1;
        }
        if gap {
            to[n] = b'_';
            n += 1;
        }
        gap = false;
        if n < MAX_NAME {
            to[n] = c;
            n += 1;
        }
    }
    if n == 0 {
        return "column";
    }
    core::str::from_utf8(&to[..n]).unwrap_or("column") // ASCII
}

/// Says whether a name is `^[a-z][a-z0-9_]{0,62}$`.
fn valid_name(s: &str) -> bool {
    let b = s.as_bytes();
    !b.is_empty()
        && b.len() <= MAX_NAME
        && b[0].is_ascii_lowercase()
        && b.iter().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == b'_')
}
