/* SpacetimeDB's ABI for modules written in C without a C library: what a module may ask the
 * database for, a reader and a writer of BSATN, and a builder for the module's own description
 * (raw module definition, format 10).
 *
 *     python -m ziglang cc -target wasm32-freestanding -O2 -nostdlib -Wl,--no-entry \
 *         -o game.wasm game.c
 */
#ifndef STDB_MODULE_H
#define STDB_MODULE_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char i8;
typedef short i16;
typedef int i32;
typedef long long i64;
typedef float f32;
typedef double f64;

#define IMPORT(version, name) \
    __attribute__((import_module("spacetime_" version), import_name(#name)))
#define EXPORT(name) __attribute__((export_name(#name)))

IMPORT("10.0", table_id_from_name) u16 table_id_from_name(const void *name, u32 len, u32 *out);
IMPORT("10.0", index_id_from_name) u16 index_id_from_name(const void *name, u32 len, u32 *out);
IMPORT("10.0", datastore_table_row_count) u16 datastore_table_row_count(u32 table, u64 *out);
IMPORT("10.0", datastore_table_scan_bsatn) u16 datastore_table_scan_bsatn(u32 table, u32 *iter);
IMPORT("10.0", datastore_index_scan_range_bsatn)
u16 datastore_index_scan_range_bsatn(u32 index, const void *prefix, u32 prefix_len,
    u32 prefix_columns, const void *start, u32 start_len, const void *end, u32 end_len, u32 *iter);
IMPORT("10.0", datastore_btree_scan_bsatn)
u16 datastore_btree_scan_bsatn(u32 index, const void *prefix, u32 prefix_len,
    u32 prefix_columns, const void *start, u32 start_len, const void *end, u32 end_len, u32 *iter);
IMPORT("10.0", row_iter_bsatn_advance) i16 row_iter_bsatn_advance(u32 iter, void *buf, u32 *len);
IMPORT("10.0", row_iter_bsatn_close) u16 row_iter_bsatn_close(u32 iter);
IMPORT("10.0", datastore_insert_bsatn) u16 datastore_insert_bsatn(u32 table, void *row, u32 *len);
IMPORT("10.0", datastore_update_bsatn)
u16 datastore_update_bsatn(u32 table, u32 index, void *row, u32 *len);
IMPORT("10.0", datastore_delete_by_index_scan_range_bsatn)
u16 datastore_delete_by_index_scan_range_bsatn(u32 index, const void *prefix, u32 prefix_len,
    u32 prefix_columns, const void *start, u32 start_len, const void *end, u32 end_len, u32 *out);
IMPORT("10.0", datastore_delete_by_btree_scan_bsatn)
u16 datastore_delete_by_btree_scan_bsatn(u32 index, const void *prefix, u32 prefix_len,
    u32 prefix_columns, const void *start, u32 start_len, const void *end, u32 end_len, u32 *out);
IMPORT("10.0", datastore_delete_all_by_eq_bsatn)
u16 datastore_delete_all_by_eq_bsatn(u32 table, const void *rows, u32 len, u32 *out);
IMPORT("10.0", volatile_nonatomic_schedule_immediate)
void volatile_nonatomic_schedule_immediate(const void *name, u32 len, const void *args, u32 size);
IMPORT("10.0", bytes_source_read) i16 bytes_source_read(u32 source, void *buf, u32 *len);
IMPORT("10.0", bytes_sink_write) u16 bytes_sink_write(u32 sink, const void *buf, u32 *len);
IMPORT("10.0", console_log)
void console_log(u32 level, const void *target, u32 target_len, const void *file, u32 file_len,
    u32 line, const void *message, u32 message_len);
IMPORT("10.0", console_timer_start) u32 console_timer_start(const void *name, u32 len);
IMPORT("10.0", console_timer_end) u16 console_timer_end(u32 timer);
IMPORT("10.0", identity) void database_identity(u8 *out);
IMPORT("10.1", bytes_source_remaining_length)
i16 bytes_source_remaining_length(u32 source, u32 *out);
IMPORT("10.2", get_jwt) u16 get_jwt(const u8 *connection_id, u32 *source);
IMPORT("10.3", procedure_sleep_until) i64 procedure_sleep_until(i64 micros);
IMPORT("10.3", procedure_start_mut_tx) u16 procedure_start_mut_tx(i64 *micros);
IMPORT("10.3", procedure_commit_mut_tx) u16 procedure_commit_mut_tx(void);
IMPORT("10.3", procedure_abort_mut_tx) u16 procedure_abort_mut_tx(void);
IMPORT("10.3", procedure_http_request)
u16 procedure_http_request(const void *request, u32 len, const void *body, u32 body_len, u32 *out);
IMPORT("10.4", datastore_index_scan_point_bsatn)
u16 datastore_index_scan_point_bsatn(u32 index, const void *point, u32 len, u32 *iter);
IMPORT("10.4", datastore_delete_by_index_scan_point_bsatn)
u16 datastore_delete_by_index_scan_point_bsatn(u32 index, const void *point, u32 len, u32 *out);
IMPORT("10.5", datastore_clear) u16 datastore_clear(u32 table, u64 *out);

/* Answers of the database. */
enum {
    NOT_IN_TRANSACTION = 2, BSATN_DECODE_ERROR, NO_SUCH_TABLE, NO_SUCH_INDEX, NO_SUCH_ITER,
    NO_SUCH_CONSOLE_TIMER, NO_SUCH_BYTES, BUFFER_TOO_SMALL = 11, UNIQUE_ALREADY_EXISTS,
    SCHEDULE_AT_DELAY_TOO_LONG, INDEX_NOT_UNIQUE, NO_SUCH_ROW, WOULD_BLOCK_TRANSACTION = 17,
    TRANSACTION_NOT_ANONYMOUS, HTTP_ERROR = 21,
};
enum { ERROR, WARN, INFO, DEBUG, TRACE, PANIC = 101 };

/* -- the little of a C library that compilers and modules count on ------------------------------ */

__attribute__((unused)) void *memcpy(void *to, const void *from, unsigned long n) {
    for (unsigned long i = 0; i < n; i++) ((u8 *)to)[i] = ((const u8 *)from)[i];
    return to;
}
__attribute__((unused)) void *memset(void *to, int value, unsigned long n) {
    for (unsigned long i = 0; i < n; i++) ((u8 *)to)[i] = (u8)value;
    return to;
}
__attribute__((unused)) static u32 text_len(const char *text) {
    u32 n = 0;
    while (text[n]) n++;
    return n;
}

/* -- writing BSATN ------------------------------------------------------------------------------ */

typedef struct { u8 *at; u32 len; } Writer;

__attribute__((unused)) static void put(Writer *w, const void *data, u32 n) {
    memcpy(w->at + w->len, data, n);
    w->len += n;
}
__attribute__((unused)) static void put_u8(Writer *w, u8 v) { put(w, &v, 1); }
__attribute__((unused)) static void put_u16(Writer *w, u16 v) { put(w, &v, 2); }
__attribute__((unused)) static void put_u32(Writer *w, u32 v) { put(w, &v, 4); }
__attribute__((unused)) static void put_u64(Writer *w, u64 v) { put(w, &v, 8); }
__attribute__((unused)) static void put_bytes(Writer *w, const void *data, u32 n) {
    put_u32(w, n);
    put(w, data, n);
}
__attribute__((unused)) static void put_text(Writer *w, const char *text) {
    put_bytes(w, text, text_len(text));
}

/* -- reading BSATN: past the end, zeros are read and `bad` is set ------------------------------- */

typedef struct { const u8 *at; u32 left; int bad; } Reader;

__attribute__((unused)) static const u8 *take(Reader *r, u32 n) {
    static const u8 nothing[64];
    if (n > r->left) {
        r->bad = 1;
        r->left = 0;
        return nothing;
    }
    const u8 *taken = r->at;
    r->at += n;
    r->left -= n;
    return taken;
}
__attribute__((unused)) static u8 get_u8(Reader *r) { return *take(r, 1); }
__attribute__((unused)) static u16 get_u16(Reader *r) { u16 v; memcpy(&v, take(r, 2), 2); return v; }
__attribute__((unused)) static u32 get_u32(Reader *r) { u32 v; memcpy(&v, take(r, 4), 4); return v; }
__attribute__((unused)) static u64 get_u64(Reader *r) { u64 v; memcpy(&v, take(r, 8), 8); return v; }
/* Text or bytes: their length, and where they begin. */
__attribute__((unused)) static u32 get_bytes(Reader *r, const u8 **data) {
    u32 n = get_u32(r);
    if (n > r->left) n = r->left, r->bad = 1;
    *data = take(r, n);
    return n;
}

/* -- talking to the database -------------------------------------------------------------------- */

#define TRAP() __builtin_trap()

__attribute__((unused)) static void print(u32 level, const char *message) {
    console_log(level, "module", 6, "module.c", 8, 0xffffffff, message, text_len(message));
}
__attribute__((unused)) static void write_sink(u32 sink, const void *data, u32 n) {
    bytes_sink_write(sink, data, &n);
}
/* Ends a reducer with a message. */
__attribute__((unused)) static i32 fail(u32 sink, const char *message) {
    write_sink(sink, message, text_len(message));
    return 1;
}
/* All of a source into a buffer: how many bytes. */
__attribute__((unused)) static u32 read_source(u32 source, void *buf, u32 size) {
    u32 n = size;
    if (source == 0) return 0;
    if (bytes_source_read(source, buf, &n) != -1) TRAP();
    return n;
}
__attribute__((unused)) static u32 table_id(const char *name) {
    u32 id;
    if (table_id_from_name(name, text_len(name), &id)) TRAP();
    return id;
}
__attribute__((unused)) static u32 index_id(const char *name) {
    u32 id;
    if (index_id_from_name(name, text_len(name), &id)) TRAP();
    return id;
}
/* The one row that a unique index has for a key, in `buf`: its size, 0 for none. */
__attribute__((unused)) static u32 find(u32 index, const void *key, u32 key_len, void *buf, u32 size) {
    u32 iter;
    if (datastore_index_scan_point_bsatn(index, key, key_len, &iter)) TRAP();
    if (row_iter_bsatn_advance(iter, buf, &size) != -1) TRAP();
    return size;
}

/* -- describing the module ---------------------------------------------------------------------- */

/* Tags of types. A type is written into the section that it stands in. */
enum {
    T_REF, T_SUM, T_PRODUCT, T_ARRAY, T_STRING, T_BOOL, T_I8, T_U8, T_I16, T_U16, T_I32, T_U32,
    T_I64, T_U64, T_I128, T_U128, T_I256, T_U256, T_F32, T_F64,
};
enum {
    S_TYPESPACE, S_TYPES, S_TABLES, S_REDUCERS, S_PROCEDURES, S_VIEWS, S_SCHEDULES, S_LIFECYCLE,
    S_RLS, S_CASE, S_NAMES, S_HANDLERS, S_ROUTES, S_VIEW_KEYS, S_SUBMODULES, SECTIONS,
};
enum { BTREE, HASH, DIRECT };
enum { INIT, CONNECTED, DISCONNECTED };
enum { PUBLIC, PRIVATE };

#define SECTION_SIZE 16384
static u8 section_bytes[SECTIONS][SECTION_SIZE];
static Writer section[SECTIONS];
static u32 section_items[SECTIONS];

/* Begins an item of a section. */
__attribute__((unused)) static Writer *item(u32 which) {
    section[which].at = section_bytes[which];
    section_items[which]++;
    return &section[which];
}
__attribute__((unused)) static void type(Writer *w, u8 tag) { put_u8(w, tag); }
__attribute__((unused)) static void type_ref(Writer *w, u32 to) { put_u8(w, T_REF); put_u32(w, to); }
__attribute__((unused)) static void type_array(Writer *w) { put_u8(w, T_ARRAY); }
/* `type_product(w, 2)` is followed by two elements: `name` and a type each. */
__attribute__((unused)) static void type_product(Writer *w, u32 n) { put_u8(w, T_PRODUCT); put_u32(w, n); }
__attribute__((unused)) static void type_sum(Writer *w, u32 n) { put_u8(w, T_SUM); put_u32(w, n); }
__attribute__((unused)) static void name(Writer *w, const char *text) { put_u8(w, 0); put_text(w, text); }
__attribute__((unused)) static void type_unit(Writer *w) { type_product(w, 0); }
/* An option: its `some` type comes before, its `none` after, so: begin, type, end. */
__attribute__((unused)) static void option_begin(Writer *w) { type_sum(w, 2); name(w, "some"); }
__attribute__((unused)) static void option_end(Writer *w) { name(w, "none"); type_unit(w); }
__attribute__((unused)) static void special(Writer *w, const char *field, u8 tag) {
    type_product(w, 1);
    name(w, field);
    type(w, tag);
}
__attribute__((unused)) static void type_identity(Writer *w) { special(w, "__identity__", T_U256); }
__attribute__((unused)) static void type_connection(Writer *w) { special(w, "__connection_id__", T_U128); }
__attribute__((unused)) static void type_timestamp(Writer *w) {
    special(w, "__timestamp_micros_since_unix_epoch__", T_I64);
}
__attribute__((unused)) static void type_duration(Writer *w) { special(w, "__time_duration_micros__", T_I64); }
__attribute__((unused)) static void type_uuid(Writer *w) { special(w, "__uuid__", T_U128); }
__attribute__((unused)) static void type_schedule_at(Writer *w) {
    type_sum(w, 2);
    name(w, "Interval");
    type_duration(w);
    name(w, "Time");
    type_timestamp(w);
}

/* Begins a type of the typespace under a name, and returns its number. */
__attribute__((unused)) static u32 define(const char *type_name) {
    u32 ref = section_items[S_TYPESPACE];
    Writer *w = item(S_TYPES);
    put_u32(w, 0);
    put_text(w, type_name);
    put_u32(w, ref);
    put_u8(w, 1);
    item(S_TYPESPACE);
    return ref;
}
#define TYPESPACE (&section[S_TYPESPACE])

/* A table: `table_begin`, then the lists in this order, `table_end`. Each list begins with its
 * length (`put_u32`); `index` and `unique` write an entry. */
__attribute__((unused)) static Writer *table_begin(const char *table_name, u32 row, int primary_key) {
    Writer *w = item(S_TABLES);
    put_text(w, table_name);
    put_u32(w, row);
    put_u32(w, primary_key >= 0);
    if (primary_key >= 0) put_u16(w, (u16)primary_key);
    return w;
}
__attribute__((unused)) static void index(Writer *w, const char *source_name, const char *accessor,
    u8 algorithm, u32 n, const u16 *columns) {
    put_u8(w, 0);
    put_text(w, source_name);
    put_u8(w, 0);
    put_text(w, accessor);
    put_u8(w, algorithm);
    if (algorithm != DIRECT) put_u32(w, n);
    for (u32 i = 0; i < n; i++) put_u16(w, columns[i]);
}
__attribute__((unused)) static void unique(Writer *w, u32 n, const u16 *columns) {
    put_u8(w, 1);
    put_u8(w, 0);
    put_u32(w, n);
    for (u32 i = 0; i < n; i++) put_u16(w, columns[i]);
}
/* A column that counts up from 1. */
__attribute__((unused)) static void sequence(Writer *w, u16 column) {
    put_u8(w, 1);
    put_u16(w, column);
    put_u8(w, 1), put_u8(w, 1), put_u8(w, 1);
    put_u64(w, 1), put_u64(w, 0);
}
__attribute__((unused)) static void table_end(Writer *w, u8 access, u8 is_event) {
    put_u8(w, 1);
    put_u8(w, access);
    put_u32(w, 0);
    put_u8(w, is_event);
}

/* A reducer: `reducer_begin`, `name` and a type for each parameter, `reducer_end`. */
__attribute__((unused)) static Writer *reducer_begin(const char *reducer_name, u32 params) {
    Writer *w = item(S_REDUCERS);
    put_text(w, reducer_name);
    put_u32(w, params);
    return w;
}
__attribute__((unused)) static void reducer_end(Writer *w) {
    put_u8(w, 1);
    type_unit(w);
    type(w, T_STRING);
}
__attribute__((unused)) static void lifecycle(u8 kind, const char *reducer_name) {
    Writer *w = item(S_LIFECYCLE);
    put_u8(w, kind);
    put_text(w, reducer_name);
}
__attribute__((unused)) static void schedule(const char *table_name, u16 at_column, const char *function) {
    Writer *w = item(S_SCHEDULES);
    put_u8(w, 1);
    put_text(w, table_name);
    put_u16(w, at_column);
    put_text(w, function);
}
/* A view: `view_begin`, its return type. */
__attribute__((unused)) static Writer *view_begin(const char *view_name, u32 number, u8 is_anonymous) {
    Writer *w = item(S_VIEWS);
    put_text(w, view_name);
    put_u32(w, number);
    put_u8(w, 1);
    put_u8(w, is_anonymous);
    put_u32(w, 0);
    return w;
}
/* A procedure: `procedure_begin`, its parameters, its return type, `procedure_end`. */
__attribute__((unused)) static Writer *procedure_begin(const char *procedure_name, u32 params) {
    Writer *w = item(S_PROCEDURES);
    put_text(w, procedure_name);
    put_u32(w, params);
    return w;
}
__attribute__((unused)) static void procedure_end(Writer *w) { put_u8(w, 1); }
__attribute__((unused)) static void row_level_security(const char *sql) { put_text(item(S_RLS), sql); }
__attribute__((unused)) static void http_handler(const char *handler) { put_text(item(S_HANDLERS), handler); }
/* A route for one method: 0 GET, 2 POST, …; see the raw module definition. */
__attribute__((unused)) static void http_route(const char *handler, u8 method, const char *path) {
    Writer *w = item(S_ROUTES);
    put_text(w, handler);
    put_u8(w, 1);
    put_u8(w, method);
    put_text(w, path);
}

/* Writes the description. Names stand as they are written, or, with 1, are made snake_case. */
#ifndef CASE_POLICY
#define CASE_POLICY 0
#endif
__attribute__((unused)) static void describe(u32 sink) {
    static u8 head[16];
    Writer w = {head, 0};
    u32 sections = 1;
    for (u32 i = 0; i < SECTIONS; i++) sections += section_items[i] > 0;
    put_u8(&w, 2);
    put_u32(&w, sections);
    put_u8(&w, S_CASE);
    put_u8(&w, CASE_POLICY);
    write_sink(sink, head, w.len);
    for (u32 i = 0; i < SECTIONS; i++) {
        if (!section_items[i]) continue;
        w.len = 0;
        put_u8(&w, (u8)i);
        put_u32(&w, section_items[i]);
        write_sink(sink, head, w.len);
        write_sink(sink, section_bytes[i], section[i].len);
    }
}

/* What the database calls. */
#define DESCRIBE_MODULE EXPORT(__describe_module__) void describe_module(u32 sink)
#define CALL_REDUCER \
    EXPORT(__call_reducer__) i32 call_reducer(u32 id, u64 sender_0, u64 sender_1, u64 sender_2, \
        u64 sender_3, u64 connection_0, u64 connection_1, u64 timestamp, u32 args, u32 error)
#define CALL_PROCEDURE \
    EXPORT(__call_procedure__) i32 call_procedure(u32 id, u64 sender_0, u64 sender_1, \
        u64 sender_2, u64 sender_3, u64 connection_0, u64 connection_1, u64 timestamp, u32 args, \
        u32 result)
#define CALL_VIEW \
    EXPORT(__call_view__) i32 call_view(u32 id, u64 sender_0, u64 sender_1, u64 sender_2, \
        u64 sender_3, u32 args, u32 rows)
#define CALL_ANONYMOUS_VIEW \
    EXPORT(__call_view_anon__) i32 call_view_anon(u32 id, u32 args, u32 rows)
#define CALL_HTTP_HANDLER \
    EXPORT(__call_http_handler__) i32 call_http_handler(u32 id, u64 timestamp, u32 request, \
        u32 request_body, u32 response, u32 response_body)

#endif
