//! Tests of the crate on a host in memory: mistakes of decoders, growth, limits, parts, the manifest.

use wayside::*;

/// The host: an input in parts, read in pieces, and what was said.
#[derive(Default)]
struct Memory {
    parts: Vec<Vec<u8>>,
    open: usize,
    at: usize,
    seek: bool,
    stop_after: usize,
    batches: usize,
    rows: usize,
    nulls: usize,
    last: Vec<u8>,
    code: String,
    children: Vec<u8>,
    found: Vec<String>,
}

impl Host for Memory {
    fn read(&mut self, buf: &mut [u8]) -> usize {
        let left = self.parts.get(self.open).map_or(&[][..], |p| &p[self.at..]);
        let n = left.len().min(buf.len()).min(7);
        buf[..n].copy_from_slice(&left[..n]);
        self.at += n;
        n
    }
    fn size(&mut self) -> i64 {
        if self.seek {
            self.parts[self.open].len() as i64
        } else {
            -1
        }
    }
    fn read_at(&mut self, offset: i64, buf: &mut [u8]) -> usize {
        let from = &self.parts[self.open][(offset as usize).min(self.parts[self.open].len())..];
        let n = from.len().min(buf.len());
        buf[..n].copy_from_slice(&from[..n]);
        n
    }
    fn part(&mut self, index: usize, buf: &mut [u8]) -> i32 {
        if index >= self.parts.len() {
            return -1;
        }
        let n = buf.len().min(4);
        buf[..n].copy_from_slice(&b"name"[..n]);
        4
    }
    fn open_part(&mut self, index: usize) -> bool {
        self.open = index;
        self.at = 0;
        index < self.parts.len()
    }
    fn table(&mut self, schema: &[u8]) -> i32 {
        self.found.push(String::from_utf8(schema.to_vec()).unwrap());
        self.found.len() as i32 // after the one of the manifest
    }
    fn emit(&mut self, table: usize, batch: &Batch) -> bool {
        assert!(table <= self.found.len());
        self.rows += batch.rows();
        for i in 0..batch.columns() {
            let c = batch.column(i);
            if let Some(valid) = c.validity {
                self.nulls += (0..batch.rows()).filter(|r| valid[r / 8] >> (r % 8) & 1 == 0).count();
            }
            if let Some(o) = c.offsets {
                assert_eq!((o[0], o[batch.rows()] as usize), (0, c.values.len()));
                self.last = c.values[o[batch.rows() - 1] as usize..].to_vec();
            } else {
                assert_eq!(c.values.len() % batch.rows(), 0);
            }
        }
        self.batches += 1;
        self.batches != self.stop_after
    }
    fn issue(&mut self, _: i32, _: i64, _: &str, _: &str) {}
    fn fail(&mut self, code: &str, _: &str) {
        self.code = code.into();
    }
    fn param(&mut self, key: &str, buf: &mut [u8]) -> i32 {
        if key != "n" {
            return -1;
        }
        let n = buf.len().min(3);
        buf[..n].copy_from_slice(&b"-12"[..n]);
        3
    }
    fn child(&mut self, name: &str) -> i32 {
        assert!(name == "child" || name == "other" || name == "unnamed" || name.len() == 254);
        if name == "child" {
            7
        } else {
            -1
        }
    }
    fn child_write(&mut self, child: i32, data: &[u8]) -> bool {
        self.children.extend(data);
        child == 7
    }
}

struct Rows {
    table: Table,
    number: Column<i32>,
    other: Column<f64>,
    text: Text,
}

impl Rows {
    fn declare(s: &mut Schema) -> Rows {
        let mut t = s.table("t", "a \"table\"\n");
        t.describe_rows("number", 16, "[]");
        Rows {
            number: t.i32("number", Attr { nullable: true, unit: "m", ..Attr::NONE }),
            other: t.f64("other", Attr::NONE),
            text: t.utf8("text", Attr { nullable: true, ..Attr::NONE }),
            table: t,
        }
    }

    fn row(&mut self, v: i32, text: &[u8]) {
        self.number.set_or_null(if v % 3 == 0 { None } else { Some(v) });
        self.other.set(v.into());
        if text.is_empty() {
            self.text.null()
        } else {
            self.text.set(text)
        }
        self.table.end_row();
    }
}

/// Makes a decoder of a body and runs it.
macro_rules! decode {
    ($host:expr, |$r:ident, $in:ident| $body:block) => {{
        struct D(Rows);
        impl Decoder for D {
            const INFO: Info = Info {
                id: "t",
                name: "T",
                version: "1.0.0",
                formats: &[Format { id: "t", ..Format::NONE }],
                ..Info::NONE
            };
            fn declare(s: &mut Schema) -> D {
                D(Rows::declare(s))
            }
            fn decode(&mut self, $in: &mut Input) -> Result<(), Error> {
                let $r = &mut self.0;
                $body
            }
        }
        let mut manifest = String::new();
        wayside::manifest::<D>(&mut |m| manifest = String::from_utf8(m.to_vec()).unwrap());
        let result = run::<D>($host);
        (result, manifest)
    }};
}

/// Checks that a decoder ends with a code after rows.
macro_rules! ends {
    ($code:expr, $rows:expr, |$r:ident, $in:ident| $body:block) => {{
        let mut host = Memory { parts: vec![vec![]], ..Memory::default() };
        let (result, _) = decode!(&mut host, |$r, $in| $body);
        assert_eq!((host.code.as_str(), host.rows), ($code, $rows));
        assert_eq!(result != 0, $code != "");
        host
    }};
}

#[test]
fn many_rows() {
    let host = ends!("", 20_000, |r, _in| {
        for i in 0..20_000 {
            r.row(i, &[b'x'; 40][..i as usize % 40]);
        }
        assert_eq!(r.table.rows(), 20_000);
        Ok(())
    });
    assert_eq!(host.nulls, 6667 + 500);
}

#[test]
fn long_texts() {
    ends!("", 20, |r, _in| {
        let text = vec![b'x'; 700 << 10];
        for i in 0..20 {
            r.row(i, &text);
        }
        Ok(())
    });
    ends!("output_limit", 0, |r, _in| {
        r.row(1, &vec![b'x'; 17 << 20]);
        Ok(())
    });
}

#[test]
fn mistakes_end_the_decode() {
    ends!("trap", 1, |r, _in| {
        r.row(1, b"a");
        for _ in 0..100_000 {
            r.number.set(1);
        }
        Ok(())
    });
    ends!("trap", 0, |r, _in| {
        for _ in 0..100_000 {
            r.table.end_row();
        }
        Ok(())
    });
    ends!("trap", 0, |r, _in| {
        for _ in 0..100_000 {
            r.text.set(b"ab");
        }
        Ok(())
    });
    ends!("trap", 0, |r, _in| {
        r.other.null();
        Ok(())
    });
    ends!("trap", 0, |r, _in| {
        r.table.added(r.table.room() + 1);
        Ok(())
    });
    ends!("corrupt_record", 1, |r, _in| {
        r.row(1, b"a");
        r.number.set(1);
        fail!("corrupt_record", "in the middle of a {}", "row")
    });
}

#[test]
fn rows_at_once() {
    ends!("", 10_000, |r, _in| {
        let mut left = 10_000;
        while left > 0 {
            let n = r.table.room().min(left);
            r.number.room()[..n].fill(1);
            r.other.room()[..n].fill(2.0);
            for _ in 0..n {
                r.text.set(b"x");
            }
            r.table.added(n);
            left -= n;
        }
        Ok(())
    });
}

#[test]
fn texts_are_mended() {
    let host = ends!("", 1, |r, _in| {
        r.number.set(1);
        r.other.set(1.0);
        r.text.set_lossy(b"a\xff\xfeb\xe2\x82c\xed\xa0\x80\xf0\x9f\x98\x80");
        r.table.end_row();
        Ok(())
    });
    assert_eq!(host.last, "a\u{fffd}b\u{fffd}c\u{fffd}\u{1f600}".as_bytes());
}

#[test]
fn the_host_stops() {
    let mut host = Memory { parts: vec![vec![0; 9]], stop_after: 1, ..Memory::default() };
    let (result, _) = decode!(&mut host, |r, input| {
        for i in 0..20_000 {
            r.row(i, b"a");
        }
        assert_eq!(input.peek(1), Err(End::Stopped));
        input.next(1)?;
        Ok(())
    });
    assert_eq!((result, host.batches), (0, 1));
}

#[test]
fn parts_follow_each_other() {
    for seek in [false, true] {
        let mut host = Memory { parts: vec![b"abcde".to_vec(), b"fgh".to_vec()], seek, ..Memory::default() };
        let (result, _) = decode!(&mut host, |_r, input| {
            assert_eq!(input.next(3), Ok(&b"abc"[..]));
            assert!(input.next_part());
            assert_eq!((input.offset(), input.part_offset()), (5, 5));
            assert_eq!(input.part_name(&mut [0; 16]), "name");
            assert_eq!(input.peek(4), Err(End::Short));
            assert_eq!(input.at_hand(), b"fgh");
            assert_eq!(input.skip(10), 3);
            assert_eq!(input.next(1), Err(End::Eof));
            assert!(!input.next_part());
            let mut b = [0; 4];
            assert_eq!((input.read_at(1, &mut b), &b[..2]), (2, &b"gh"[..]));
            Ok(())
        });
        assert_eq!((result, host.code.as_str()), (0, ""));
    }
}

#[test]
fn parameters_and_children() {
    let host = ends!("", 0, |_r, input| {
        assert_eq!((input.param_int("n", 1), input.param_int("m", 9)), (-12, 9));
        assert!(input.param_bool("n", true));
        assert_eq!(input.child("other"), None);
        assert_eq!(input.child(""), None);
        assert_eq!(input.child(&"ä".repeat(200)), None);
        let c = input.child("child").unwrap();
        assert!(input.child_write(c, b"data"));
        input.child_close(c);
        Ok(())
    });
    assert_eq!(host.children, b"data");
}

#[test]
fn tables_are_found_at_run_time() {
    let host = ends!("", 20_000, |_r, input| {
        for i in 0..2 {
            let mut t = input.table(&format!("found_{}", i), "found");
            let mut v: Vec<_> = (0..3)
                .map(|_| t.i32(t.name("Temp. [°C]".as_bytes()), Attr { unit: "Cel", nullable: true, ..Attr::NONE }))
                .collect();
            let description = String::from("a \"text\"");
            let mut s = t.utf8("text", Attr { description: &description, ..Attr::NONE });
            t.open()?;
            for row in 0..10_000 {
                for c in &mut v {
                    c.set_or_null(if row % 3 == 0 { None } else { Some(row) });
                }
                s.set_str("text");
                t.end_row();
            }
        }
        Ok(())
    });
    assert_eq!(host.nulls, 2 * 3 * 3334);
    assert_eq!(
        host.found[1],
        concat!(
            r#"{"name":"found_1","description":"found","columns":[{"name":"seq","type":"i64","description":"number of the row, from 1"},"#,
            r#"{"name":"temp_c","type":"i32","unit":"Cel","nullable":true},{"name":"temp_c_2","type":"i32","unit":"Cel","nullable":true},"#,
            r#"{"name":"temp_c_3","type":"i32","unit":"Cel","nullable":true},{"name":"text","type":"utf8","description":"a \"text\""}]}"#
        )
    );
}

#[test]
fn column_names() {
    ends!("", 0, |_r, input| {
        let a62 = "a".repeat(62);
        let mut t = input.table("names", "");
        for (text, want) in [
            ("Temp. [°C]".as_bytes(), "temp_c"),
            (b"temp c", "temp_c_2"),
            (b"temp_c", "temp_c_3"),
            (b"seq", "seq_4"),
            (b"", "column"),
            (b"--", "column_5"),
            (b"1. Achse", "c1_achse"),
            (b" U(t) ", "u_t"),
            (b"\xff\xfe", "column_6"),
            (format!("{} b", a62).as_bytes(), &format!("{}_", a62)),
            (format!("{}-c", a62).as_bytes(), &format!("{}_7", &a62[1..])),
        ] {
            let got = t.name(text);
            assert_eq!(got, want);
            t.i8(got, Attr::NONE);
        }
        t.open()
    });
}

/// Begins a table with one column and opens it.
fn one(input: &mut Input, table: &str, column: &str) -> Result<Table, Error> {
    let mut t = input.table(table, "");
    t.i8(column, Attr::NONE);
    t.open().map(|_| t)
}

fn columns(input: &mut Input, n: usize) -> Result<(), Error> {
    let mut t = input.table("wide", "");
    for i in 0..n {
        t.i8(t.name(if i % 2 == 0 { b"x" } else { b"x 999" }), Attr::NONE);
    }
    t.open()
}

#[test]
fn limits_of_tables() {
    let host = ends!("table_limit", 0, |_r, input| {
        for i in 0..256 {
            one(input, &format!("t{}", i), "v")?;
        }
        Ok(())
    });
    assert_eq!(host.found.len(), 255);
    ends!("", 0, |_r, input| { columns(input, 4095) });
    ends!("table_limit", 0, |_r, input| { columns(input, 4096) });
    let host = ends!("table_limit", 0, |_r, input| {
        for i in 0..3 {
            input.table(&format!("long{}", i), &"x".repeat(400 << 10)).open()?;
        }
        Ok(())
    });
    assert_eq!(host.found.len(), 2);
}

#[test]
fn mistakes_with_tables() {
    ends!("trap", 0, |_r, input| { one(input, "T", "v").map(drop) });
    ends!("trap", 0, |_r, input| { one(input, "issues", "v").map(drop) });
    ends!("trap", 0, |_r, input| { one(input, "u", "a b").map(drop) });
    ends!("trap", 0, |_r, input| { one(input, &"a".repeat(64), "v").map(drop) });
    ends!("trap", 0, |_r, input| { one(input, "u", "seq").map(drop) });
    ends!("trap", 0, |_r, input| { one(input, "t", "v").map(drop) });
    ends!("trap", 0, |_r, input| { one(input, "u", "v").and(one(input, "u", "v")).map(drop) });
    ends!("trap", 0, |_r, input| { one(input, "u", "v").and_then(|mut t| t.open()) });
    ends!("", 0, |_r, input| {
        input.table("u", "").i8("v", Attr::NONE);
        Ok(())
    });
    ends!("trap", 0, |_r, input| {
        input.table("u", "").end_row();
        Ok(())
    });
    ends!("trap", 0, |_r, input| {
        input.table("u", "").i8("v", Attr::NONE).set(1);
        Ok(())
    });
    ends!("trap", 0, |_r, input| {
        one(input, "u", "v")?.i8("w", Attr::NONE).set(1);
        Ok(())
    });
}

#[test]
fn errors_without_a_code_are_truncated() {
    ends!("truncated", 0, |_r, input| {
        input.next(1)?;
        Ok(())
    });
}

#[test]
fn the_manifest_is_what_was_declared() {
    let (_, manifest) = decode!(&mut Memory::default(), |_r, _in| { Ok(()) });
    assert_eq!(
        manifest,
        concat!(
            r#"{"id":"t","name":"T","version":"1.0.0","abi":1,"formats":[{"id":"t","sniff":[]}],"tables":[{"name":"t","#,
            r#""description":"a \"table\"\u000a","columns":[{"name":"seq","type":"i64","description":"number of the row, from 1"},"#,
            r#"{"name":"number","type":"i32","unit":"m","nullable":true},{"name":"other","type":"f64"},"#,
            r#"{"name":"text","type":"utf8","nullable":true}],"row_length":{"column":"number","plus":16},"layouts":[]}]}"#
        )
    );
}
