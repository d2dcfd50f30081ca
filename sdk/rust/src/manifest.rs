use crate::json::Json;
use crate::table::Schema;
use crate::Decoder;

/// The part of a manifest that is not the tables.
pub struct Info {
    /// Of the plugin: `[a-z][a-z0-9-]{1,62}`.
    pub id: &'static str,
    /// For people.
    pub name: &'static str,
    /// Semantic.
    pub version: &'static str,
    /// What it decodes.
    pub description: &'static str,
    /// SPDX.
    pub licence: &'static str,
    /// At least one.
    pub formats: &'static [Format],
    /// JSON Schema of an object, "" = no parameters.
    pub params: &'static str,
    /// "seek" (`Input::read_at`) and "child" (`Input::child`).
    pub capabilities: &'static [&'static str],
    /// 0 = the host's default.
    pub memory_mib: u32,
}

impl Info {
    /// Nothing, to begin with: `Info { id: "x", ..Info::NONE }`.
    pub const NONE: Info = Info {
        id: "",
        name: "",
        version: "",
        description: "",
        licence: "",
        formats: &[],
        params: "",
        capabilities: &[],
        memory_mib: 0,
    };
}

/// A kind of file that the plugin decodes.
pub struct Format {
    /// `[a-z][a-z0-9_-]{0,62}`.
    pub id: &'static str,
    /// For people.
    pub name: &'static str,
    /// With their dot, lower case.
    pub extensions: &'static [&'static str],
    /// Media types.
    pub media_types: &'static [&'static str],
    /// Any of these rules is enough.
    pub sniff: &'static [Sniff],
    /// None = each file stands for itself.
    pub sequence: Option<Sequence>,
}

impl Format {
    /// Nothing, to begin with.
    pub const NONE: Format =
        Format { id: "", name: "", extensions: &[], media_types: &[], sniff: &[], sequence: None };
}

/// Says that files can follow each other as one recording, ordered by `length` bytes at `at`, compared as a big-endian
/// number.
pub struct Sequence {
    /// Offset in a file.
    pub at: i64,
    /// 1 to 64.
    pub length: u32,
}

/// A rule that recognises a format, run by the host.
pub enum Sniff {
    /// Bytes at an offset, in hex.
    Bytes {
        /// Where they are.
        offset: i64,
        /// In hex.
        bytes: &'static str,
        /// In hex, as long as bytes: only these bits are compared; "" = all.
        mask: &'static str,
    },
    /// A regular expression (RE2).
    Regex {
        /// Looks at the first line.
        regex: &'static str,
        /// Looks at the first line that holds more than a comment that begins so; "" = at the first one.
        comment: &'static str,
    },
    /// A walk over records.
    Walk(Walk),
}

/// Recognises a file without a header that is a sequence of records, each with its type and the length of its body as
/// bytes of its header.
pub struct Walk {
    /// Records to look at.
    pub records: u32,
    /// Enough where the file ends right after.
    pub least: u32,
    /// Bytes before a record's body.
    pub header: u32,
    /// Where the type is.
    pub type_at: u32,
    /// Where the length of the body is.
    pub length_at: u32,
    /// Known types with the length of their bodies, -1 = any.
    pub lengths: &'static [(u8, i32)],
    /// Bytes of the header in their ranges.
    pub ranges: &'static [Range],
}

/// Bounds one byte of a record's header.
pub struct Range {
    /// Which one.
    pub at: u32,
    /// Least.
    pub min: u8,
    /// Most.
    pub max: u8,
}

/// Attributes of a column beside its name and type.
pub struct Attr<'a> {
    /// UCUM.
    pub unit: &'a str,
    /// What it is.
    pub description: &'a str,
    /// time, position, speed, latitude, longitude, value.
    pub role: &'a str,
    /// Of an enum, by index, "" = none.
    pub labels: &'a [&'a str],
    /// Of a decimal: digits after the point.
    pub scale: u32,
    /// Rows may lack a value.
    pub nullable: bool,
    /// A time without a zone.
    pub naive: bool,
    /// The host shows no value unless asked to reveal.
    pub sensitive: bool,
}

impl<'a> Attr<'a> {
    /// Nothing, to begin with: `Attr { unit: "m", ..Attr::NONE }`.
    pub const NONE: Attr<'a> = Attr {
        unit: "",
        description: "",
        role: "",
        labels: &[],
        scale: 0,
        nullable: false,
        naive: false,
        sensitive: false,
    };

    /// Writes a column of the manifest.
    pub(crate) fn write(&self, j: &mut Json, name: &str, typ: &str) {
        j.element();
        j.open("{");
        j.field("name", name);
        j.field("type", typ);
        if self.scale != 0 {
            j.int("scale", self.scale.into());
        }
        j.field("unit", self.unit);
        j.field("zone", if self.naive { "naive" } else { "" });
        j.field("description", self.description);
        j.flag("nullable", self.nullable);
        j.field("role", self.role);
        j.list("labels", self.labels);
        j.flag("sensitive", self.sensitive);
        j.close("}");
    }
}

/// Gives the manifest of a decoder to take, unless there is no memory for it.
pub(crate) fn write<D: Decoder>(take: &mut dyn FnMut(&[u8])) {
    let mut schema = Schema::for_manifest();
    let decoder = D::declare(&mut schema);
    let mut j = Json::new();
    let info = D::INFO;
    j.open("{");
    j.field("id", info.id);
    j.field("name", info.name);
    j.field("version", info.version);
    j.int("abi", 1);
    j.field("description", info.description);
    j.field("licence", info.licence);
    j.key("formats");
    j.open("[");
    for f in info.formats {
        f.write(&mut j);
    }
    j.close("]");
    j.key("tables");
    j.open("[");
    let whole = schema.describe(&mut j);
    j.close("]");
    if !info.params.is_empty() {
        j.key("params");
        j.raw(info.params.as_bytes());
    }
    j.list("capabilities", info.capabilities);
    if info.memory_mib > 0 {
        j.int("memory_mib", info.memory_mib.into());
    }
    j.close("}");
    drop(decoder);
    if whole && !j.short {
        take(j.bytes());
    }
}

impl Format {
    fn write(&self, j: &mut Json) {
        j.element();
        j.open("{");
        j.field("id", self.id);
        j.field("name", self.name);
        j.list("extensions", self.extensions);
        j.list("media_types", self.media_types);
        j.key("sniff");
        j.open("[");
        for r in self.sniff {
            j.element();
            j.open("{");
            r.write(j);
            j.close("}");
        }
        j.close("]");
        if let Some(s) = &self.sequence {
            j.key("sequence");
            j.open("{");
            j.int("at", s.at);
            j.int("length", s.length.into());
            j.close("}");
        }
        j.close("}");
    }
}

impl Sniff {
    fn write(&self, j: &mut Json) {
        match self {
            Sniff::Bytes { offset, bytes, mask } => {
                if *offset != 0 {
                    j.int("offset", *offset);
                }
                j.field("bytes", bytes);
                j.field("mask", mask);
            }
            Sniff::Regex { regex, comment } => {
                j.field("regex", regex);
                j.field("comment", comment);
            }
            Sniff::Walk(w) => {
                j.key("walk");
                w.write(j);
            }
        }
    }
}

impl Walk {
    fn write(&self, j: &mut Json) {
        j.open("{");
        j.int("records", self.records.into());
        j.int("least", self.least.into());
        j.int("header", self.header.into());
        j.int("type_at", self.type_at.into());
        j.int("length_at", self.length_at.into());
        j.key("lengths");
        j.open("{");
        for (typ, length) in self.lengths {
            j.int(crate::Message::new(format_args!("{}", typ)).as_str(), (*length).into());
        }
        j.close("}");
        if !self.ranges.is_empty() {
            j.key("ranges");
            j.open("[");
            for r in self.ranges {
                j.element();
                j.open("{");
                j.int("at", r.at.into());
                j.int("min", r.min.into());
                j.int("max", r.max.into());
                j.close("}");
            }
            j.close("]");
        }
        j.close("}");
    }
}
