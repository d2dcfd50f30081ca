/*
 * Tests of wayside.h, compiled natively with sanitizers: mistakes of decoders, growth, limits and damaged inputs must
 * never touch memory that is not theirs. Arguments are files that the example decoder reads, with -DCHANLOG the second one,
 * in pieces of odd sizes.
 */
#ifdef CHANLOG
#include "../../examples/c/chanlog.c"
#define wayside_sniff() ((void)0) /* it has none */
#else
#include "../../examples/c/tracklog.c"
#endif

#include <stdio.h>
#include <string.h>

/* The host: an input in parts, and what was said. */
static struct {
    const uint8_t *part[3];
    size_t size[3], at, piece;
    int32_t parts, open, stop_after, batches;
    bool seek;
    uint64_t rows, columns, bytes, nulls, issues;
    int32_t found;
    uint32_t name_len;
    char code[64], manifest[1 << 16], last[4096], schema[4096];
    size_t last_len;
} host;

int32_t wayside_host_read(void *p, uint32_t n) {
    size_t left = host.size[host.open] - host.at;
    if (host.piece > 0 && n > host.piece) n = (uint32_t)host.piece;
    if (n > left) n = (uint32_t)left;
    if (n > 0) memcpy(p, host.part[host.open] + host.at, n);
    host.at += n;
    return (int32_t)n;
}

int32_t wayside_host_read_at(int64_t off, void *p, uint32_t n) {
    size_t size = host.size[host.open];
    if (!host.seek || off < 0) return -1;
    if ((uint64_t)off >= size) return 0;
    if (n > size - (size_t)off) n = (uint32_t)(size - (size_t)off);
    memcpy(p, host.part[host.open] + off, n);
    return (int32_t)n;
}

int64_t wayside_host_size(void) { return host.seek ? (int64_t)host.size[host.open] : -1; }

int32_t wayside_host_part(int32_t index, void *p, uint32_t cap) {
    static const char *const names[] = {"first.trk", "second.trk", "third.trk"};
    if (index < 0 || index >= host.parts) return -1;
    size_t n = strlen(names[index]);
    memcpy(p, names[index], n < cap ? n : cap);
    return (int32_t)n;
}

int32_t wayside_host_open_part(int32_t index) {
    if (index < 0 || index >= host.parts) return -1;
    host.open = index;
    host.at = 0;
    return 0;
}

void wayside_host_manifest(const void *p, uint32_t n) {
    if (n < sizeof host.manifest) memcpy(host.manifest, p, n), host.manifest[n] = 0;
}

/* Takes tables found at run time, whose indexes go on from the one of the manifest. */
int32_t wayside_host_table(const void *p, uint32_t n) {
    if (n < sizeof host.schema) memcpy(host.schema, p, n), host.schema[n] = 0;
    return ++host.found;
}

/* Looks at every byte that a batch names, so that the sanitizer does. */
int32_t wayside_host_emit(int32_t table, const uintptr_t *d) {
    uint64_t sum = (uint64_t)table;
    if (table < 0 || table > host.found + 1) abort(); /* the example decoder has two */
    host.rows += d[0];
    host.columns = d[1];
    for (uintptr_t i = 0; i < d[1]; i++) {
        const uintptr_t *c = d + 4 + 4 * i;
        const uint8_t *data = (const uint8_t *)c[0], *valid = (const uint8_t *)c[1];
        for (uintptr_t k = 0; k < c[3]; k++) sum += data[k];
        host.bytes += c[3];
        for (uintptr_t k = 0; valid != NULL && k < d[0]; k++) host.nulls += !(valid[k >> 3] >> (k & 7) & 1);
        if (c[2] != 0) {
            const uint32_t *o = (const uint32_t *)c[2];
            if (o[0] != 0 || o[d[0]] != c[3]) abort();
            host.last_len = o[d[0]] - o[d[0] - 1];
            if (host.last_len > sizeof host.last) host.last_len = sizeof host.last;
            if (host.last_len > 0) memcpy(host.last, data + o[d[0] - 1], host.last_len);
        } else if (d[0] != 0 && c[3] % d[0] != 0) {
            abort();
        }
    }
    (void)sum;
    return ++host.batches == host.stop_after;
}

void wayside_host_issue(int32_t severity, int64_t off, const void *code, uint32_t code_len, const void *p, uint32_t n) {
    (void)severity, (void)off, (void)code, (void)code_len, (void)p, (void)n;
    host.issues++;
}

void wayside_host_fail(const void *code, uint32_t n, const void *p, uint32_t len) {
    (void)p, (void)len;
    if (n >= sizeof host.code) abort();
    memcpy(host.code, code, n);
    host.code[n] = 0;
}

void wayside_host_log(int32_t level, const void *p, uint32_t n) { (void)level, (void)p, (void)n; }

int32_t wayside_host_param(const void *key, uint32_t n, void *p, uint32_t cap) {
    static const char value[] = "-12345";
    if (n != 1 || *(const char *)key != 'n') return -1;
    memcpy(p, value, cap < 6 ? cap : 6);
    return 6;
}

int32_t wayside_host_child(const void *name, uint32_t n) {
    if (n == 0 || n > 255) abort();
    host.name_len = n;
    return (n == 5 && memcmp(name, "child", 5) == 0) || (n > 6 && memcmp(name, "inside", 6) == 0) ? 7 : -1;
}
int32_t wayside_host_child_write(int32_t child, const void *p, uint32_t n) {
    (void)p;
    return child == 7 ? (int32_t)n : -1;
}
void wayside_host_child_close(int32_t child) {
    if (child != 7) abort();
}

static int failures;

static void check(bool good, const char *what) {
    if (good) return;
    printf("FAIL %s (code %s, %llu rows)\n", what, host.code, (unsigned long long)host.rows);
    failures++;
}

static void fresh(void) { memset(&host, 0, sizeof host); }

/* A small decoder whose rows a function writes. */
static struct {
    wayside_table table;
    wayside_i32 number;
    wayside_f64 other;
    wayside_text text;
} t;

static void declare_t(void) {
    wayside_declare_table(&t.table, "t", "a \"table\"\n");
    wayside_describe_rows(&t.table, "number", 16, "[]");
    wayside_declare_i32(&t.table, &t.number, "number", &(wayside_attr){.nullable = true, .unit = "m"});
    wayside_declare_f64(&t.table, &t.other, "other", NULL);
    wayside_declare_utf8(&t.table, &t.text, "text", &(wayside_attr){.nullable = true});
}

static void row(int32_t v, size_t text) {
    static uint8_t long_text[17 << 20];
    wayside_i32_set_or(&t.number, v, v % 3 != 0);
    wayside_f64_set(&t.other, v);
    if (text == 0) wayside_text_null(&t.text);
    else wayside_text_set(&t.text, long_text, text);
    wayside_end_row(&t.table);
}

static int32_t many(void) {
    for (int32_t i = 0; i < 20000; i++) row(i, (size_t)(i % 40));
    return wayside_rows(&t.table) == 20000 ? 0 : 1;
}
static int32_t long_texts(void) {
    for (int32_t i = 0; i < 20; i++) row(i, 700 << 10);
    return 0;
}
static int32_t too_long(void) {
    row(1, 5);
    row(2, 17 << 20);
    return 0;
}
static int32_t twice(void) {
    row(1, 1);
    for (int i = 0; i < 100000; i++) wayside_i32_set(&t.number, 1);
    return 0;
}
static int32_t missing(void) {
    for (int i = 0; i < 100000; i++) wayside_end_row(&t.table);
    return 0;
}
static int32_t text_twice(void) {
    for (int i = 0; i < 100000; i++) wayside_text_set(&t.text, "ab", 2);
    return 0;
}
static int32_t no_null(void) {
    wayside_f64_null(&t.other);
    return 0;
}
static int32_t half_row(void) {
    row(1, 1);
    wayside_i32_set(&t.number, 1);
    return wayside_fail("corrupt_record", "in the middle of a row");
}
static int32_t filled(void) {
    for (int left = 10000; left > 0;) {
        uint32_t n = wayside_room(&t.table);
        if (n > (uint32_t)left) n = (uint32_t)left;
        for (uint32_t i = 0; i < n; i++) {
            wayside_i32_room(&t.number)[i] = (int32_t)i;
            wayside_f64_room(&t.other)[i] = 1;
            wayside_text_set(&t.text, "x", 1);
        }
        wayside_added(&t.table, n);
        left -= (int)n;
    }
    return 0;
}
static int32_t overfilled(void) {
    wayside_added(&t.table, wayside_room(&t.table) + 1);
    return 0;
}
static int32_t mended(void) {
    wayside_i32_set(&t.number, 1);
    wayside_f64_set(&t.other, 1);
    wayside_text_set_lossy(&t.text, "a\xff\xfe" "b\xe2\x82" "c\xed\xa0\x80\xf0\x9f\x98\x80", 14);
    wayside_end_row(&t.table);
    return 0;
}
static int32_t parts(void) {
    char name[8];
    const uint8_t *p = wayside_next(3);
    if (p == NULL || memcmp(p, "abc", 3) != 0) return wayside_fail("corrupt_record", "first");
    if (!wayside_next_part() || wayside_offset() != 5 || wayside_part_offset() != 5) return wayside_fail("corrupt_record", "offset");
    if (wayside_part_name(name, sizeof name) != 10 || strcmp(name, "second.") != 0) return wayside_fail("corrupt_record", "name");
    if (wayside_peek(4) != NULL || wayside_at_hand() != 3 || wayside_skip(10) != 3) return wayside_fail("corrupt_record", "end");
    if (wayside_next_part()) return wayside_fail("corrupt_record", "a third part");
    return 0;
}
static int32_t others(void) {
    char s[64];
    int32_t c = wayside_child("child");
    wayside_print(s, sizeof s, "%d|%5u|%05d|%x|%lld|%zu|%c|%s|%.*s|%%", -7, 42u, -42, 255u, 1LL << 40, (size_t)3, 'z', "text", 2, "abcd");
    if (strcmp(s, "-7|   42|-0042|ff|1099511627776|3|z|text|ab|%") != 0) return wayside_fail("corrupt_record", "%s", s);
    if (wayside_print(s, 4, "%s", "abcdef") != 3 || strcmp(s, "abc") != 0) return wayside_fail("corrupt_record", "cut");
    if (wayside_param_int("n", 1) != -12345 || wayside_param_int("m", 9) != 9 || !wayside_param_is("n", "-12345")) return wayside_fail("corrupt_record", "param");
    if (c != 7 || !wayside_child_write(c, "x", 1) || wayside_child("no") >= 0) return wayside_fail("corrupt_record", "child");
    wayside_child_close(c);
    {
        static char name[400];
        if (wayside_child("") >= 0 || host.name_len != 7) return wayside_fail("corrupt_record", "no name");
        for (size_t i = 0; i < sizeof name - 1; i++) name[i] = (char)(i % 2 ? 0xa4 : 0xc3);
        if (wayside_child(name) >= 0 || host.name_len != 254) return wayside_fail("corrupt_record", "a long name");
    }
    return 0;
}

/* Tables found at run time. */
static wayside_table found[300];

static bool open_one(int i, const char *table, const char *column) {
    wayside_i8 *v = wayside_keep(sizeof *v);
    wayside_declare_table(&found[i], table, NULL);
    if (column != NULL) wayside_declare_i8(&found[i], v, column, NULL);
    return wayside_open_table(&found[i]);
}

static int32_t found_tables(void) {
    char name[16];
    for (int i = 0; i < 2; i++) {
        int32_t n = 3;
        wayside_i32 *v = wayside_keep((size_t)n * sizeof *v);
        wayside_text *s = wayside_keep(sizeof *s);
        wayside_print(name, sizeof name, "found_%d", i);
        wayside_declare_table(&found[i], name, "found");
        for (int k = 0; k < n; k++) wayside_declare_i32(&found[i], &v[k], wayside_name(&found[i], "Temp. [\xc2\xb0" "C]", 11), &(wayside_attr){.unit = "Cel", .nullable = true});
        wayside_declare_utf8(&found[i], s, "text", NULL);
        memset(name, 'x', sizeof name - 1); /* names are copied */
        if (!wayside_open_table(&found[i])) return 1;
        for (int row_no = 0; row_no < 10000; row_no++) {
            for (int k = 0; k < n; k++) wayside_i32_set_or(&v[k], row_no, row_no % 3 != 0);
            wayside_text_set(s, "text", 4);
            wayside_end_row(&found[i]);
        }
    }
    return 0;
}

static int32_t column_names(void) {
    static const char *const want[][2] = {
        {"Temp. [\xc2\xb0" "C]", "temp_c"}, {"temp c", "temp_c_2"}, {"temp_c", "temp_c_3"}, {"seq", "seq_4"}, {"", "column"}, {"--", "column_5"},
        {"1. Achse", "c1_achse"}, {" U(t) ", "u_t"}, {"\xff\xfe", "column_6"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-c", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_7"},
    };
    wayside_declare_table(&found[0], "names", NULL);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        const char *got = wayside_name(&found[0], want[i][0], strlen(want[i][0]));
        if (strcmp(got, want[i][1]) != 0) return wayside_fail("corrupt_record", "%s", got);
        wayside_declare_i8(&found[0], wayside_keep(sizeof(wayside_i8)), got, NULL);
    }
    return wayside_open_table(&found[0]) ? 0 : 1;
}
static int32_t too_many_tables(void) {
    for (int i = 0; i < 256; i++) {
        char name[8];
        wayside_print(name, sizeof name, "t%d", i);
        if (!open_one(i, name, "v")) return host.found == 255 ? 1 : wayside_fail("corrupt_record", "%d", host.found);
    }
    return 0;
}
static int32_t columns_of(int n) {
    wayside_declare_table(&found[0], "wide", NULL);
    for (int i = 0; i < n; i++) wayside_declare_i8(&found[0], wayside_keep(sizeof(wayside_i8)), wayside_name(&found[0], i % 2 ? "x" : "x 999", i % 2 ? 1 : 5), NULL);
    return wayside_open_table(&found[0]) ? 0 : 1;
}
static int32_t most_columns(void) { return columns_of(4095); }
static int32_t too_many_columns(void) { return columns_of(4096); }
static int32_t too_long_schemas(void) {
    static char long_text[400 << 10];
    memset(long_text, 'x', sizeof long_text - 1);
    for (int i = 0; i < 3; i++) {
        char name[8];
        wayside_print(name, sizeof name, "t%d", i);
        wayside_declare_table(&found[i], name, long_text);
        if (!wayside_open_table(&found[i])) return host.found == 2 ? 1 : 2;
    }
    return 0;
}
static int32_t bad_table(void) { return open_one(0, "T", "v") ? 0 : 1; }
static int32_t reserved(void) { return open_one(0, "issues", "v") ? 0 : 1; }
static int32_t bad_column(void) { return open_one(0, "u", "a b") ? 0 : 1; }
static int32_t seq_twice(void) { return open_one(0, "u", "seq") ? 0 : 1; }
static int32_t known_name(void) { return open_one(0, "t", "v") ? 0 : 1; }
static int32_t same_name(void) { return open_one(0, "u", "v") && open_one(1, "u", "v") ? 0 : 1; }
static int32_t same_variable(void) { return open_one(0, "u", "v") && open_one(0, "w", "v") ? 0 : 1; }
static int32_t open_twice(void) { return open_one(0, "u", "v") && wayside_open_table(&found[0]) ? 0 : 1; }
static int32_t never_opened(void) {
    wayside_declare_table(&found[0], "u", NULL);
    wayside_declare_i8(&found[0], wayside_keep(sizeof(wayside_i8)), "v", NULL);
    return 0;
}
static int32_t rows_before(void) {
    wayside_declare_table(&found[0], "u", NULL);
    wayside_end_row(&found[0]);
    return 0;
}
static int32_t value_before(void) {
    wayside_i8 *v = wayside_keep(sizeof *v);
    wayside_declare_table(&found[0], "u", NULL);
    wayside_declare_i8(&found[0], v, "v", NULL);
    wayside_i8_set(v, 1);
    return 0;
}
static int32_t late_column(void) {
    wayside_i8 *v = wayside_keep(sizeof *v);
    if (!open_one(0, "u", "v")) return 1;
    wayside_declare_i8(&found[0], v, "w", NULL);
    wayside_i8_set(v, 1);
    return 0;
}

static bool run(int32_t (*decode_t)(void), const char *code) {
    int32_t r = wayside__decode(declare_t, decode_t);
    return (r != 0) == (code[0] != 0) && strcmp(host.code, code) == 0;
}

static void unit(void) {
    static const struct {
        const char *name;
        int32_t (*decode)(void);
        const char *code;
        uint64_t rows;
    } tests[] = {
        {"many rows", many, "", 20000},          {"long texts", long_texts, "", 20},   {"a text too long", too_long, "output_limit", 0},
        {"a value twice", twice, "trap", 1},     {"no value", missing, "trap", 0},     {"a text twice", text_twice, "trap", 0},
        {"a null too many", no_null, "trap", 0}, {"half a row", half_row, "corrupt_record", 1}, {"rows at once", filled, "", 10000},
        {"found tables", found_tables, "", 20000}, {"column names", column_names, "", 0}, {"most columns", most_columns, "", 0},
        {"many tables", too_many_tables, "table_limit", 0}, {"many columns", too_many_columns, "table_limit", 0},
        {"long schemas", too_long_schemas, "table_limit", 0}, {"a bad table", bad_table, "trap", 0}, {"issues", reserved, "trap", 0},
        {"a bad column", bad_column, "trap", 0}, {"seq twice", seq_twice, "trap", 0}, {"a name of the manifest", known_name, "trap", 0},
        {"a name twice", same_name, "trap", 0}, {"a variable twice", same_variable, "trap", 0}, {"open twice", open_twice, "trap", 0},
        {"never opened", never_opened, "", 0}, {"rows before open", rows_before, "trap", 0}, {"a value before open", value_before, "trap", 0},
        {"a late column", late_column, "trap", 0},
        {"more than room", overfilled, "trap", 0}, {"mended text", mended, "", 1},     {"formats", others, "", 0},
    };
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        fresh();
        check(run(tests[i].decode, tests[i].code) && host.rows == tests[i].rows, tests[i].name);
    }
    fresh();
    run(mended, "");
    check(host.last_len == 16 && memcmp(host.last, "a\xef\xbf\xbd" "b\xef\xbf\xbd" "c\xef\xbf\xbd\xf0\x9f\x98\x80", 16) == 0, "U+FFFD for runs");
    fresh();
    run(found_tables, "");
    check(host.columns == 5 && host.nulls == 2 * 3 * 3334 && strcmp(host.schema,
          "{\"name\":\"found_1\",\"description\":\"found\",\"columns\":[{\"name\":\"seq\",\"type\":\"i64\",\"description\":\"number of the row, from 1\"},"
          "{\"name\":\"temp_c\",\"type\":\"i32\",\"unit\":\"Cel\",\"nullable\":true},{\"name\":\"temp_c_2\",\"type\":\"i32\",\"unit\":\"Cel\",\"nullable\":true},"
          "{\"name\":\"temp_c_3\",\"type\":\"i32\",\"unit\":\"Cel\",\"nullable\":true},{\"name\":\"text\",\"type\":\"utf8\"}]}") == 0, "the schema of a found table");
    fresh();
    run(many, "");
    check(host.columns == 4 && host.nulls == 6667 + 500, "nulls");
    fresh();
    host.stop_after = 1;
    check(wayside__decode(declare_t, many) == 0 && host.batches == 1 && wayside_stopped(), "stop");
    for (int seek = 0; seek < 2; seek++) {
        fresh();
        host.seek = seek == 1;
        host.part[0] = (const uint8_t *)"abcde", host.size[0] = 5;
        host.part[1] = (const uint8_t *)"fgh", host.size[1] = 3;
        host.parts = 2;
        check(run(parts, ""), "parts");
    }
    fresh();
    wayside__manifest(&info, declare_t);
    check(strstr(host.manifest, "\"tables\":[{\"row_length\":{\"column\":\"number\",\"plus\":16},\"layouts\":[],\"name\":\"t\","
                                "\"description\":\"a \\\"table\\\"\\u000a\",\"columns\":[{\"name\":\"seq\"") != NULL, "manifest");
}

static void decode_file(const char *path, size_t piece) {
    static uint8_t buf[1 << 20];
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        check(false, path);
        return;
    }
    fresh();
    host.size[0] = fread(buf, 1, sizeof buf, f);
    fclose(f);
    host.part[0] = buf;
    host.parts = 1;
    host.piece = piece;
    wayside_decode();
    fresh();
    host.part[0] = buf;
    host.parts = 1;
    wayside_sniff();
}

int main(int argc, char **argv) {
    unit();
    for (int i = 1; i < argc; i++) decode_file(argv[i], i % 3 == 0 ? 0 : (size_t)i % 61 + 1);
    printf("%d failures, %d files\n", failures, argc - 1);
    return failures != 0;
}
