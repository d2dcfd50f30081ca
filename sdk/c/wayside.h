/*
 * wayside.h: what decoders for Wayside are written with in C. One header, C99, no C library needed.
 *
 * A decoder is a function that reads its input and fills the columns of tables. The declarations of the tables are the
 * manifest too, so that code and manifest cannot drift:
 *
 *     #define WAYSIDE_IMPLEMENTATION          // in exactly one source file
 *     #include "wayside.h"
 *
 *     static struct {
 *         wayside_table table;
 *         wayside_ts_us time;
 *         wayside_f64 value;
 *     } readings;
 *
 *     static void declare(void) {
 *         wayside_declare_table(&readings.table, "readings", "one row a reading");
 *         wayside_declare_ts_us(&readings.table, &readings.time, "time", &(wayside_attr){.role = "time"});
 *         wayside_declare_f64(&readings.table, &readings.value, "value", &(wayside_attr){.unit = "Cel"});
 *     }
 *
 *     static int32_t decode(void) {
 *         const uint8_t *p;
 *         while ((p = wayside_next(16)) != NULL) {
 *             wayside_ts_us_set(&readings.time, wayside_le_i64(p));
 *             wayside_f64_set(&readings.value, wayside_le_f64(p + 8));
 *             wayside_end_row(&readings.table);
 *         }
 *         if (wayside_peek(1) != NULL) return wayside_fail("truncated", "the file ends within a reading");
 *         return 0;
 *     }
 *
 *     static const wayside_format formats[] = {{.id = "readings", .extensions = WAYSIDE_STRINGS(".rdg")}};
 *     static const wayside_info info = {.id = "readings", .name = "Readings", .version = "1.0.0",
 *                                       .formats = formats, .format_count = 1};
 *     WAYSIDE_PLUGIN(info, declare, decode)
 *
 * It is built by
 *
 *     clang --target=wasm32 -O2 -nostdlib -Wl,--no-entry -o readings.wasm readings.c
 *
 * or with wasi-libc as a reactor (-mexec-model=reactor). Compiled for anything but WebAssembly the imports of the host
 * are plain functions (wayside_host_...) that a test provides.
 *
 * An instance decodes one input, so the state of the SDK is global and there is one thread. Mistakes of a decoder (two
 * values of a column in a row, none, a null where none may be) never write outside of their memory: they end the
 * decode with code trap. When memory ends, the decode does, with code memory_limit. Rows before either are kept.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WAYSIDE_H
#define WAYSIDE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "wayside.h needs a little-endian processor"
#endif

#if defined(__GNUC__)
#define WAYSIDE__PRINTF(f, a) __attribute__((format(printf, f, a)))
#define WAYSIDE__RARE __attribute__((noinline, cold))
#define WAYSIDE__UNLIKELY(x) __builtin_expect(!!(x), 0)
#define WAYSIDE__INLINE static inline __attribute__((always_inline, unused))
#else
#define WAYSIDE__PRINTF(f, a)
#define WAYSIDE__RARE
#define WAYSIDE__UNLIKELY(x) (x)
#define WAYSIDE__INLINE static inline
#endif

/* Keeps the compiler from writing an address that it knows into every access: the engine proves the bounds of a pointer
 * once for all of them, those of a constant each time. On 64 MB of samples it halved what the sets cost beyond raw arrays. */
#if defined(__wasm__) && defined(__GNUC__)
#define WAYSIDE__OPAQUE(p) __asm__("" : "+r"(p))
#else
#define WAYSIDE__OPAQUE(p) ((void)0)
#endif

/* ## The plugin
 *
 * What a plugin is, beside its tables. All texts are UTF-8 and end with NUL; NULL is the same as none. */

/** A list of texts, for extensions, media types, labels and capabilities. */
#define WAYSIDE_STRINGS(...) ((const char *const[]){__VA_ARGS__, NULL})

/** Bounds one byte of a record's header, at `at`. */
typedef struct wayside_range {
    int32_t at;
    uint8_t min, max;
} wayside_range;

/** A known type of records: its number, and the length of its body, -1 = any. */
typedef struct wayside_walk_type {
    uint8_t type;
    int32_t length;
} wayside_walk_type;

/** Recognises a file without a header that is a sequence of records: `records` of them are looked at, `least` are enough
 * where the file ends right after. A record is `header` bytes, with its type and the length of its body as bytes of the
 * header at `type_at` and `length_at`. */
typedef struct wayside_walk {
    int32_t records, least, header, type_at, length_at;
    const wayside_walk_type *types;
    size_t type_count;
    const wayside_range *ranges;
    size_t range_count;
} wayside_walk;

/** A rule that recognises a format, run by the host. Exactly one of `bytes`, `regex` and `walk` is set. `bytes` and
 * `mask` are written in hex; `regex` (RE2) looks at the first line, with `comment` at the first line that holds more than
 * a comment. */
typedef struct wayside_sniff_rule {
    int64_t offset;
    const char *bytes, *mask, *regex, *comment;
    const wayside_walk *walk;
} wayside_sniff_rule;

/** Says that files can follow each other as one recording, ordered by `length` bytes at `at`, compared as a big-endian
 * number. Length 0: each file stands for itself. */
typedef struct wayside_sequence {
    int64_t at;
    int32_t length;
} wayside_sequence;

/** A kind of file that the plugin decodes. Extensions have their dot and are lower case. */
typedef struct wayside_format {
    const char *id, *name;
    const char *const *extensions, *const *media_types;
    const wayside_sniff_rule *sniff;
    size_t sniff_count;
    wayside_sequence sequence;
} wayside_format;

/** The part of the manifest that is not the tables. `params` is a JSON Schema of an object. Capabilities are "seek"
 * (wayside_read_at) and "child" (wayside_child). */
typedef struct wayside_info {
    const char *id, *name, *version, *description, *licence;
    const wayside_format *formats;
    size_t format_count;
    const char *params;
    const char *const *capabilities;
    int32_t memory_mib;
} wayside_info;

/* ## Tables
 *
 * A table and its columns are variables of the decoder, most often a static struct. They are declared in the function
 * declare, which runs before every decode and for the manifest, and must declare the same each time. A row is written by
 * giving each column its value, in any order, and then calling wayside_end_row. Full batches go to the host by
 * themselves. The first column of every table is seq, which counts the rows from 1; the SDK fills it. */

/** Attributes of a column beside name and type. `unit` is UCUM; `role` is time, position, speed, latitude, longitude or
 * value; `scale` is the digits of a decimal after the point; `labels` are those of an enum, by index, "" = none; `naive`
 * marks a time without a zone; of a `sensitive` column the host shows no value unless asked to reveal it. */
typedef struct wayside_attr {
    const char *unit, *description, *role;
    const char *const *labels;
    int32_t scale;
    bool nullable, naive, sensitive;
} wayside_attr;

struct wayside_table;

/* What all columns have. data is the memory of values, of texts their offsets; p the place of the next one. */
typedef struct wayside__column {
    uint8_t *p, *end, *data;
    uint8_t *valid; /* bitmap, once there was a null */
    struct wayside__column *next;
    struct wayside_table *table;
    const char *name;
    uint8_t *bytes; /* of texts */
    size_t used, bytes_room;
    uint8_t width;
    bool text, nullable, nulls;
} wayside__column;

/* A growing text. */
typedef struct wayside__json {
    char *v;
    size_t n, room;
    bool comma;
} wayside__json;

/** A table: see wayside_declare_table. Its fields belong to the SDK. */
typedef struct wayside_table {
    uint32_t n, limit, room, max_rows, width, columns;
    int32_t index;
    int64_t flushed;
    const char *name;
    wayside__column *first, *last;
    struct wayside_table *next;
    int64_t *seq;
    uintptr_t *desc;
    wayside__json json;
    uint32_t copies; /* names that wayside_name gave a number */
    char made[64];   /* by wayside_name */
} wayside_table;

/* Implementation of what follows. */
void wayside__declare(wayside_table *t, wayside__column *c, const char *name, const char *type, uint8_t width,
                      const wayside_attr *attr);
void wayside__overfull(wayside__column *c);
void wayside__end_batch(wayside_table *t);
void wayside__null(wayside__column *c);
bool wayside__extend(wayside__column *c, size_t n);

/** Declares a table. Columns are declared after it. Both must outlive the decode. While a decode runs it begins a table
 * that was found in the input: see wayside_open_table. */
void wayside_declare_table(wayside_table *t, const char *name, const char *description);

/** Says how many bytes of the input a row covers from its column `offset`: the value of `column` (NULL: 0) plus `plus`;
 * and, as the JSON array of the manifest's layouts (NULL: none), which fields lie in them. */
void wayside_describe_rows(wayside_table *t, const char *column, int64_t plus, const char *layouts);

/* A type of columns of a fixed width. */
#define WAYSIDE__TYPE(NAME, T)                                                                                         \
    typedef struct wayside_##NAME {                                                                                    \
        wayside__column c;                                                                                             \
    } wayside_##NAME;                                                                                                  \
    WAYSIDE__INLINE void wayside_declare_##NAME(wayside_table *t, wayside_##NAME *c, const char *name,                 \
                                                const wayside_attr *attr) {                                            \
        wayside__declare(t, &c->c, name, #NAME, (uint8_t)sizeof(T), attr);                                             \
    }                                                                                                                  \
    WAYSIDE__INLINE void wayside_##NAME##_set(wayside_##NAME *c, T v) {                                                \
        wayside__column *k = &c->c;                                                                                    \
        WAYSIDE__OPAQUE(k);                                                                                            \
        if (WAYSIDE__UNLIKELY(k->end == k->p)) {                                                                       \
            wayside__overfull(k);                                                                                      \
            return;                                                                                                    \
        }                                                                                                              \
        __builtin_memcpy(k->p, &v, sizeof v);                                                                          \
        k->p += sizeof v;                                                                                              \
    }                                                                                                                  \
    WAYSIDE__INLINE void wayside_##NAME##_null(wayside_##NAME *c) { wayside__null(&c->c); }                            \
    WAYSIDE__INLINE void wayside_##NAME##_set_or(wayside_##NAME *c, T v, bool there) {                                 \
        if (there) wayside_##NAME##_set(c, v);                                                                         \
        else wayside__null(&c->c);                                                                                     \
    }                                                                                                                  \
    WAYSIDE__INLINE T *wayside_##NAME##_room(wayside_##NAME *c) { return (T *)(void *)c->c.p; }

/** Columns of fixed width: for each type `X` of the ABI there are the type `wayside_X` and five functions.
 *
 * - `wayside_declare_X(table, column, name, attr)` declares it; attr may be NULL.
 * - `wayside_X_set(column, value)` gives the row's value.
 * - `wayside_X_null(column)` leaves the row without a value; the column must be nullable.
 * - `wayside_X_set_or(column, value, there)` gives the value, or none.
 * - `wayside_X_room(column)` gives the memory of the rows to come, for loops that write many rows at once: as many as
 *   wayside_room says, followed by wayside_added.
 *
 * X is bool, i8, i16, i32, i64, u8, u16, u32, u64, f32, f64; ts_us and ts_ns: microseconds and nanoseconds since
 * 1970-01-01T00:00:00; dec32 and dec64: unscaled decimals; enum8 and enum16: indexes into the labels. */
#define WAYSIDE_TYPES(M)                                                                                               \
    M(bool, bool) M(i8, int8_t) M(i16, int16_t) M(i32, int32_t) M(i64, int64_t) M(u8, uint8_t) M(u16, uint16_t)        \
    M(u32, uint32_t) M(u64, uint64_t) M(f32, float) M(f64, double) M(ts_us, int64_t) M(ts_ns, int64_t)                 \
    M(dec32, int32_t) M(dec64, int64_t) M(enum8, uint8_t) M(enum16, uint16_t)

WAYSIDE_TYPES(WAYSIDE__TYPE)

/** A column of texts or of bytes. */
typedef struct wayside_text {
    wayside__column c;
} wayside_text;

/** Declares a column of UTF-8 texts. */
WAYSIDE__INLINE void wayside_declare_utf8(wayside_table *t, wayside_text *c, const char *name, const wayside_attr *attr) {
    wayside__declare(t, &c->c, name, "utf8", 0, attr);
}

/** Declares a column of bytes. */
WAYSIDE__INLINE void wayside_declare_bin(wayside_table *t, wayside_text *c, const char *name, const wayside_attr *attr) {
    wayside__declare(t, &c->c, name, "bin", 0, attr);
}

/** Gives the row's value: n bytes. A text must be valid UTF-8, else the host ends the decode: see
 * wayside_text_set_lossy. */
WAYSIDE__INLINE void wayside_text_set(wayside_text *c, const void *v, size_t n) {
    wayside__column *k = &c->c;
    uint32_t end;
    WAYSIDE__OPAQUE(k);
    if (WAYSIDE__UNLIKELY(k->p == k->end)) {
        wayside__overfull(k);
        return;
    }
    if (WAYSIDE__UNLIKELY(n > k->bytes_room - k->used) && !wayside__extend(k, n)) return;
    {
        uint8_t *to = k->bytes + k->used;
        const uint8_t *from = (const uint8_t *)v;
        size_t i = 0;
        for (; i + 8 <= n; i += 8) __builtin_memcpy(to + i, from + i, 8);
        for (; i < n; i++) to[i] = from[i];
    }
    k->used += n;
    end = (uint32_t)k->used;
    __builtin_memcpy(k->p, &end, sizeof end);
    k->p += sizeof end;
}

/** Gives the row's value and puts U+FFFD in the place of every run of bytes that are not UTF-8: for texts of files
 * that may be damaged. */
void wayside_text_set_lossy(wayside_text *c, const void *v, size_t n);

/** Leaves the row without a value; the column must be nullable. */
WAYSIDE__INLINE void wayside_text_null(wayside_text *c) { wayside__null(&c->c); }

/** Completes a row: every column has got one value since the last call. */
WAYSIDE__INLINE void wayside_end_row(wayside_table *t) {
    if (WAYSIDE__UNLIKELY(++t->n >= t->limit)) wayside__end_batch(t);
}

/** Gives the number of complete rows, which is the last row's seq. */
WAYSIDE__INLINE int64_t wayside_rows(const wayside_table *t) { return t->flushed + (int64_t)t->n; }

/** Gives the number of rows that may be written into the columns' memory at once, at least 1 between two rows. */
WAYSIDE__INLINE uint32_t wayside_room(const wayside_table *t) { return t->room - t->n; }

/** Takes rows that were written into the memory of all columns of fixed width; texts are set one by one, as ever. */
void wayside_added(wayside_table *t, uint32_t rows);

/* ## Tables found at run time
 *
 * Some logs name their columns in the header of the file. A decoder declares such a table while it decodes, its columns
 * after it, and then opens it. Rows are written as those of any table. A table that the decoder knows beforehand is
 * declared in the function declare instead, so that it stands in the manifest.
 *
 *     wayside_f64 *values = wayside_keep(channels * sizeof *values);
 *     if (values == NULL) return 1;
 *     wayside_declare_table(&table, "samples", "one row a sample");
 *     for (i = 0; i < channels; i++)
 *         wayside_declare_f64(&table, &values[i], wayside_name(&table, name[i], length[i]), &(wayside_attr){.unit = unit[i]});
 *     if (!wayside_open_table(&table)) return 1;
 */

/** Makes a column's name of n bytes of text: letters of ASCII in lower case and digits stay, everything else between them
 * becomes one _. A name that a column of the table has gets a number, which counts on over the table: "Temp. [C]" becomes
 * temp_c, a second one temp_c_2. The name is valid until the next call; declaring a column copies it. */
const char *wayside_name(wayside_table *t, const void *text, size_t n);

/** Gives a table that was found in the input to the host; rows follow. False where it was not taken, and the decode fails:
 * with table_limit beyond 256 tables of a decode, 4,096 columns of a table or 1 MiB of the schemas found at run time
 * together; with trap for a name that is none or is taken, which is a mistake of the decoder, as is a second call. */
bool wayside_open_table(wayside_table *t);

/** Gives n bytes, cleared, that stay until the decode ends, or NULL: for columns of which only the input tells how many
 * there are. The SDK has noted then that the decode fails with memory_limit. */
void *wayside_keep(size_t n);

/* ## Input
 *
 * The input is read through a buffer. Offsets count the bytes of all parts of a recording in their order, as those of
 * rows and issues do. */

/* The buffer: unread bytes are buf[r..w]. */
typedef struct wayside__input {
    uint8_t *buf;
    size_t r, w, size;
    int64_t base, start;
    int32_t part;
    bool eof;
} wayside__input;
extern wayside__input wayside__in;
const uint8_t *wayside__fill(size_t n);

/** Gives the next n bytes without consuming them, or NULL where fewer are left, or where the host wants no more rows.
 * The memory is valid until the next call that reads. It grows with n: a length that only the file bounds must be checked
 * first. */
WAYSIDE__INLINE const uint8_t *wayside_peek(size_t n) {
    if (WAYSIDE__UNLIKELY(n > wayside__in.w - wayside__in.r)) return wayside__fill(n);
    return wayside__in.buf + wayside__in.r;
}

/** Gives the next n bytes and consumes them; NULL as wayside_peek, and then nothing is consumed. */
WAYSIDE__INLINE const uint8_t *wayside_next(size_t n) {
    const uint8_t *p = wayside_peek(n);
    if (p != NULL) wayside__in.r += n;
    return p;
}

/** Gives the number of unread bytes at hand. At the end of a part, where wayside_peek gave NULL, they are the rest. */
WAYSIDE__INLINE size_t wayside_at_hand(void) { return wayside__in.w - wayside__in.r; }

/** Gives all unread bytes that are at hand and their number, at least n of them unless the part ends before. A decoder
 * whose records are small walks through them and consumes what it used with wayside_skip. */
WAYSIDE__INLINE const uint8_t *wayside_window(size_t n, size_t *have) {
    if (WAYSIDE__UNLIKELY(n > wayside_at_hand())) wayside__fill(n);
    *have = wayside_at_hand();
    return wayside__in.buf + wayside__in.r;
}

/** Consumes n bytes, or all up to the end of the part; gives how many. */
uint64_t wayside_skip(uint64_t n);

/** Gives the offset of the next unread byte. */
WAYSIDE__INLINE int64_t wayside_offset(void) { return wayside__in.base + (int64_t)wayside__in.r; }

/** Says whether the host wants no more rows; reading gives nothing then, and the decoder returns. */
bool wayside_stopped(void);

/** Reads anywhere in the open part, from whose start off counts; gives how many bytes, 0 at its end or without
 * capability seek. */
size_t wayside_read_at(int64_t off, void *p, size_t n);

/** Gives the length of the open part, -1 without capability seek. */
int64_t wayside_size(void);

/** Goes on with the next of the files that the input came as; false where there is none, and the input stays as it is.
 * Bytes of the former part that were not read are dropped. A decoder whose format has a sequence calls it where its
 * input ends, well or within a record, until it is false. */
bool wayside_next_part(void);

/** Copies the name of the open part, cut to cap with its NUL, and gives its whole length; 0 where there is none. */
size_t wayside_part_name(char *buf, size_t cap);

/** Gives the offset of the open part's first byte: what is to be added to an offset of wayside_read_at. */
WAYSIDE__INLINE int64_t wayside_part_offset(void) { return wayside__in.start; }

/** Little-endian and big-endian numbers at any address. */
#define WAYSIDE__NUMBER(NAME, T, U, SWAP)                                                                              \
    WAYSIDE__INLINE T wayside_le_##NAME(const uint8_t *p) {                                                            \
        T v;                                                                                                           \
        __builtin_memcpy(&v, p, sizeof v);                                                                             \
        return v;                                                                                                      \
    }                                                                                                                  \
    WAYSIDE__INLINE T wayside_be_##NAME(const uint8_t *p) {                                                            \
        U u;                                                                                                           \
        T v;                                                                                                           \
        __builtin_memcpy(&u, p, sizeof u);                                                                             \
        u = SWAP(u);                                                                                                   \
        __builtin_memcpy(&v, &u, sizeof v);                                                                            \
        return v;                                                                                                      \
    }
/** For each `X` of u16, u32, u64, i16, i32, i64, f32, f64 there are `wayside_le_X(p)` and `wayside_be_X(p)`: the
 * little-endian and the big-endian number at any address. */
#define WAYSIDE_NUMBERS(M)                                                                                             \
    M(u16, uint16_t, uint16_t, __builtin_bswap16) M(u32, uint32_t, uint32_t, __builtin_bswap32)                        \
    M(u64, uint64_t, uint64_t, __builtin_bswap64) M(i16, int16_t, uint16_t, __builtin_bswap16)                         \
    M(i32, int32_t, uint32_t, __builtin_bswap32) M(i64, int64_t, uint64_t, __builtin_bswap64)                          \
    M(f32, float, uint32_t, __builtin_bswap32) M(f64, double, uint64_t, __builtin_bswap64)

WAYSIDE_NUMBERS(WAYSIDE__NUMBER)

/* ## Parameters, issues, failures */

/** Copies a parameter of the decode, cut to cap with its NUL, and gives its whole length; -1 where it was not given. */
int32_t wayside_param(const char *key, char *buf, size_t cap);

/** Says whether a parameter was given as this text. */
bool wayside_param_is(const char *key, const char *value);

/** Gives a parameter that is true or false, or its default. */
bool wayside_param_bool(const char *key, bool def);

/** Gives a parameter that is a whole number, or its default. */
int64_t wayside_param_int(const char *key, int64_t def);

/** Severities of an issue, in rising order. */
typedef enum wayside_severity {
    WAYSIDE_INFO = 0,    /* worth knowing */
    WAYSIDE_WARNING = 1, /* the row is kept, doubtful */
    WAYSIDE_ERROR = 2,   /* a record is lost, decoding goes on */
    WAYSIDE_FATAL = 3    /* decoding cannot go on past this offset: reported last, then the decoder returns */
} wayside_severity;

/** Reports a problem at a byte offset of the input, -1 = none. The code is [a-z0-9_]+. The message is formatted as
 * wayside_print does. */
WAYSIDE__PRINTF(4, 5) void wayside_issue(wayside_severity severity, int64_t offset, const char *code, const char *format, ...);

/** Notes why the decode fails and gives 1, which decode returns: `return wayside_fail("truncated", "…")`. The codes of
 * the host are unknown_format, truncated, corrupt_record and unsupported. */
WAYSIDE__PRINTF(2, 3) int32_t wayside_fail(const char *code, const char *format, ...);

/** Writes a line to the decode's log. */
WAYSIDE__PRINTF(2, 3) void wayside_log(wayside_severity level, const char *format, ...);

/** Formats a text into cap bytes with its NUL, cut where it does not fit, and gives its length. It knows %d %i %u %x %X %c
 * %s %% with the lengths l, ll and z, a width with or without 0, and %.*s. */
WAYSIDE__PRINTF(3, 4) size_t wayside_print(char *buf, size_t cap, const char *format, ...);

/* ## Sub-files
 *
 * With capability child a decoder gives out files that lie in its input; each becomes a file and a decode of its own. */

/** Begins a sub-file and gives its handle, negative where the host refuses it. The name may come from the input: one that
 * is longer than 255 bytes is cut, none is "unnamed". At most 8 are open at a time. */
int32_t wayside_child(const char *name);

/** Writes n bytes to a sub-file; false where the host refuses them. */
bool wayside_child_write(int32_t child, const void *p, size_t n);

/** Completes a sub-file. */
void wayside_child_close(int32_t child);

/* ## Memory
 *
 * A decoder that needs memory of a size that it learns late takes it here, or from its C library. */

/** Gives n bytes, not cleared, or NULL. The SDK has noted then that the decode fails with memory_limit. */
void *wayside_alloc(size_t n);

/** Gives memory of wayside_alloc back; n is its size. */
void wayside_free(void *p, size_t n);

/* ## Exports */

/* The bodies of the exports. */
int32_t wayside__decode(void (*declare)(void), int32_t (*decode)(void));
void wayside__manifest(const wayside_info *info, void (*declare)(void));
int32_t wayside__sniff(int32_t (*sniff)(const uint8_t *head, size_t n));

#ifdef __wasm__
#define WAYSIDE__EXPORT(n) __attribute__((export_name(#n), visibility("default")))
#define WAYSIDE__IMPORT(n) __attribute__((import_module("wayside_v1"), import_name(#n)))
#else
#define WAYSIDE__EXPORT(n)
#define WAYSIDE__IMPORT(n)
#endif

/** Makes the exports of a plugin: its info, the function that declares the tables, and the one that decodes and gives 0
 * or what wayside_fail gave. */
#define WAYSIDE_PLUGIN(INFO, DECLARE, DECODE)                                                                          \
    WAYSIDE__EXPORT(wayside_manifest) void wayside_manifest(void);                                                     \
    WAYSIDE__EXPORT(wayside_decode) int32_t wayside_decode(void);                                                      \
    void wayside_manifest(void) { wayside__manifest(&(INFO), DECLARE); }                                               \
    int32_t wayside_decode(void) { return wayside__decode(DECLARE, DECODE); }

/** Makes the export of a function that looks at the first bytes of a file, at most 64 KiB, and says how sure it is that
 * the file is its own, 0 to 100. The host asks it where the rules of several plugins fit. */
#define WAYSIDE_SNIFF(SNIFF)                                                                                           \
    WAYSIDE__EXPORT(wayside_sniff) int32_t wayside_sniff(void);                                                        \
    int32_t wayside_sniff(void) { return wayside__sniff(SNIFF); }

/* ## Host
 *
 * The imports of the ABI. Natively a test provides them as functions; an address in a descriptor is a word of the
 * machine then. */
WAYSIDE__IMPORT(read) int32_t wayside_host_read(void *p, uint32_t n);
WAYSIDE__IMPORT(read_at) int32_t wayside_host_read_at(int64_t off, void *p, uint32_t n);
WAYSIDE__IMPORT(size) int64_t wayside_host_size(void);
WAYSIDE__IMPORT(part) int32_t wayside_host_part(int32_t index, void *p, uint32_t cap);
WAYSIDE__IMPORT(open_part) int32_t wayside_host_open_part(int32_t index);
WAYSIDE__IMPORT(manifest) void wayside_host_manifest(const void *p, uint32_t n);
WAYSIDE__IMPORT(table) int32_t wayside_host_table(const void *p, uint32_t n);
WAYSIDE__IMPORT(emit) int32_t wayside_host_emit(int32_t table, const uintptr_t *desc);
WAYSIDE__IMPORT(issue) void wayside_host_issue(int32_t severity, int64_t off, const void *code, uint32_t code_len, const void *p, uint32_t n);
WAYSIDE__IMPORT(fail) void wayside_host_fail(const void *code, uint32_t code_len, const void *p, uint32_t n);
WAYSIDE__IMPORT(log) void wayside_host_log(int32_t level, const void *p, uint32_t n);
WAYSIDE__IMPORT(param) int32_t wayside_host_param(const void *key, uint32_t key_len, void *p, uint32_t cap);
WAYSIDE__IMPORT(child) int32_t wayside_host_child(const void *name, uint32_t n);
WAYSIDE__IMPORT(child_write) int32_t wayside_host_child_write(int32_t child, const void *p, uint32_t n);
WAYSIDE__IMPORT(child_close) void wayside_host_child_close(int32_t child);

#ifdef __cplusplus
}
#endif

#endif /* WAYSIDE_H */

#if defined(WAYSIDE_IMPLEMENTATION) && !defined(WAYSIDE__IMPLEMENTED)
#define WAYSIDE__IMPLEMENTED

/* Limits of the contract, and sizes of the buffers: they start small, because most files are. */
enum {
    WAYSIDE__BATCH_ROWS = 8192,
    WAYSIDE__BATCH_BYTES = 1 << 20,
    WAYSIDE__MAX_BATCH_BYTES = 16 << 20,
    WAYSIDE__SNIFF_HEAD = 64 << 10,
    WAYSIDE__FIRST_ROWS = 64,
    WAYSIDE__FIRST_TEXT = 1024,
    WAYSIDE__FIRST_BUFFER = 16 << 10,
    WAYSIDE__FULL_BUFFER = 256 << 10,
    WAYSIDE__MAX_SCHEMAS = 1 << 20, /* of the tables found at run time, together */
    WAYSIDE__MAX_TABLES = 256,
    WAYSIDE__MAX_COLUMNS = 4096,
    WAYSIDE__MAX_NAME = 63,
    WAYSIDE__MAX_CHILD = 255, /* bytes of a sub-file's name */
    WAYSIDE__NOT_OPEN = -1, /* index of a table found at run time until the host has taken it */
    WAYSIDE__MOST = 1 << 30, /* of anything */
    WAYSIDE__MESSAGE = 1024
};

static uint8_t wayside__first_buffer[WAYSIDE__FIRST_BUFFER];
wayside__input wayside__in;

/* Memory of wayside_keep, before its bytes. */
typedef union wayside__kept {
    struct {
        union wayside__kept *next;
        size_t size;
    } head;
    uint8_t align[16];
} wayside__kept;

/* The run: why it ends, if it does. */
static struct {
    wayside_table *first, *last;
    wayside__kept *kept;
    size_t schemas;
    uint32_t open;
    bool manifest, decoding, stopped, failed;
    char code[64], message[WAYSIDE__MESSAGE];
} wayside__run;

/* Text */

static size_t wayside__len(const char *s) {
    size_t n = 0;
    while (s[n] != 0) n++;
    return n;
}

static bool wayside__same(const char *a, const char *b) {
    while (*a != 0 && *a == *b) a++, b++;
    return *a == *b;
}

static void wayside__copy(uint8_t *to, const uint8_t *from, size_t n) { __builtin_memcpy(to, from, n); }

/* Where wayside_print writes. */
typedef struct wayside__out {
    char *buf;
    size_t n, cap;
} wayside__out;

static void wayside__put(wayside__out *o, char c) {
    if (o->n + 1 < o->cap) o->buf[o->n++] = c;
}

static void wayside__digits(wayside__out *o, uint64_t v, unsigned base, bool minus, bool upper, size_t width, bool zero) {
    char t[24];
    size_t n = 0, all;
    do {
        unsigned d = (unsigned)(v % base);
        t[n++] = (char)(d < 10 ? '0' + d : (upper ? 'A' : 'a') + d - 10);
        v /= base;
    } while (v != 0);
    all = n + (minus ? 1 : 0);
    for (; !zero && width > all; width--) wayside__put(o, ' ');
    if (minus) wayside__put(o, '-');
    for (; width > all; width--) wayside__put(o, '0');
    while (n > 0) wayside__put(o, t[--n]);
}

static size_t wayside__vprint(char *buf, size_t cap, const char *f, va_list args) {
    wayside__out o = {buf, 0, cap};
    for (; *f != 0; f++) {
        size_t width = 0, most = WAYSIDE__MOST;
        bool zero = false;
        int size = 0; /* 1 = l, 2 = ll, 3 = z */
        if (*f != '%') {
            wayside__put(&o, *f);
            continue;
        }
        f++;
        for (; *f >= '0' && *f <= '9' && width < 100; f++) {
            zero = zero || (width == 0 && *f == '0');
            width = width * 10 + (size_t)(*f - '0');
        }
        if (f[0] == '.' && f[1] == '*') {
            int n = va_arg(args, int);
            most = n < 0 ? 0 : (size_t)n;
            f += 2;
        }
        for (; *f == 'l' || *f == 'z'; f++) size = *f == 'z' ? 3 : size + 1;
        switch (*f) {
        case 'd':
        case 'i': {
            int64_t v = size == 0 ? va_arg(args, int) : size == 1 ? va_arg(args, long) : size == 3 ? (int64_t)va_arg(args, size_t) : va_arg(args, long long);
            wayside__digits(&o, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10, v < 0, false, width, zero);
            break;
        }
        case 'u':
        case 'x':
        case 'X': {
            uint64_t v = size == 0 ? va_arg(args, unsigned) : size == 1 ? va_arg(args, unsigned long) : size == 3 ? va_arg(args, size_t) : va_arg(args, unsigned long long);
            wayside__digits(&o, v, *f == 'u' ? 10 : 16, false, *f == 'X', width, zero);
            break;
        }
        case 's': {
            const char *s = va_arg(args, const char *);
            size_t i;
            if (s == NULL) s = "";
            for (i = 0; i < most && s[i] != 0; i++) wayside__put(&o, s[i]);
            break;
        }
        case 'c':
            wayside__put(&o, (char)va_arg(args, int));
            break;
        case 0:
            f--;
            break;
        default:
            wayside__put(&o, *f);
        }
    }
    if (cap > 0) buf[o.n] = 0;
    return o.n;
}

size_t wayside_print(char *buf, size_t cap, const char *format, ...) {
    va_list args;
    size_t n;
    va_start(args, format);
    n = wayside__vprint(buf, cap, format, args);
    va_end(args);
    return n;
}

/* Failures */

int32_t wayside_fail(const char *code, const char *format, ...) {
    va_list args;
    if (wayside__run.failed) return 1; /* the first reason counts */
    wayside__run.failed = true;
    va_start(args, format);
    wayside_print(wayside__run.code, sizeof wayside__run.code, "%s", code);
    wayside__vprint(wayside__run.message, sizeof wayside__run.message, format, args);
    va_end(args);
    return 1;
}

void wayside_issue(wayside_severity severity, int64_t offset, const char *code, const char *format, ...) {
    char text[WAYSIDE__MESSAGE];
    va_list args;
    size_t n;
    va_start(args, format);
    n = wayside__vprint(text, sizeof text, format, args);
    va_end(args);
    wayside_host_issue((int32_t)severity, offset, code, (uint32_t)wayside__len(code), text, (uint32_t)n);
}

void wayside_log(wayside_severity level, const char *format, ...) {
    char text[WAYSIDE__MESSAGE];
    va_list args;
    size_t n;
    va_start(args, format);
    n = wayside__vprint(text, sizeof text, format, args);
    va_end(args);
    wayside_host_log((int32_t)level, text, (uint32_t)n);
}

/* Memory: sizes are powers of two, and what is given back is kept for the same size. */

#ifdef __wasm__
static struct wayside__free {
    struct wayside__free *next;
} *wayside__spare[32];
static uintptr_t wayside__heap, wayside__heap_end;

static unsigned wayside__class(size_t n) {
    unsigned k = 4;
    while (((size_t)1 << k) < n) k++;
    return k;
}

void *wayside_alloc(size_t n) {
    unsigned k;
    size_t size;
    void *p;
    if (n > WAYSIDE__MOST) {
        wayside_fail("memory_limit", "the decoder asks for %zu bytes", n);
        return NULL;
    }
    k = wayside__class(n);
    if (wayside__spare[k] != NULL) {
        p = wayside__spare[k];
        wayside__spare[k] = wayside__spare[k]->next;
        return p;
    }
    size = (size_t)1 << k;
    if (wayside__heap_end - wayside__heap < size) {
        size_t pages = (size + 0xffff) >> 16;
        size_t old = __builtin_wasm_memory_grow(0, pages);
        if (old == (size_t)-1) {
            wayside_fail("memory_limit", "no memory for %zu bytes", n);
            return NULL;
        }
        if (old << 16 != wayside__heap_end) wayside__heap = old << 16; /* another has grown it meanwhile */
        wayside__heap_end = (old + pages) << 16;
    }
    p = (void *)wayside__heap;
    wayside__heap += size;
    return p;
}

void wayside_free(void *p, size_t n) {
    struct wayside__free *f = (struct wayside__free *)p;
    if (p == NULL) return;
    f->next = wayside__spare[wayside__class(n)];
    wayside__spare[wayside__class(n)] = f;
}

#if defined(__clang__)
/* What the compiler may call even without a C library; one that is there has its own, which come first. */
__attribute__((weak, no_builtin("memcpy", "memmove"))) void *memcpy(void *restrict to, const void *restrict from, size_t n) {
    uint8_t *d = (uint8_t *)to;
    const uint8_t *s = (const uint8_t *)from;
    for (; n >= 8; n -= 8, d += 8, s += 8) {
        uint64_t v;
        __builtin_memcpy(&v, s, 8);
        __builtin_memcpy(d, &v, 8);
    }
    while (n-- > 0) *d++ = *s++;
    return to;
}

__attribute__((weak, no_builtin("memcpy", "memmove"))) void *memmove(void *to, const void *from, size_t n) {
    uint8_t *d = (uint8_t *)to;
    const uint8_t *s = (const uint8_t *)from;
    if ((uintptr_t)d - (uintptr_t)s >= n) return memcpy(to, from, n);
    while (n-- > 0) d[n] = s[n];
    return to;
}

__attribute__((weak, no_builtin("memset"))) void *memset(void *to, int c, size_t n) {
    uint8_t *d = (uint8_t *)to;
    while (n-- > 0) *d++ = (uint8_t)c;
    return to;
}

__attribute__((weak, no_builtin("memcmp"))) int memcmp(const void *a, const void *b, size_t n) {
    const uint8_t *x = (const uint8_t *)a, *y = (const uint8_t *)b;
    for (; n > 0; n--, x++, y++)
        if (*x != *y) return *x < *y ? -1 : 1;
    return 0;
}
#endif
#else
#include <stdlib.h>
void *wayside_alloc(size_t n) {
    void *p = n > WAYSIDE__MOST ? NULL : malloc(n > 0 ? n : 1);
    if (p == NULL) wayside_fail("memory_limit", "no memory for %zu bytes", n);
    return p;
}

void wayside_free(void *p, size_t n) {
    (void)n;
    free(p);
}
#endif

/* Gives a larger copy of memory, NULL = there is none, and the old one stays. */
static void *wayside__enlarge(void *p, size_t had, size_t used, size_t n) {
    void *to = wayside_alloc(n);
    if (to == NULL) return NULL;
    if (used > 0) wayside__copy((uint8_t *)to, (const uint8_t *)p, used);
    if (had > 0) wayside_free(p, had);
    return to;
}

void *wayside_keep(size_t n) {
    wayside__kept *k = n > WAYSIDE__MOST - sizeof *k ? NULL : (wayside__kept *)wayside_alloc(n + sizeof *k);
    if (k == NULL) {
        wayside_fail("memory_limit", "the decoder asks for %zu bytes", n);
        return NULL;
    }
    k->head.next = wayside__run.kept;
    k->head.size = n + sizeof *k;
    wayside__run.kept = k;
    __builtin_memset(k + 1, 0, n);
    return k + 1;
}

static void wayside__let_go(void) {
    while (wayside__run.kept != NULL) {
        wayside__kept *k = wayside__run.kept;
        wayside__run.kept = k->head.next;
        wayside_free(k, k->head.size);
    }
}

/* Gives a copy of a text that stays until the decode ends. */
static const char *wayside__keep_text(const char *s) {
    size_t n = wayside__len(s) + 1;
    char *to = (char *)wayside_keep(n);
    if (to == NULL) return "";
    wayside__copy((uint8_t *)to, (const uint8_t *)s, n);
    return to;
}

/* JSON */

WAYSIDE__RARE static void wayside__write(wayside__json *j, const char *s, size_t n) {
    if (n > j->room - j->n) {
        size_t room = j->room < 1024 ? 1024 : 2 * j->room;
        char *v;
        while (room - j->n < n) room *= 2;
        v = (char *)wayside__enlarge(j->v, j->room, j->n, room);
        if (v == NULL) return;
        j->v = v;
        j->room = room;
    }
    wayside__copy((uint8_t *)j->v + j->n, (const uint8_t *)s, n);
    j->n += n;
}

WAYSIDE__RARE static void wayside__raw(wayside__json *j, const char *s) { wayside__write(j, s, wayside__len(s)); }

WAYSIDE__RARE static void wayside__text(wayside__json *j, const char *s) {
    wayside__raw(j, "\"");
    for (; *s != 0; s++) {
        char t[8];
        if (*s == '"' || *s == '\\') {
            t[0] = '\\';
            t[1] = *s;
            wayside__write(j, t, 2);
        } else if ((uint8_t)*s < 0x20) {
            wayside__write(j, t, wayside_print(t, sizeof t, "\\u%04x", (unsigned)(uint8_t)*s));
        } else {
            wayside__write(j, s, 1);
        }
    }
    wayside__raw(j, "\"");
}

/* Begins an object or a list, and ends it. */
WAYSIDE__RARE static void wayside__open(wayside__json *j, const char *bracket) {
    wayside__raw(j, bracket);
    j->comma = false;
}

WAYSIDE__RARE static void wayside__close(wayside__json *j, const char *bracket) {
    wayside__raw(j, bracket);
    j->comma = true;
}

/* Begins an element, of an object with its key. */
WAYSIDE__RARE static void wayside__element(wayside__json *j, const char *key) {
    if (j->comma) wayside__raw(j, ",");
    j->comma = true;
    if (key != NULL) {
        wayside__text(j, key);
        wayside__raw(j, ":");
    }
}

WAYSIDE__RARE static void wayside__key(wayside__json *j, const char *key, const char *v) {
    if (v == NULL) return;
    wayside__element(j, key);
    wayside__text(j, v);
}

WAYSIDE__RARE static void wayside__int(wayside__json *j, const char *key, int64_t v) {
    char t[24];
    wayside__element(j, key);
    wayside__write(j, t, wayside_print(t, sizeof t, "%lld", (long long)v));
}

WAYSIDE__RARE static void wayside__flag(wayside__json *j, const char *key, bool v) {
    if (!v) return;
    wayside__element(j, key);
    wayside__raw(j, "true");
}

WAYSIDE__RARE static void wayside__list(wayside__json *j, const char *key, const char *const *v) {
    if (v == NULL) return;
    wayside__element(j, key);
    wayside__open(j, "[");
    for (; *v != NULL; v++) wayside__key(j, NULL, *v);
    wayside__close(j, "]");
}

/* Declarations */

/* Says whether the schema of a table is written: for the manifest, or because it was found at run time. */
static bool wayside__writes(const wayside_table *t) { return wayside__run.manifest || t->index == WAYSIDE__NOT_OPEN; }

void wayside_declare_table(wayside_table *t, const char *name, const char *description) {
    static const wayside_table none;
    const wayside_table *o;
    for (o = wayside__run.first; o != NULL; o = o->next)
        if (o == t) { /* the list of tables would have no end */
            wayside_fail("trap", "table %s: its variable is in use", name);
            return;
        }
    *t = none;
    t->name = name;
    t->columns = 1;
    t->width = 8;
    t->max_rows = WAYSIDE__BATCH_ROWS;
    t->index = wayside__run.last != NULL ? wayside__run.last->index + 1 : 0;
    if (wayside__run.last != NULL) wayside__run.last->next = t;
    else wayside__run.first = t;
    wayside__run.last = t;
    if (wayside__run.decoding) {
        t->index = WAYSIDE__NOT_OPEN;
        t->name = wayside__keep_text(name);
    }
    if (!wayside__writes(t)) return;
    wayside__key(&t->json, "name", name);
    wayside__key(&t->json, "description", description);
    wayside__element(&t->json, "columns");
    wayside__raw(&t->json, "[{\"name\":\"seq\",\"type\":\"i64\",\"description\":\"number of the row, from 1\"}");
}

/* The table's part of the manifest that comes after its columns: kept as text before them would be. */
void wayside_describe_rows(wayside_table *t, const char *column, int64_t plus, const char *layouts) {
    wayside__json *j = &t->json, old = t->json;
    static const wayside__json none;
    if (!wayside__writes(t)) return;
    *j = none;
    wayside__element(j, "row_length");
    wayside__open(j, "{");
    wayside__key(j, "column", column);
    wayside__int(j, "plus", plus);
    wayside__close(j, "}");
    if (layouts != NULL) {
        wayside__element(j, "layouts");
        wayside__raw(j, layouts);
    }
    wayside__raw(j, ",");
    if (old.n > 0) wayside__write(j, old.v, old.n);
    wayside_free(old.v, old.room);
    j->comma = true;
}

/* Ends the schema of a table and gives its memory back. */
static void wayside__end_schema(wayside_table *t, wayside__json *j) {
    static const wayside__json none;
    wayside__open(j, "{");
    if (t->json.n > 0) wayside__write(j, t->json.v, t->json.n);
    wayside__close(j, "]}");
    wayside_free(t->json.v, t->json.room);
    t->json = none;
}

void wayside__declare(wayside_table *t, wayside__column *c, const char *name, const char *type, uint8_t width,
                      const wayside_attr *attr) {
    static const wayside__column none;
    static const wayside_attr plain;
    uint32_t rows;
    wayside__json *j = &t->json;
    if (attr == NULL) attr = &plain;
    *c = none;
    if (wayside__run.decoding && t->index != WAYSIDE__NOT_OPEN) {
        wayside_fail("trap", "table %s: column %s comes too late", t->name, name);
        return;
    }
    c->table = t;
    c->name = wayside__run.decoding ? wayside__keep_text(name) : name;
    c->text = width == 0;
    c->width = c->text ? 4 : width;
    c->nullable = attr->nullable;
    if (t->last != NULL) t->last->next = c;
    else t->first = c;
    t->last = c;
    t->columns++;
    t->width += c->width;
    rows = WAYSIDE__BATCH_BYTES / t->width;
    t->max_rows = rows < 1 ? 1 : rows > WAYSIDE__BATCH_ROWS ? WAYSIDE__BATCH_ROWS : rows;
    if (!wayside__writes(t)) return;
    j->comma = true;
    wayside__element(j, NULL);
    wayside__open(j, "{");
    wayside__key(j, "name", name);
    wayside__key(j, "type", type);
    if (attr->scale != 0) wayside__int(j, "scale", attr->scale);
    wayside__key(j, "unit", attr->unit);
    if (attr->naive) wayside__key(j, "zone", "naive");
    wayside__key(j, "description", attr->description);
    wayside__flag(j, "nullable", attr->nullable);
    wayside__key(j, "role", attr->role);
    wayside__list(j, "labels", attr->labels);
    wayside__flag(j, "sensitive", attr->sensitive);
    wayside__close(j, "}");
}

static void wayside__begin(bool manifest) {
    static const wayside__input fresh;
    wayside__in = fresh;
    wayside__in.buf = wayside__first_buffer;
    wayside__in.size = sizeof wayside__first_buffer;
    wayside__run.first = wayside__run.last = NULL;
    wayside__run.kept = NULL;
    wayside__run.schemas = 0;
    wayside__run.open = 0;
    wayside__run.decoding = false;
    wayside__run.manifest = manifest;
    wayside__run.stopped = wayside__run.failed = false;
}

WAYSIDE__RARE static void wayside__walk_rule(wayside__json *j, const wayside_walk *w) {
    size_t i;
    wayside__element(j, "walk");
    wayside__open(j, "{");
    wayside__int(j, "records", w->records);
    wayside__int(j, "least", w->least);
    wayside__int(j, "header", w->header);
    wayside__int(j, "type_at", w->type_at);
    wayside__int(j, "length_at", w->length_at);
    wayside__element(j, "lengths");
    wayside__open(j, "{");
    for (i = 0; i < w->type_count; i++) {
        char key[8];
        wayside_print(key, sizeof key, "%u", (unsigned)w->types[i].type);
        wayside__int(j, key, w->types[i].length);
    }
    wayside__close(j, "}");
    if (w->range_count > 0) {
        wayside__element(j, "ranges");
        wayside__open(j, "[");
        for (i = 0; i < w->range_count; i++) {
            wayside__element(j, NULL);
            wayside__open(j, "{");
            wayside__int(j, "at", w->ranges[i].at);
            wayside__int(j, "min", w->ranges[i].min);
            wayside__int(j, "max", w->ranges[i].max);
            wayside__close(j, "}");
        }
        wayside__close(j, "]");
    }
    wayside__close(j, "}");
}

WAYSIDE__RARE static void wayside__format_json(wayside__json *j, const wayside_format *f) {
    size_t i;
    wayside__element(j, NULL);
    wayside__open(j, "{");
    wayside__key(j, "id", f->id);
    wayside__key(j, "name", f->name);
    wayside__list(j, "extensions", f->extensions);
    wayside__list(j, "media_types", f->media_types);
    wayside__element(j, "sniff");
    wayside__open(j, "[");
    for (i = 0; i < f->sniff_count; i++) {
        const wayside_sniff_rule *r = &f->sniff[i];
        wayside__element(j, NULL);
        wayside__open(j, "{");
        if (r->offset != 0) wayside__int(j, "offset", r->offset);
        wayside__key(j, "bytes", r->bytes);
        wayside__key(j, "mask", r->mask);
        wayside__key(j, "regex", r->regex);
        wayside__key(j, "comment", r->comment);
        if (r->walk != NULL) wayside__walk_rule(j, r->walk);
        wayside__close(j, "}");
    }
    wayside__close(j, "]");
    if (f->sequence.length > 0) {
        wayside__element(j, "sequence");
        wayside__open(j, "{");
        wayside__int(j, "at", f->sequence.at);
        wayside__int(j, "length", f->sequence.length);
        wayside__close(j, "}");
    }
    wayside__close(j, "}");
}

WAYSIDE__RARE void wayside__manifest(const wayside_info *info, void (*declare)(void)) {
    wayside__json j = {NULL, 0, 0, false};
    wayside_table *t;
    size_t i;
    wayside__begin(true);
    declare();
    wayside__open(&j, "{");
    wayside__key(&j, "id", info->id);
    wayside__key(&j, "name", info->name);
    wayside__key(&j, "version", info->version);
    wayside__int(&j, "abi", 1);
    wayside__key(&j, "description", info->description);
    wayside__key(&j, "licence", info->licence);
    wayside__element(&j, "formats");
    wayside__open(&j, "[");
    for (i = 0; i < info->format_count; i++) wayside__format_json(&j, &info->formats[i]);
    wayside__close(&j, "]");
    wayside__element(&j, "tables");
    wayside__open(&j, "[");
    for (t = wayside__run.first; t != NULL; t = t->next) {
        wayside__element(&j, NULL);
        wayside__end_schema(t, &j);
    }
    wayside__close(&j, "]");
    if (info->params != NULL) {
        wayside__element(&j, "params");
        wayside__raw(&j, info->params);
    }
    wayside__list(&j, "capabilities", info->capabilities);
    if (info->memory_mib > 0) wayside__int(&j, "memory_mib", info->memory_mib);
    wayside__close(&j, "}");
    if (!wayside__run.failed) wayside_host_manifest(j.v, (uint32_t)j.n);
    wayside_free(j.v, j.room);
    wayside__let_go();
}

/* Columns */

static size_t wayside__values(const wayside__column *c) {
    return c->data == NULL ? 0 : (size_t)(c->p - c->data) / c->width - (c->text ? 1 : 0);
}

/* Sets the column to n values, of which there are at least as many. */
static void wayside__trim(wayside__column *c, uint32_t n) {
    if (c->data == NULL) return;
    if (c->text) {
        uint32_t used;
        __builtin_memcpy(&used, c->data + 4 * (size_t)n, sizeof used);
        c->used = used;
    }
    c->p = c->data + c->width * ((size_t)n + (c->text ? 1 : 0));
    if (n == 0) c->nulls = false;
}

WAYSIDE__RARE void wayside__overfull(wayside__column *c) {
    if (c->table == NULL) wayside_fail("trap", "a column was not declared");
    else if (c->table->index == WAYSIDE__NOT_OPEN) wayside_fail("trap", "table %s was not opened", c->table->name);
    else wayside_fail("trap", "table %s: column %s has more values than rows", c->table->name, c->name);
}

void wayside__null(wayside__column *c) {
    size_t row;
    uint32_t end;
    if (c->p == c->end) {
        wayside__overfull(c);
        return;
    }
    if (!c->nullable) {
        wayside_fail("trap", "table %s: column %s is not nullable", c->table->name, c->name);
        return;
    }
    if (!c->nulls) {
        size_t size = (c->table->max_rows + 7) / 8;
        if (c->valid == NULL) c->valid = (uint8_t *)wayside_alloc(size);
        if (c->valid == NULL) return;
        __builtin_memset(c->valid, 0xff, size);
        c->nulls = true;
    }
    row = wayside__values(c);
    c->valid[row >> 3] &= (uint8_t)~(1u << (row & 7));
    if (c->text) {
        end = (uint32_t)c->used;
        __builtin_memcpy(c->p, &end, sizeof end);
    } else {
        __builtin_memset(c->p, 0, c->width);
    }
    c->p += c->width;
}

/* Makes room for n more bytes. Past BATCH_BYTES the batch ends with this row. */
WAYSIDE__RARE bool wayside__extend(wayside__column *c, size_t n) {
    size_t room = c->bytes_room < WAYSIDE__FIRST_TEXT ? WAYSIDE__FIRST_TEXT : c->bytes_room;
    uint8_t *v;
    if (n > WAYSIDE__MOST - c->used) {
        wayside_fail("output_limit", "a text is too long");
        return false;
    }
    if (c->used + n > WAYSIDE__BATCH_BYTES) c->table->limit = 0;
    while (room - c->used < n) room *= 2;
    v = (uint8_t *)wayside__enlarge(c->bytes, c->bytes_room, c->used, room);
    if (v == NULL) return false;
    c->bytes = v;
    c->bytes_room = room;
    return true;
}

/* Gives the length of the character that begins at p, 0 where none does. */
static size_t wayside__character(const uint8_t *p, size_t n) {
    uint8_t a = p[0], least = 0x80, most = 0xbf;
    size_t len, i;
    if (a < 0x80) return 1;
    if (a < 0xc2 || a > 0xf4) return 0;
    len = a < 0xe0 ? 2 : a < 0xf0 ? 3 : 4;
    if (len > n) return 0;
    if (a == 0xe0) least = 0xa0;
    if (a == 0xed) most = 0x9f;
    if (a == 0xf0) least = 0x90;
    if (a == 0xf4) most = 0x8f;
    if (p[1] < least || p[1] > most) return 0;
    for (i = 2; i < len; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    return len;
}

void wayside_text_set_lossy(wayside_text *c, const void *v, size_t n) {
    const uint8_t *p = (const uint8_t *)v;
    size_t good = 0, k, start, used, at;
    wayside__column *t = &c->c;
    for (;;) {
        for (; n - good >= 8; good += 8) { /* most texts are ASCII */
            uint64_t word;
            __builtin_memcpy(&word, p + good, sizeof word);
            if (word & 0x8080808080808080u) break;
        }
        if (good == n || (k = wayside__character(p + good, n - good)) == 0) break;
        good += k;
    }
    if (good == n) {
        wayside_text_set(c, v, n);
        return;
    }
    if (t->p == t->end) {
        wayside__overfull(t);
        return;
    }
    if (n > WAYSIDE__MOST / 3) {
        wayside_fail("output_limit", "a text is too long");
        return;
    }
    if (3 * n > t->bytes_room - t->used && !wayside__extend(t, 3 * n)) return;
    start = t->used;
    used = start;
    for (at = 0; at < n;) {
        k = wayside__character(p + at, n - at);
        if (k == 0) {
            while (at < n && wayside__character(p + at, n - at) == 0) at++;
            t->bytes[used++] = 0xef;
            t->bytes[used++] = 0xbf;
            t->bytes[used++] = 0xbd;
            continue;
        }
        for (; k > 0; k--) t->bytes[used++] = p[at++];
    }
    wayside_text_set(c, t->bytes + start, 0);
    t->used = used;
    {
        uint32_t end = (uint32_t)used;
        __builtin_memcpy(t->p - sizeof end, &end, sizeof end);
    }
}

/* Batches */

/* Makes room for rows in every column. */
static void wayside__grow(wayside_table *t, uint32_t rows) {
    wayside__column *c;
    for (c = t->first; c != NULL; c = c->next) {
        size_t extra = c->text ? 1 : 0, had = c->data == NULL ? 0 : (size_t)(c->end - c->data);
        size_t used = (size_t)(c->p - c->data), size = c->width * (rows + extra);
        uint8_t *v = (uint8_t *)wayside__enlarge(c->data, had, used, size);
        if (v == NULL) return; /* the room stays what it was; the decode ends */
        if (used == 0 && c->text) {
            __builtin_memset(v, 0, 4);
            used = 4;
        }
        c->data = v;
        c->p = v + used;
        c->end = v + size;
    }
    t->room = rows;
}

/* Makes the table ready for rows. */
static void wayside__begin_table(wayside_table *t) {
    wayside__grow(t, t->max_rows < WAYSIDE__FIRST_ROWS ? t->max_rows : WAYSIDE__FIRST_ROWS);
    t->limit = t->room;
}

/* Says whether every column has one value a row; else the decode fails, and the rows of the batch are dropped. */
static bool wayside__check(wayside_table *t) {
    wayside__column *c;
    for (c = t->first; c != NULL; c = c->next)
        if (wayside__values(c) != t->n) {
            wayside_fail("trap", "table %s: column %s has %zu values in %u rows", t->name, c->name, wayside__values(c), (unsigned)t->n);
            return false;
        }
    return true;
}

static void wayside__drop(wayside_table *t) {
    wayside__column *c;
    for (c = t->first; c != NULL; c = c->next) wayside__trim(c, 0);
    t->n = 0;
}

static void wayside__emit(wayside_table *t) {
    uintptr_t *d = t->desc + 4;
    wayside__column *c;
    uint32_t i;
    for (i = 0; i < t->n; i++) t->seq[i] = t->flushed + (int64_t)i + 1;
    t->desc[0] = t->n;
    t->desc[1] = t->columns;
    t->desc[2] = t->desc[3] = 0;
    d[0] = (uintptr_t)t->seq;
    d[1] = d[2] = 0;
    d[3] = 8 * (uintptr_t)t->n;
    for (c = t->first; c != NULL; c = c->next) {
        d += 4;
        d[0] = (uintptr_t)(c->text ? c->bytes : c->data);
        d[1] = (uintptr_t)(c->nulls ? c->valid : NULL);
        d[2] = (uintptr_t)(c->text ? c->data : NULL);
        d[3] = c->text ? c->used : c->width * (uintptr_t)t->n;
    }
    if (wayside_host_emit(t->index, t->desc) != 0) wayside__run.stopped = true;
}

/* Emits the complete rows. */
static void wayside__flush(wayside_table *t) {
    size_t size = (size_t)t->n * t->width, seq = 8 * (size_t)t->max_rows;
    wayside__column *c;
    if (t->n > 0 && wayside__check(t)) {
        for (c = t->first; c != NULL; c = c->next) size += c->used;
        if (size > WAYSIDE__MAX_BATCH_BYTES) wayside_fail("output_limit", "a row is larger than a batch may be");
        if (t->seq == NULL) t->seq = (int64_t *)wayside_alloc(seq);
        if (t->desc == NULL) t->desc = (uintptr_t *)wayside_alloc((4 + 4 * (size_t)t->columns) * sizeof(uintptr_t));
        if (size <= WAYSIDE__MAX_BATCH_BYTES && t->seq != NULL && t->desc != NULL && !wayside__run.stopped) wayside__emit(t);
    }
    t->flushed += t->n;
    wayside__drop(t);
}

/* The rare part of wayside_end_row: ends a batch, or makes room for more rows of it. */
WAYSIDE__RARE void wayside__end_batch(wayside_table *t) {
    if (t->index == WAYSIDE__NOT_OPEN) wayside_fail("trap", "table %s was not opened", t->name);
    if (wayside__run.manifest || t->room == 0) { /* no decode runs, or there was no memory at all */
        t->n = 0;
        return;
    }
    if (t->n >= t->max_rows || t->limit == 0) wayside__flush(t);
    if (t->n >= t->room) wayside__grow(t, 2 * t->room < t->max_rows ? 2 * t->room : t->max_rows);
    if (t->n >= t->room) wayside__drop(t); /* no memory: the decode fails */
    t->limit = t->room;
}

void wayside_added(wayside_table *t, uint32_t rows) {
    wayside__column *c;
    if (rows > t->room - t->n) {
        wayside_fail("trap", "table %s: %u rows were added, there was room for %u", t->name, (unsigned)rows, (unsigned)(t->room - t->n));
        return;
    }
    for (c = t->first; c != NULL; c = c->next)
        if (!c->text && (size_t)(c->end - c->p) >= c->width * (size_t)rows) c->p += c->width * (size_t)rows;
    t->n += rows;
    if (t->n >= t->limit) wayside__end_batch(t);
}

/* Tables found at run time */

/* Says whether the table has a column. */
static bool wayside__has(const wayside_table *t, const char *name) {
    const wayside__column *c;
    for (c = t->first; c != NULL; c = c->next)
        if (wayside__same(c->name, name)) return true;
    return wayside__same(name, "seq");
}

/* Makes a name that no other column is looked at for, and gives its length. */
static size_t wayside__plain_name(char *to, const char *text, size_t n) {
    size_t i, k = 0;
    bool gap = false;
    for (i = 0; i < n && k < WAYSIDE__MAX_NAME; i++) {
        char c = text[i];
        if (c >= 'A' && c <= 'Z') c = (char)(c + ('a' - 'A'));
        if ((c < 'a' || c > 'z') && (c < '0' || c > '9')) {
            gap = k > 0;
            continue;
        }
        if (k == 0 && c <= '9') to[k++] = 'c'; /* a name begins with a letter */
        if (gap) to[k++] = '_';
        gap = false;
        if (k < WAYSIDE__MAX_NAME) to[k++] = c;
    }
    to[k] = 0;
    return k > 0 ? k : wayside_print(to, WAYSIDE__MAX_NAME, "column");
}

const char *wayside_name(wayside_table *t, const void *text, size_t n) {
    char number[16];
    size_t base = wayside__plain_name(t->made, (const char *)text, n), digits, keep;
    char stem[WAYSIDE__MAX_NAME + 1];
    wayside__copy((uint8_t *)stem, (const uint8_t *)t->made, base + 1);
    while (wayside__has(t, t->made)) {
        t->copies++;
        digits = wayside_print(number, sizeof number, "_%u", (unsigned)t->copies + 1);
        keep = base < WAYSIDE__MAX_NAME - digits ? base : WAYSIDE__MAX_NAME - digits;
        wayside_print(t->made, sizeof t->made, "%.*s%s", (int)keep, stem, number);
    }
    return t->made;
}

/* Says whether a name is ^[a-z][a-z0-9_]{0,62}$. */
static bool wayside__valid_name(const char *s) {
    size_t i;
    if (s[0] < 'a' || s[0] > 'z') return false;
    for (i = 0; s[i] != 0; i++)
        if ((s[i] < 'a' || s[i] > 'z') && (s[i] < '0' || s[i] > '9') && s[i] != '_') return false;
    return i <= WAYSIDE__MAX_NAME;
}

/* Says whether the host takes a table; what it would not take ends the instance with a reason that helps nobody. */
static bool wayside__admit(const wayside_table *t) {
    const wayside_table *o;
    const wayside__column *c, *d;
    if (wayside__run.open >= WAYSIDE__MAX_TABLES)
        return wayside_fail("table_limit", "there are more than %d tables", WAYSIDE__MAX_TABLES) == 0;
    if (t->columns > WAYSIDE__MAX_COLUMNS)
        return wayside_fail("table_limit", "table %s: there are more than %d columns", t->name, WAYSIDE__MAX_COLUMNS) == 0;
    if (!wayside__valid_name(t->name) || wayside__same(t->name, "issues"))
        return wayside_fail("trap", "\"%.*s\" cannot be the name of a table", 80, t->name) == 0;
    for (o = wayside__run.first; o != NULL; o = o->next)
        if (o != t && o->index != WAYSIDE__NOT_OPEN && wayside__same(o->name, t->name))
            return wayside_fail("trap", "table %s: there are two", t->name) == 0;
    for (c = t->first; c != NULL; c = c->next) {
        bool twice = wayside__same(c->name, "seq");
        if (!wayside__valid_name(c->name))
            return wayside_fail("trap", "table %s: \"%.*s\" cannot be the name of a column", t->name, 80, c->name) == 0;
        for (d = t->first; d != c; d = d->next) twice = twice || wayside__same(c->name, d->name);
        if (twice) return wayside_fail("trap", "table %s: there are two columns %s", t->name, c->name) == 0;
    }
    return true;
}

bool wayside_open_table(wayside_table *t) {
    wayside__json j = {NULL, 0, 0, false};
    if (wayside__run.failed) return false;
    if (!wayside__run.decoding || t->index != WAYSIDE__NOT_OPEN) {
        wayside_fail("trap", "table %s is open already", t->name);
        return false;
    }
    if (!wayside__admit(t)) return false;
    wayside__end_schema(t, &j);
    wayside__run.schemas += j.n;
    if (wayside__run.schemas > WAYSIDE__MAX_SCHEMAS)
        wayside_fail("table_limit", "the schemas of the tables found at run time have more than %d bytes", WAYSIDE__MAX_SCHEMAS);
    if (!wayside__run.failed) {
        int32_t index = wayside_host_table(j.v, (uint32_t)j.n);
        if (index < 0) wayside_fail("table_limit", "table %s: the host does not take it", t->name);
        else t->index = index;
    }
    wayside_free(j.v, j.room);
    if (wayside__run.failed) return false;
    wayside__run.open++;
    wayside__begin_table(t);
    return !wayside__run.failed;
}

/* Input */

const uint8_t *wayside__fill(size_t n) {
    wayside__input *in = &wayside__in;
    while (in->w - in->r < n) {
        size_t size = in->size, have = in->w - in->r;
        int32_t got;
        if (wayside__run.stopped || wayside__run.failed || in->eof) return NULL;
        if (n > WAYSIDE__MOST) {
            wayside_fail("memory_limit", "the decoder asks for %zu bytes of its input", n);
            return NULL;
        }
        if (in->w == size && size < WAYSIDE__FULL_BUFFER) size *= 2;
        while (size < n) size *= 2;
        if (size != in->size) {
            uint8_t *v = (uint8_t *)wayside_alloc(size);
            if (v == NULL) return NULL;
            wayside__copy(v, in->buf + in->r, have);
            if (in->buf != wayside__first_buffer) wayside_free(in->buf, in->size);
            in->buf = v;
            in->size = size;
        } else {
            __builtin_memmove(in->buf, in->buf + in->r, have);
        }
        in->base += (int64_t)in->r;
        in->r = 0;
        in->w = have;
        got = wayside_host_read(in->buf + have, (uint32_t)(size - have));
        if (got <= 0) in->eof = true;
        else in->w += (size_t)got;
    }
    return wayside__run.stopped || wayside__run.failed ? NULL : in->buf + in->r;
}

uint64_t wayside_skip(uint64_t n) {
    uint64_t done = 0;
    for (;;) {
        size_t have = wayside_at_hand();
        if (n - done <= have) {
            wayside__in.r += (size_t)(n - done);
            return n;
        }
        done += have;
        wayside__in.r = wayside__in.w;
        if (wayside__fill(1) == NULL) return done;
    }
}

bool wayside_stopped(void) { return wayside__run.stopped; }

size_t wayside_read_at(int64_t off, void *p, size_t n) {
    size_t done = 0;
    while (done < n) {
        size_t most = n - done > WAYSIDE__MOST ? WAYSIDE__MOST : n - done;
        int32_t got = wayside_host_read_at(off + (int64_t)done, (uint8_t *)p + done, (uint32_t)most);
        if (got <= 0) break;
        done += (size_t)got;
    }
    return done;
}

int64_t wayside_size(void) { return wayside_host_size(); }

bool wayside_next_part(void) {
    wayside__input *in = &wayside__in;
    char name[1];
    int64_t size;
    if (wayside__run.stopped || wayside__run.failed || wayside_host_part(in->part + 1, name, 0) < 0) return false;
    size = wayside_host_size();
    if (size >= 0) {
        in->base = in->start + size;
    } else {
        do in->r = in->w;
        while (wayside__fill(1) != NULL);
        if (!in->eof) return false;
        in->base += (int64_t)in->w;
    }
    if (wayside_host_open_part(in->part + 1) != 0) return false;
    in->part++;
    in->start = in->base;
    in->r = in->w = 0;
    in->eof = false;
    return true;
}

size_t wayside_part_name(char *buf, size_t cap) {
    int32_t n = wayside_host_part(wayside__in.part, buf, cap > 0 ? (uint32_t)(cap - 1) : 0);
    if (cap > 0) buf[n < 0 ? 0 : (size_t)n < cap - 1 ? (size_t)n : cap - 1] = 0;
    return n < 0 ? 0 : (size_t)n;
}

/* Parameters */

int32_t wayside_param(const char *key, char *buf, size_t cap) {
    int32_t n = wayside_host_param(key, (uint32_t)wayside__len(key), buf, cap > 0 ? (uint32_t)(cap - 1) : 0);
    if (cap > 0) buf[n < 0 ? 0 : (size_t)n < cap - 1 ? (size_t)n : cap - 1] = 0;
    return n;
}

bool wayside_param_is(const char *key, const char *value) {
    char v[64];
    size_t n = wayside__len(value);
    return n < sizeof v && wayside_param(key, v, sizeof v) == (int32_t)n && wayside__same(v, value);
}

bool wayside_param_bool(const char *key, bool def) {
    if (wayside_param_is(key, "true") || wayside_param_is(key, "1")) return true;
    if (wayside_param_is(key, "false") || wayside_param_is(key, "0")) return false;
    return def;
}

int64_t wayside_param_int(const char *key, int64_t def) {
    char v[24];
    int32_t n = wayside_param(key, v, sizeof v), i = 0;
    uint64_t sum = 0;
    bool minus = n > 0 && v[0] == '-';
    if (minus || (n > 0 && v[0] == '+')) i++;
    if (n <= i || n >= (int32_t)sizeof v) return def;
    for (; i < n; i++) {
        if (v[i] < '0' || v[i] > '9' || sum > (uint64_t)INT64_MAX / 10) return def;
        sum = sum * 10 + (uint64_t)(v[i] - '0');
        if (sum > (uint64_t)INT64_MAX) return def;
    }
    return minus ? -(int64_t)sum : (int64_t)sum;
}

/* Sub-files */

int32_t wayside_child(const char *name) {
    size_t n = wayside__len(name);
    if (n == 0) return wayside_child("unnamed");
    if (n > WAYSIDE__MAX_CHILD)
        for (n = WAYSIDE__MAX_CHILD; n > 1 && ((uint8_t)name[n] & 0xc0) == 0x80;) n--; /* whole characters */
    return wayside_host_child(name, (uint32_t)n);
}

bool wayside_child_write(int32_t child, const void *p, size_t n) {
    return n <= WAYSIDE__MOST && wayside_host_child_write(child, p, (uint32_t)n) >= 0;
}

void wayside_child_close(int32_t child) { wayside_host_child_close(child); }

/* Exports */

static void wayside__release(wayside_table *t) {
    wayside__column *c;
    for (c = t->first; c != NULL; c = c->next) {
        if (c->data != NULL) wayside_free(c->data, (size_t)(c->end - c->data));
        if (c->valid != NULL) wayside_free(c->valid, (t->max_rows + 7) / 8);
        if (c->bytes != NULL) wayside_free(c->bytes, c->bytes_room);
        c->p = c->end = c->data = c->valid = c->bytes = NULL;
    }
    if (t->seq != NULL) wayside_free(t->seq, 8 * (size_t)t->max_rows);
    if (t->desc != NULL) wayside_free(t->desc, (4 + 4 * (size_t)t->columns) * sizeof(uintptr_t));
    t->seq = NULL;
    t->desc = NULL;
    wayside_free(t->json.v, t->json.room);
    t->json.v = NULL;
    t->room = t->limit = t->n = 0;
}

/* Emits what a table still holds. After a failure the values of a row that was not completed are dropped, else they
 * are a mistake. */
static void wayside__end(wayside_table *t, bool failed) {
    wayside__column *c;
    if (!failed && !wayside__check(t)) {
        wayside__drop(t);
        return;
    }
    for (c = t->first; c != NULL; c = c->next)
        if (wayside__values(c) > t->n) wayside__trim(c, t->n);
    wayside__flush(t);
}

int32_t wayside__decode(void (*declare)(void), int32_t (*decode)(void)) {
    wayside_table *t;
    int32_t result;
    wayside__begin(false);
    declare();
    for (t = wayside__run.first; t != NULL && !wayside__run.failed; t = t->next) {
        wayside__begin_table(t);
        wayside__run.open++;
    }
    wayside__run.decoding = true;
    result = wayside__run.failed ? 1 : decode();
    for (t = wayside__run.first; t != NULL; t = t->next) wayside__end(t, result != 0 || wayside__run.failed);
    for (t = wayside__run.first; t != NULL; t = t->next) wayside__release(t);
    if (wayside__in.buf != wayside__first_buffer) wayside_free(wayside__in.buf, wayside__in.size);
    wayside__in.buf = wayside__first_buffer;
    wayside__run.decoding = false;
    wayside__let_go();
    if (!wayside__run.failed) return result;
    wayside_host_fail(wayside__run.code, (uint32_t)wayside__len(wayside__run.code), wayside__run.message,
                      (uint32_t)wayside__len(wayside__run.message));
    return 1;
}

int32_t wayside__sniff(int32_t (*sniff)(const uint8_t *head, size_t n)) {
    const uint8_t *head;
    size_t have;
    int32_t sure;
    wayside__begin(false);
    head = wayside_window(WAYSIDE__SNIFF_HEAD, &have);
    sure = wayside__run.failed ? 0 : sniff(head, have < WAYSIDE__SNIFF_HEAD ? have : WAYSIDE__SNIFF_HEAD);
    if (wayside__in.buf != wayside__first_buffer) wayside_free(wayside__in.buf, wayside__in.size);
    wayside__in.buf = wayside__first_buffer;
    wayside__let_go();
    return sure < 0 ? 0 : sure > 100 ? 100 : sure;
}

#endif /* WAYSIDE_IMPLEMENTATION */
