/* Calls any function of the ABI with what it is given, and writes down what came of it. */
#include "stdb_module.h"

enum {
    TABLE_ID, INDEX_ID, ROW_COUNT, SCAN, POINT, RANGE, INSERT, UPDATE, DELETE_POINT, DELETE_RANGE,
    DELETE_ALL, CLEAR, ADVANCE, CLOSE, SOURCE_READ, SOURCE_LENGTH, SINK_WRITE, TIMER, TIMER_END,
    IDENTITY, JWT, START_TX, COMMIT_TX, ABORT_TX, SLEEP, HTTP, LOG, SCHEDULE, OLD_RANGE,
    OLD_DELETE_RANGE, OPEN, OPEN_POINT, RAW_LOG,
};

static u8 input[1 << 20];
static u8 output[1 << 20];

DESCRIBE_MODULE {
    static const u16 c0[] = {0}, c1[] = {1}, c2[] = {2}, c3[] = {3}, c45[] = {4, 5}, c6[] = {6},
                     c7[] = {7}, c8[] = {8};
    Writer *w;
    u32 outcome = define("Outcome");
    type_product(TYPESPACE, 4);
    name(TYPESPACE, "id"), type(TYPESPACE, T_U64);
    name(TYPESPACE, "errno"), type(TYPESPACE, T_I32);
    name(TYPESPACE, "out"), type(TYPESPACE, T_U64);
    name(TYPESPACE, "data"), type_array(TYPESPACE), type(TYPESPACE, T_U8);
    w = table_begin("outcome", outcome, 0);
    put_u32(w, 1), index(w, "outcome_id_idx_btree", "id", BTREE, 1, c0);
    put_u32(w, 1), unique(w, 1, c0);
    put_u32(w, 1), sequence(w, 0);
    table_end(w, PUBLIC, 0);

    u32 pair = define("Pair");
    type_product(TYPESPACE, 2);
    name(TYPESPACE, "x"), type(TYPESPACE, T_I16);
    name(TYPESPACE, "y"), type(TYPESPACE, T_I16);
    u32 indexed = define("Indexed");
    type_product(TYPESPACE, 10);
    name(TYPESPACE, "id"), type(TYPESPACE, T_U32);
    name(TYPESPACE, "code"), type(TYPESPACE, T_STRING);
    name(TYPESPACE, "slot"), type(TYPESPACE, T_U8);
    name(TYPESPACE, "group"), type(TYPESPACE, T_U32);
    name(TYPESPACE, "team"), type(TYPESPACE, T_STRING);
    name(TYPESPACE, "score"), type(TYPESPACE, T_I32);
    name(TYPESPACE, "mark"), type(TYPESPACE, T_U16);
    name(TYPESPACE, "weight"), type(TYPESPACE, T_F64);
    name(TYPESPACE, "place"), type_ref(TYPESPACE, pair);
    name(TYPESPACE, "serial"), type(TYPESPACE, T_I64);
    w = table_begin("indexed", indexed, 0);
    put_u32(w, 8);
    index(w, "indexed_id_idx_btree", "id", BTREE, 1, c0);
    index(w, "indexed_code_idx_hash", "code", HASH, 1, c1);
    index(w, "indexed_slot_idx_direct", "slot", DIRECT, 1, c2);
    index(w, "indexed_group_idx_btree", "group", BTREE, 1, c3);
    index(w, "indexed_team_score_idx_btree", "by_team", BTREE, 2, c45);
    index(w, "indexed_mark_idx_hash", "mark", HASH, 1, c6);
    index(w, "indexed_weight_idx_btree", "weight", BTREE, 1, c7);
    index(w, "indexed_place_idx_btree", "place", BTREE, 1, c8);
    put_u32(w, 3), unique(w, 1, c0), unique(w, 1, c1), unique(w, 1, c2);
    put_u32(w, 2), sequence(w, 0), sequence(w, 9);
    table_end(w, PRIVATE, 0);

    u32 plain = define("Plain");
    type_product(TYPESPACE, 2);
    name(TYPESPACE, "number"), type(TYPESPACE, T_U64);
    name(TYPESPACE, "text"), type(TYPESPACE, T_STRING);
    w = table_begin("plain", plain, -1);
    put_u32(w, 0), put_u32(w, 0), put_u32(w, 0);
    table_end(w, PUBLIC, 0);

    u32 timer = define("Timer");
    type_product(TYPESPACE, 2);
    name(TYPESPACE, "id"), type(TYPESPACE, T_U64);
    name(TYPESPACE, "at"), type_schedule_at(TYPESPACE);
    w = table_begin("timer", timer, 0);
    put_u32(w, 1), index(w, "timer_id_idx_btree", "id", BTREE, 1, c0);
    put_u32(w, 1), unique(w, 1, c0);
    put_u32(w, 1), sequence(w, 0);
    table_end(w, PRIVATE, 0);
    schedule("timer", 1, "ring");

    w = reducer_begin("probe", 5);
    name(w, "operation"), type(w, T_U32);
    name(w, "x"), type(w, T_U64);
    name(w, "y"), type(w, T_U64);
    name(w, "data"), type_array(w), type(w, T_U8);
    name(w, "more"), type_array(w), type(w, T_U8);
    reducer_end(w);
    w = reducer_begin("ring", 1);
    name(w, "timer"), type_ref(w, timer);
    reducer_end(w);

    u32 answer = define("Answer");
    type_product(TYPESPACE, 3);
    name(TYPESPACE, "errno"), type(TYPESPACE, T_I32);
    name(TYPESPACE, "out"), type(TYPESPACE, T_U64);
    name(TYPESPACE, "data"), type_array(TYPESPACE), type(TYPESPACE, T_U8);
    w = procedure_begin("probe_outside", 5);
    name(w, "operation"), type(w, T_U32);
    name(w, "x"), type(w, T_U64);
    name(w, "y"), type(w, T_U64);
    name(w, "data"), type_array(w), type(w, T_U8);
    name(w, "more"), type_array(w), type(w, T_U8);
    type_ref(w, answer);
    procedure_end(w);
    describe(sink);
}

/* Reads an iterator to its end with a buffer of `size`; how many calls it took goes to `out`. */
static i32 drain(u32 iter, u32 size, u64 *out, u32 *len) {
    *len = 0;
    for (*out = 1;; ++*out) {
        u32 n = size;
        i16 code = row_iter_bsatn_advance(iter, output + *len, &n);
        if (code == BUFFER_TOO_SMALL) {
            size = n;
            continue;
        }
        *len += n;
        if (code == -1) return 0;
        if (code) return code;
    }
}

typedef struct { i32 errno; u64 out; u32 len; } Outcome;

static Outcome probe(u32 operation, u64 x, u64 y, const u8 *data, u32 n, const u8 *more, u32 m) {
    Outcome o = {0, 0, 0};
    u32 out = 0, len = n;
    Reader bounds = {more, m, 0};
    const u8 *start, *end;
    u32 start_len = get_bytes(&bounds, &start), end_len = get_bytes(&bounds, &end);
    switch (operation) {
    case TABLE_ID: o.errno = table_id_from_name(data, n, &out); break;
    case INDEX_ID: o.errno = index_id_from_name(data, n, &out); break;
    case ROW_COUNT: o.errno = datastore_table_row_count(x, &o.out); return o;
    case SCAN:
        o.errno = datastore_table_scan_bsatn(x, &out);
        if (!o.errno) o.errno = drain(out, y, &o.out, &o.len);
        return o;
    case POINT:
        o.errno = datastore_index_scan_point_bsatn(x, data, n, &out);
        if (!o.errno) o.errno = drain(out, y, &o.out, &o.len);
        return o;
    case RANGE: case OLD_RANGE:
        o.errno = (operation == RANGE ? datastore_index_scan_range_bsatn : datastore_btree_scan_bsatn)(
            x, y ? data : 0, n, y, start, start_len, end, end_len, &out);
        if (!o.errno) o.errno = drain(out, sizeof output, &o.out, &o.len);
        return o;
    case INSERT:
        memcpy(output, data, n);
        o.errno = datastore_insert_bsatn(x, output, &len);
        o.out = len, o.len = o.errno ? 0 : len;
        return o;
    case UPDATE:
        memcpy(output, data, n);
        o.errno = datastore_update_bsatn(x, y, output, &len);
        o.out = len, o.len = o.errno ? 0 : len;
        return o;
    case DELETE_POINT: o.errno = datastore_delete_by_index_scan_point_bsatn(x, data, n, &out); break;
    case DELETE_RANGE: case OLD_DELETE_RANGE:
        o.errno = (operation == DELETE_RANGE ? datastore_delete_by_index_scan_range_bsatn
                                             : datastore_delete_by_btree_scan_bsatn)(
            x, y ? data : 0, n, y, start, start_len, end, end_len, &out);
        break;
    case DELETE_ALL: o.errno = datastore_delete_all_by_eq_bsatn(x, data, n, &out); break;
    case CLEAR: o.errno = datastore_clear(x, &o.out); return o;
    case OPEN: o.errno = datastore_table_scan_bsatn(x, &out); break;
    case OPEN_POINT: o.errno = datastore_index_scan_point_bsatn(x, data, n, &out); break;
    case ADVANCE:
        len = y;
        o.errno = row_iter_bsatn_advance(x, output, &len);
        o.out = len, o.len = o.errno > 0 ? 0 : len;
        return o;
    case CLOSE: o.errno = row_iter_bsatn_close(x); break;
    case SOURCE_READ:
        len = y;
        o.errno = bytes_source_read(x, output, &len);
        o.out = len;
        return o;
    case SOURCE_LENGTH: o.errno = bytes_source_remaining_length(x, &out); break;
    case SINK_WRITE: o.errno = bytes_sink_write(x, data, &len), out = len; break;
    case TIMER: out = console_timer_start(data, n); o.errno = y ? console_timer_end(out) : 0; break;
    case TIMER_END: o.errno = console_timer_end(x); break;
    case IDENTITY: database_identity(output); o.len = 32; return o;
    case JWT:
        o.errno = get_jwt(data, &out);
        o.out = out;
        if (out) o.len = read_source(out, output, sizeof output);
        return o;
    case START_TX: { i64 at = 0; o.errno = procedure_start_mut_tx(&at); o.out = at; return o; }
    case COMMIT_TX: o.errno = procedure_commit_mut_tx(); break;
    case ABORT_TX: o.errno = procedure_abort_mut_tx(); break;
    case SLEEP: o.out = procedure_sleep_until(x); return o;
    case HTTP: {
        u32 answers[2] = {0, 0};
        o.errno = procedure_http_request(data, n, more, m, answers);
        if (answers[0]) o.len = read_source(answers[0], output, sizeof output);
        if (answers[1]) o.len += read_source(answers[1], output + o.len, sizeof output - o.len);
        return o;
    }
    case LOG: console_log(x, "target", 6, "file.c", 6, y, data, n); break;
    case RAW_LOG: console_log(2, (void *)(u32)x, 4, 0, 0, 1, (void *)(u32)y, n); break;
    case SCHEDULE: volatile_nonatomic_schedule_immediate(data, n, more, m); break;
    default: TRAP();
    }
    o.out = out;
    return o;
}

static Outcome probe_with(u32 args) {
    Reader r = {input, read_source(args, input, sizeof input), 0};
    const u8 *data, *more;
    u32 operation = get_u32(&r);
    u64 x = get_u64(&r), y = get_u64(&r);
    u32 n = get_bytes(&r, &data), m = get_bytes(&r, &more);
    /* A pointer to nothing would be null. */
    return probe(operation, x, y, n ? data : input, n, m ? more : input, m);
}

CALL_REDUCER {
    (void)sender_0, (void)sender_1, (void)sender_2, (void)sender_3;
    (void)connection_0, (void)connection_1, (void)timestamp, (void)error;
    if (id == 1) return 0;
    static u8 row[sizeof output + 64];
    Outcome o = probe_with(args);
    Writer w = {row, 0};
    put_u64(&w, 0);
    put_u32(&w, o.errno);
    put_u64(&w, o.out);
    put_bytes(&w, output, o.len);
    if (datastore_insert_bsatn(table_id("outcome"), row, &w.len)) TRAP();
    return 0;
}

CALL_PROCEDURE {
    (void)sender_0, (void)sender_1, (void)sender_2, (void)sender_3;
    (void)connection_0, (void)connection_1, (void)timestamp, (void)id;
    static u8 head[16];
    Outcome o = probe_with(args);
    Writer w = {head, 0};
    put_u32(&w, o.errno);
    put_u64(&w, o.out);
    put_u32(&w, o.len);
    write_sink(result, head, w.len);
    write_sink(result, output, o.len);
    return 0;
}
