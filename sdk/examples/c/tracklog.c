/*
 * The example decoder of the SDKs in C: logs of a made-up track recorder, as described in ../README.md. The decoders in
 * ../tracklog (Go) and ../rust do the same, byte for byte.
 */
#define WAYSIDE_IMPLEMENTATION
#include "wayside.h"

enum {
    HEADER = 32,
    AT_VERSION = 8,
    AT_FIRST = 12, /* time of the first record, big-endian: files are ordered by it */
    AT_HEADER_CRC = 30,
    VERSION = 1,
    MIN_RECORD = 14, /* sync, type, length, time, CRC */
    MAX_RECORD = 255,
    MIN_SAMPLE = 30,
    MIN_EVENT = 23,
    SAMPLE = 1,
    EVENT = 2,
    NO_SPEED = 0xFFFF
};

static const char magic[] = "TRACKLOG";

static struct {
    wayside_table table;
    wayside_i64 offset;
    wayside_ts_us time;
    wayside_dec32 speed;
    wayside_u16 flags;
    wayside_dec64 position;
    wayside_u32 odometer;
    wayside_dec32 acceleration;
    wayside_enum8 mode, aspect;
    wayside_text text;
} records;

static struct {
    wayside_table table;
    wayside_i64 offset;
    wayside_ts_us time;
    wayside_enum16 code;
    wayside_enum8 severity;
    wayside_bool acknowledged;
    wayside_dec64 value;
    wayside_text payload, text;
} events;

static void declare(void) {
    wayside_table *r = &records.table, *e = &events.table;
    const wayside_attr offset = {.unit = "By", .description = "of the record in the input"};
    wayside_declare_table(r, "records", "one row a sample");
    wayside_declare_i64(r, &records.offset, "offset", &offset);
    wayside_declare_ts_us(r, &records.time, "time", &(wayside_attr){.role = "time"});
    wayside_declare_dec32(r, &records.speed, "speed", &(wayside_attr){.scale = 2, .unit = "km/h", .role = "speed", .nullable = true});
    wayside_declare_u16(r, &records.flags, "flags", NULL);
    wayside_declare_dec64(r, &records.position, "position", &(wayside_attr){.scale = 2, .unit = "m", .role = "position"});
    wayside_declare_u32(r, &records.odometer, "odometer", &(wayside_attr){.unit = "m"});
    wayside_declare_dec32(r, &records.acceleration, "acceleration", &(wayside_attr){.scale = 3, .unit = "m/s2"});
    wayside_declare_enum8(r, &records.mode, "mode", &(wayside_attr){.labels = WAYSIDE_STRINGS("off", "standby", "manual", "automatic", "degraded")});
    wayside_declare_enum8(r, &records.aspect, "aspect", &(wayside_attr){.labels = WAYSIDE_STRINGS("dark", "stop", "caution", "proceed")});
    wayside_declare_utf8(r, &records.text, "text", NULL);

    wayside_declare_table(e, "events", "one row an event");
    wayside_declare_i64(e, &events.offset, "offset", &offset);
    wayside_declare_ts_us(e, &events.time, "time", &(wayside_attr){.role = "time"});
    wayside_declare_enum16(e, &events.code, "code", &(wayside_attr){.labels = WAYSIDE_STRINGS("", "door", "brake", "horn", "radio")});
    wayside_declare_enum8(e, &events.severity, "severity", &(wayside_attr){.labels = WAYSIDE_STRINGS("info", "warning", "alarm")});
    wayside_declare_bool(e, &events.acknowledged, "acknowledged", NULL);
    wayside_declare_dec64(e, &events.value, "value", &(wayside_attr){.scale = 3, .nullable = true, .role = "value"});
    wayside_declare_bin(e, &events.payload, "payload", &(wayside_attr){.nullable = true});
    wayside_declare_utf8(e, &events.text, "text", &(wayside_attr){.sensitive = true, .description = "what the driver wrote"});
}

/* The state of one decode. */
static struct {
    bool check, drop;        /* checksums are looked at; records with a wrong one are left out */
    uint16_t min_speed;
    int64_t lost;            /* offset at which the records' rhythm was lost, -1 = it is not */
    int64_t cut;             /* offset of a record that the part ends in, -1 = there is none */
    int64_t unknown[256];    /* records of types that are not known */
    int64_t unknown_at[256]; /* the first one's offset */
} d;

static uint16_t crc_table[256];

static void make_table(void) {
    for (unsigned i = 0; i < 256; i++) {
        uint16_t c = (uint16_t)(i << 8);
        for (int bit = 0; bit < 8; bit++) c = (uint16_t)(c & 0x8000 ? c << 1 ^ 0x1021 : c << 1);
        crc_table[i] = c;
    }
}

/* CRC-16/CCITT-FALSE. */
static uint16_t checksum(const uint8_t *p, size_t n) {
    uint16_t c = 0xFFFF;
    for (; n >= 8; n -= 8, p += 8) { /* one load for eight bytes */
        uint64_t w = wayside_le_u64(p);
        for (int i = 0; i < 8; i++, w >>= 8) c = (uint16_t)(c << 8 ^ crc_table[(uint8_t)(c >> 8 ^ w)]);
    }
    for (; n > 0; n--, p++) c = (uint16_t)(c << 8 ^ crc_table[(uint8_t)(c >> 8 ^ *p)]);
    return c;
}

/* Says whether a record's checksum, its last two bytes, fits. */
static bool intact(const uint8_t *r, size_t n) { return checksum(r, n - 2) == wayside_le_u16(r + n - 2); }

static bool begins(const uint8_t *p, const char *text) {
    for (; *text != 0; p++, text++)
        if (*p != (uint8_t)*text) return false;
    return true;
}

/* Is sure of a header whose checksum fits, less of one that only begins like one. */
static int32_t sniff(const uint8_t *head, size_t n) {
    make_table();
    if (n < HEADER || !begins(head, magic)) return 0;
    return checksum(head, AT_HEADER_CRC) == wayside_le_u16(head + AT_HEADER_CRC) ? 100 : 60;
}

/* Reads the header of a part. */
static int32_t header(void) {
    int64_t at = wayside_offset();
    const uint8_t *h = wayside_next(HEADER);
    if (h == NULL) return wayside_stopped() ? 0 : wayside_fail("truncated", "the file ends within its header");
    if (!begins(h, magic)) return wayside_fail("unknown_format", "the file does not begin with %s", magic);
    if (h[AT_VERSION] != VERSION) return wayside_fail("unsupported", "version %u of the format is not known", h[AT_VERSION]);
    if (checksum(h, AT_HEADER_CRC) != wayside_le_u16(h + AT_HEADER_CRC))
        wayside_issue(WAYSIDE_WARNING, at, "header_crc", "the checksum of the header is wrong");
    return 0;
}

/* Reports the bytes that no record was found in, up to an offset. */
static void resync(int64_t to) {
    wayside_issue(WAYSIDE_ERROR, d.lost, "resync", "%lld bytes are no records", (long long)(to - d.lost));
    d.lost = -1;
}

static void sample(const uint8_t *r, size_t n, int64_t at) {
    uint16_t speed;
    if (n < MIN_SAMPLE) {
        wayside_issue(WAYSIDE_ERROR, at, "bad_length", "a sample of %zu bytes", n);
        return;
    }
    speed = wayside_le_u16(r + 12);
    if (speed < d.min_speed) return;
    wayside_i64_set(&records.offset, at);
    wayside_ts_us_set(&records.time, wayside_le_i64(r + 4));
    wayside_dec32_set_or(&records.speed, speed, speed != NO_SPEED);
    wayside_u16_set(&records.flags, wayside_le_u16(r + 14));
    wayside_dec64_set(&records.position, wayside_le_i32(r + 16));
    wayside_u32_set(&records.odometer, wayside_le_u32(r + 20));
    wayside_dec32_set(&records.acceleration, wayside_le_i16(r + 24));
    wayside_enum8_set(&records.mode, r[26]);
    wayside_enum8_set(&records.aspect, r[27]);
    wayside_text_set_lossy(&records.text, r + 28, n - 30);
    wayside_end_row(&records.table);
}

static void event(const uint8_t *r, size_t n, int64_t at) {
    int32_t value;
    size_t end;
    if (n < MIN_EVENT || (size_t)MIN_EVENT + r[20] > n) {
        wayside_issue(WAYSIDE_ERROR, at, "bad_length", "an event of %zu bytes", n);
        return;
    }
    wayside_i64_set(&events.offset, at);
    wayside_ts_us_set(&events.time, wayside_le_i64(r + 4));
    wayside_enum16_set(&events.code, wayside_le_u16(r + 12));
    wayside_enum8_set(&events.severity, r[14]);
    wayside_bool_set(&events.acknowledged, r[15] & 1);
    value = wayside_le_i32(r + 16);
    wayside_dec64_set_or(&events.value, value, value != INT32_MIN);
    end = 21 + (size_t)r[20];
    if (end > 21) wayside_text_set(&events.payload, r + 21, end - 21);
    else wayside_text_null(&events.payload);
    wayside_text_set_lossy(&events.text, r + end, n - 2 - end);
    wayside_end_row(&events.table);
}

/* Takes a whole record. */
static void record(const uint8_t *r, size_t n, int64_t at) {
    if (d.check && !intact(r, n)) {
        if (d.drop) {
            wayside_issue(WAYSIDE_ERROR, at, "crc_mismatch", "the checksum of the record is wrong, it is left out");
            return;
        }
        wayside_issue(WAYSIDE_WARNING, at, "crc_mismatch", "the checksum of the record is wrong");
    }
    switch (r[2]) {
    case SAMPLE:
        sample(r, n, at);
        break;
    case EVENT:
        event(r, n, at);
        break;
    default:
        if (d.unknown[r[2]]++ == 0) d.unknown_at[r[2]] = at;
    }
}

/* Reads the records in b and says how many bytes it is done with. Unless these are the last bytes of the part it stops
 * where a record may not be whole. */
static size_t walk(const uint8_t *b, size_t n, bool last) {
    int64_t base = wayside_offset();
    size_t at = 0;
    while (at < n) {
        const uint8_t *r = b + at;
        size_t rest = n - at;
        bool starts;
        if (rest < MAX_RECORD && !last) break;
        starts = rest >= 4 && r[0] == 0x5A && r[1] == 0xA5 && r[3] >= MIN_RECORD;
        if (d.lost < 0) {
            if (rest < 4 || (starts && r[3] > rest)) {
                d.cut = base + (int64_t)at;
                return n;
            }
            if (!starts) {
                d.lost = base + (int64_t)at;
                at++;
                continue;
            }
        } else {
            if (!starts || r[3] > rest || !intact(r, r[3])) {
                at++;
                continue;
            }
            resync(base + (int64_t)at);
        }
        record(r, r[3], base + (int64_t)at);
        at += r[3];
    }
    return at;
}

/* Reads the records of a part. */
static void part(void) {
    for (;;) {
        size_t have;
        const uint8_t *b = wayside_window(MAX_RECORD, &have);
        bool last = have < MAX_RECORD;
        if (wayside_stopped()) return;
        wayside_skip(walk(b, have, last));
        if (last) return;
    }
}

static int32_t decode(void) {
    int64_t speed = wayside_param_int("min_speed", 0);
    bool more = true;
    make_table();
    d.check = !wayside_param_is("crc", "ignore");
    d.drop = wayside_param_is("crc", "drop");
    d.min_speed = (uint16_t)((speed < 0 ? 0 : speed > 655 ? 655 : speed) * 100);
    d.lost = -1;
    for (int i = 0; i < 256; i++) d.unknown[i] = 0;
    while (more) {
        int32_t failed = header();
        if (failed) return failed;
        d.cut = -1;
        part();
        if (wayside_stopped()) return 0;
        if (d.lost >= 0) resync(wayside_offset());
        more = wayside_next_part();
        if (more && d.cut >= 0) wayside_issue(WAYSIDE_ERROR, d.cut, "truncated", "the file ends within a record");
    }
    for (int i = 0; i < 256; i++)
        if (d.unknown[i] > 0) wayside_issue(WAYSIDE_INFO, d.unknown_at[i], "unknown_type", "%lld records of type %d", (long long)d.unknown[i], i);
    if (d.cut >= 0) wayside_issue(WAYSIDE_FATAL, d.cut, "truncated", "the file ends within a record");
    return 0;
}

static const wayside_sniff_rule rules[] = {{.bytes = "545241434b4c4f47"}};
static const char *const extensions[] = {".trk", NULL};
static const char *const media_types[] = {"application/x-tracklog", NULL};
static const wayside_format formats[] = {{
    .id = "tracklog",
    .name = "Track log",
    .extensions = extensions,
    .media_types = media_types,
    .sniff = rules,
    .sniff_count = 1,
    .sequence = {.at = AT_FIRST, .length = 8},
}};
static const wayside_info info = {
    .id = "tracklog",
    .name = "Track log",
    .version = "1.0.0",
    .description = "Example: logs of a made-up track recorder",
    .licence = "Apache-2.0",
    .formats = formats,
    .format_count = 1,
    .params = "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
              "\"crc\":{\"type\":\"string\",\"enum\":[\"keep\",\"drop\",\"ignore\"],\"default\":\"keep\","
              "\"description\":\"what happens to records whose checksum is wrong\"},"
              "\"min_speed\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":655,\"default\":0,"
              "\"description\":\"leave out slower samples, km/h\"}}}",
};

WAYSIDE_PLUGIN(info, declare, decode)
WAYSIDE_SNIFF(sniff)
