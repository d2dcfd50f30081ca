/*
 * The second example decoder of the SDKs in C: logs whose channels only their headers name, and that hold whole files, as
 * described in ../README.md. The decoders in ../chanlog (Go) and ../rust/chanlog do the same, byte for byte.
 */
#define WAYSIDE_IMPLEMENTATION
#include "wayside.h"

enum {
    MAGIC = 8,
    RECORD_HEAD = 9,   /* group and time */
    ATTACHMENT = 0xFF, /* in the place of a group */
    ATTACH_HEAD = 6,   /* mark, length of the name, length of the file */
    INTEGER = 1,       /* types of channels */
    FLOAT = 2,
    TEXT = 3
};

static const char magic[] = "CHANLOG1";

/* The one table that is known beforehand: what the header says. */
static struct {
    wayside_table t;
    wayside_text table, column;
    wayside_enum8 type;
    wayside_text name, unit;
} channels;

/* A column of a group. */
typedef struct {
    uint8_t type;
    union {
        wayside_i32 integer;
        wayside_f64 real;
        wayside_text text;
    } as;
} value;

/* A table that was found: the channels that are recorded together. */
typedef struct {
    wayside_table table;
    wayside_i64 offset;
    wayside_ts_us time;
    value *values;
    size_t count;
} group;

static void declare(void) {
    wayside_table *t = &channels.t;
    wayside_declare_table(t, "channels", "one row a channel of the header");
    wayside_declare_utf8(t, &channels.table, "table", &(wayside_attr){.description = "with the channel's values"});
    wayside_declare_utf8(t, &channels.column, "column", &(wayside_attr){.description = "of that table"});
    wayside_declare_enum8(t, &channels.type, "type", &(wayside_attr){.description = "of its values", .labels = WAYSIDE_STRINGS("", "integer", "float", "text")});
    wayside_declare_utf8(t, &channels.name, "name", &(wayside_attr){.description = "as the header says it"});
    wayside_declare_utf8(t, &channels.unit, "unit", &(wayside_attr){.description = "as the header says it"});
}

/* Notes why nothing of the header was read, unless the host wants no more; gives false. */
static bool ended(void) {
    if (!wayside_stopped()) wayside_fail("truncated", "the file ends within its header");
    return false;
}

/* Copies a text of at most 255 bytes that is printable ASCII, "" for any other: descriptions and units are for people. */
static const char *plain(char to[256], const uint8_t *p, size_t n) {
    size_t i;
    for (i = 0; i < n; i++) {
        if (p[i] < ' ' || p[i] > '~') {
            i = 0;
            break;
        }
        to[i] = (char)p[i];
    }
    to[i] = 0;
    return to;
}

static size_t length(const char *s) {
    size_t n = 0;
    while (s[n] != 0) n++;
    return n;
}

/* Reads the description of a channel; false where the decode ends. */
static bool channel(group *g, value *v, const char *table) {
    char unit[256], name[256];
    const uint8_t *h = wayside_next(3), *p; /* type, lengths of unit and name */
    size_t units, names;
    if (h == NULL) return ended();
    v->type = h[0];
    units = h[1];
    names = h[2];
    if ((p = wayside_next(units + names)) == NULL) return ended();
    {
        const char *column = wayside_name(&g->table, p + units, names);
        const wayside_attr attr = {.unit = plain(unit, p, units), .description = plain(name, p + units, names)};
        switch (v->type) {
        case INTEGER:
            wayside_declare_i32(&g->table, &v->as.integer, column, &attr);
            break;
        case FLOAT:
            wayside_declare_f64(&g->table, &v->as.real, column, &attr);
            break;
        case TEXT:
            wayside_declare_utf8(&g->table, &v->as.text, column, &attr);
            break;
        default:
            wayside_fail("corrupt_record", "%s: there is no type %d of channels", table, v->type);
            return false;
        }
        wayside_text_set(&channels.table, table, length(table));
        wayside_text_set(&channels.column, column, length(column));
    }
    wayside_enum8_set(&channels.type, v->type);
    wayside_text_set_lossy(&channels.name, p + units, names);
    wayside_text_set_lossy(&channels.unit, p, units);
    wayside_end_row(&channels.t);
    return true;
}

/* Reads the description of a group, and of its channels; false where the decode ends. */
static bool describe(group *g, int number) {
    char table[16], description[256];
    const uint8_t *p = wayside_next(1);
    size_t i, n;
    if (p == NULL) return ended();
    n = p[0];
    if ((p = wayside_next(n + 2)) == NULL) return ended();
    wayside_print(table, sizeof table, "group_%d", number);
    wayside_declare_table(&g->table, table, plain(description, p, n));
    wayside_declare_i64(&g->table, &g->offset, "offset", &(wayside_attr){.unit = "By", .description = "of the record in the input"});
    wayside_declare_ts_us(&g->table, &g->time, "time", &(wayside_attr){.role = "time"});
    g->count = wayside_le_u16(p + n);
    if ((g->values = wayside_keep(g->count * sizeof *g->values)) == NULL) return false;
    for (i = 0; i < g->count; i++)
        if (!channel(g, &g->values[i], table)) return false;
    return wayside_open_table(&g->table);
}

/* Reads a record of a group: all of it is looked at before a value is written, so that no row is left half done. False
 * where the input ends. */
static bool record(group *g, int64_t at) {
    size_t i, n = RECORD_HEAD;
    const uint8_t *r;
    for (i = 0; i < g->count; i++) {
        switch (g->values[i].type) {
        case INTEGER:
            n += 4;
            break;
        case FLOAT:
            n += 8;
            break;
        default:
            if ((r = wayside_peek(n + 1)) == NULL) return false;
            n += 1 + (size_t)r[n];
        }
    }
    if ((r = wayside_next(n)) == NULL) return false;
    wayside_i64_set(&g->offset, at);
    wayside_ts_us_set(&g->time, wayside_le_i64(r + 1));
    r += RECORD_HEAD;
    for (i = 0; i < g->count; i++) {
        value *v = &g->values[i];
        switch (v->type) {
        case INTEGER:
            wayside_i32_set(&v->as.integer, wayside_le_i32(r));
            r += 4;
            break;
        case FLOAT:
            wayside_f64_set(&v->as.real, wayside_le_f64(r));
            r += 8;
            break;
        default:
            wayside_text_set_lossy(&v->as.text, r + 1, r[0]);
            r += 1 + (size_t)r[0];
        }
    }
    wayside_end_row(&g->table);
    return true;
}

/* Hands on a file that lies in the log; false where the input ends. */
static bool attach(int64_t at) {
    char name[256];
    const uint8_t *h = wayside_next(ATTACH_HEAD), *p;
    size_t names, left, n;
    int32_t file;
    if (h == NULL) return false;
    names = h[1];
    left = wayside_le_u32(h + 2);
    if ((p = wayside_next(names)) == NULL) return false;
    file = wayside_child(plain(name, p, names));
    if (file < 0) return wayside_skip(left) == left; /* the host says so among the issues */
    wayside_issue(WAYSIDE_INFO, at, "attachment", "a file of %zu bytes", left);
    while (left > 0) {
        bool taken;
        p = wayside_window(1, &n);
        if (n == 0) return false;
        if (n > left) n = left;
        taken = wayside_child_write(file, p, n);
        left -= n;
        wayside_skip(n);
        if (!taken) return wayside_skip(left) == left;
    }
    wayside_child_close(file);
    return true;
}

static int32_t decode(void) {
    const uint8_t *p = wayside_next(MAGIC + 1);
    group *groups;
    size_t count, i;
    if (p == NULL) return ended() || wayside_stopped() ? 0 : 1;
    if (__builtin_memcmp(p, magic, MAGIC) != 0) return wayside_fail("unknown_format", "the file does not begin with CHANLOG1");
    count = p[MAGIC];
    if ((groups = wayside_keep(count * sizeof *groups)) == NULL) return 1;
    for (i = 0; i < count; i++)
        if (!describe(&groups[i], (int)i + 1)) return wayside_stopped() ? 0 : 1;
    while ((p = wayside_peek(1)) != NULL) {
        int64_t at = wayside_offset();
        uint8_t mark = p[0];
        bool whole;
        if (mark != ATTACHMENT && mark >= count) {
            wayside_issue(WAYSIDE_FATAL, at, "unknown_group", "there is no group %d", mark);
            return 0;
        }
        whole = mark == ATTACHMENT ? attach(at) : record(&groups[mark], at);
        if (!whole && !wayside_stopped()) {
            wayside_issue(WAYSIDE_FATAL, at, "truncated", "the file ends within a record");
            return 0;
        }
    }
    return 0;
}

static const wayside_sniff_rule rules[] = {{.bytes = "4348414e4c4f4731"}};
static const char *const extensions[] = {".chl", NULL};
static const char *const capabilities[] = {"child", NULL};
static const wayside_format formats[] = {
    {.id = "chanlog", .name = "Channel log", .extensions = extensions, .sniff = rules, .sniff_count = 1}};
static const wayside_info info = {
    .id = "chanlog", .name = "Channel log", .version = "1.0.0", .licence = "Apache-2.0",
    .description = "Example: logs of a made-up recorder whose channels their headers name",
    .formats = formats, .format_count = 1, .capabilities = capabilities};

WAYSIDE_PLUGIN(info, declare, decode)
