/* A module that means harm: each reducer tries something else. */
#include "stdb_module.h"

enum {
    SPIN, BOMB, WILD_READ, WILD_WRITE, DEEP, DIVIDE, UNREACHABLE, NULL_POINTERS, FLOOD_SINK,
    FLOOD_ITERATORS, FLOOD_TIMERS, STRAY_HANDLES, BAD_TABLE_CALL, CODE, WRITE_AND_SPIN, FLOOD_LOG,
    POINTERS, FINE, REDUCERS,
};
static const char *const names[] = {
    "spin", "bomb", "wild_read", "wild_write", "deep", "divide", "unreachable", "null_pointers",
    "flood_sink", "flood_iterators", "flood_timers", "stray_handles", "bad_table_call", "code",
    "write_and_spin", "flood_log", "pointers", "fine",
};

DESCRIBE_MODULE {
    Writer *w;
    u32 thing = define("Thing");
    type_product(TYPESPACE, 2);
    name(TYPESPACE, "number"), type(TYPESPACE, T_U64);
    name(TYPESPACE, "text"), type(TYPESPACE, T_STRING);
    w = table_begin("thing", thing, -1);
    put_u32(w, 0), put_u32(w, 0), put_u32(w, 0);
    table_end(w, PUBLIC, 0);
    for (u32 i = 0; i < REDUCERS; i++) {
        w = reducer_begin(names[i], 2);
        name(w, "x"), type(w, T_U32);
        name(w, "y"), type(w, T_U32);
        reducer_end(w);
    }
    describe(sink);
}

static volatile u32 nothing;
static u8 big[1 << 16];
static u32 calls;

static u32 deep(u32 n) {
    nothing++;
    return n == 0xffffffff ? 0 : deep(n + 1) + nothing;
}

static void insert_thing(u64 number) {
    u8 row[16];
    Writer w = {row, 0};
    put_u64(&w, number);
    put_u32(&w, 0);
    if (datastore_insert_bsatn(table_id("thing"), row, &w.len)) TRAP();
}

/* Function `which` of the ABI with pointers that lie nowhere. */
static void with_pointers(u32 which, u32 at) {
    void *p = (void *)at;
    switch (which) {
    case 0: table_id_from_name(p, 5, p); break;
    case 1: index_id_from_name(p, 5, p); break;
    case 2: datastore_table_row_count(table_id("thing"), p); break;
    case 3: datastore_table_scan_bsatn(table_id("thing"), p); break;
    case 4: datastore_insert_bsatn(table_id("thing"), p, p); break;
    case 5: datastore_insert_bsatn(table_id("thing"), big, p); break;
    case 6: datastore_update_bsatn(table_id("thing"), 1, p, p); break;
    case 7: datastore_delete_all_by_eq_bsatn(table_id("thing"), p, 8, p); break;
    case 8: datastore_clear(table_id("thing"), p); break;
    case 9: datastore_index_scan_point_bsatn(1, p, 8, p); break;
    case 10: datastore_index_scan_range_bsatn(1, p, 8, 1, p, 8, p, 8, p); break;
    case 11: datastore_delete_by_index_scan_point_bsatn(1, p, 8, p); break;
    case 12: datastore_delete_by_index_scan_range_bsatn(1, p, 8, 1, p, 8, p, 8, p); break;
    case 13: { u32 i; datastore_table_scan_bsatn(table_id("thing"), &i); row_iter_bsatn_advance(i, p, p); break; }
    case 14: console_timer_start(p, 8); break;
    case 15: database_identity(p); break;
    case 16: get_jwt(p, p); break;
    case 17: volatile_nonatomic_schedule_immediate(p, 8, p, 8); break;
    case 18: { u32 n = 1 << 30; bytes_sink_write(1, big, &n); bytes_sink_write(2, big, &n); break; }
    case 19: procedure_http_request(p, 8, p, 8, p); break;
    default: TRAP();
    }
}

CALL_REDUCER {
    (void)sender_0, (void)sender_1, (void)sender_2, (void)sender_3;
    (void)connection_0, (void)connection_1, (void)timestamp;
    u8 buffer[8];
    Reader r = {buffer, read_source(args, buffer, sizeof buffer), 0};
    u32 x = get_u32(&r), y = get_u32(&r), n = sizeof big, iter;
    calls++;
    switch (id) {
    case SPIN: for (;;) nothing++;
    case BOMB: while (__builtin_wasm_memory_grow(0, 16) != (unsigned long)-1) nothing++; insert_thing(1); return 0;
    case WILD_READ: return *(volatile i32 *)x;
    case WILD_WRITE: *(volatile u32 *)x = y; return 0;
    case DEEP: return deep(0);
    case DIVIDE: return (i32)(x / *(volatile u32 *)&buffer[4]);
    case UNREACHABLE: TRAP();
    case NULL_POINTERS: { void *null = (void *)(unsigned long)x; table_id_from_name(null, 0, &n); return 0; }
    case FLOOD_SINK: for (;;) bytes_sink_write(error, big, &n);
    case FLOOD_ITERATORS: for (;;) if (datastore_table_scan_bsatn(table_id("thing"), &iter)) return 1;
    case FLOOD_TIMERS: for (;;) console_timer_start(big, sizeof big);
    case STRAY_HANDLES:
        if (bytes_source_read(77, big, &n) != NO_SUCH_BYTES) TRAP();
        if (bytes_sink_write(77, big, &n) != NO_SUCH_BYTES) TRAP();
        if (bytes_source_remaining_length(77, &n) != NO_SUCH_BYTES) TRAP();
        if (row_iter_bsatn_advance(77, big, &n) != NO_SUCH_ITER) TRAP();
        if (row_iter_bsatn_close(77) != NO_SUCH_ITER) TRAP();
        if (console_timer_end(77) != NO_SUCH_CONSOLE_TIMER) TRAP();
        return 0;
    case BAD_TABLE_CALL: { void (*wild)(void) = (void (*)(void))(unsigned long)x; wild(); return 0; }
    case CODE: write_sink(error, "why", 3); return (i32)x;
    case WRITE_AND_SPIN: insert_thing(x); for (;;) nothing++;
    case FLOOD_LOG: for (u32 i = 0; i < x; i++) console_log(2, big, 16, 0, 0, i, big, y); return 0;
    case POINTERS: with_pointers(x, y); return 0;
    case FINE: insert_thing(calls); return 0;
    default: return -1;
    }
}
