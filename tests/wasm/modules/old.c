/* A module of the first generation: definition of format 9, functions of version 10.0 alone, range
 * scans through the old names, views without a header. */
#include "stdb_module.h"

enum { ADD, REMOVE, AGED, RING, INIT_ };

static u8 bytes[4096];

static void old_index(Writer *w, const char *index_name, const char *accessor, u16 column) {
    put_u8(w, 0), put_text(w, index_name);
    put_u8(w, 0), put_text(w, accessor);
    put_u8(w, BTREE), put_u32(w, 1), put_u16(w, column);
}
static void old_reducer(Writer *w, const char *reducer_name, u32 params) {
    put_text(w, reducer_name);
    put_u32(w, params);
}
static void old_type(Writer *w, const char *type_name, u32 ref) {
    put_u32(w, 0), put_text(w, type_name), put_u32(w, ref), put_u8(w, 1);
}
static void person_fields(Writer *w) {
    type_product(w, 3);
    name(w, "id"), type(w, T_U64);
    name(w, "name"), type(w, T_STRING);
    name(w, "age"), type(w, T_U8);
}

DESCRIBE_MODULE {
    Writer out = {bytes, 0}, *w = &out;
    put_u8(w, 1);
    put_u32(w, 2); /* the typespace */
    person_fields(w);
    type_product(w, 2);
    name(w, "id"), type(w, T_U64), name(w, "at"), type_schedule_at(w);

    put_u32(w, 2); /* tables */
    put_text(w, "Person"), put_u32(w, 0);
    put_u32(w, 1), put_u16(w, 0);
    put_u32(w, 3);
    old_index(w, "Person_id_idx_btree", "id", 0);
    old_index(w, "people by name", "name", 1);
    old_index(w, "Person_age_idx_btree", "age", 2);
    put_u32(w, 2);
    put_u8(w, 1), put_u8(w, 0), put_u32(w, 1), put_u16(w, 0);
    put_u8(w, 1), put_u8(w, 0), put_u32(w, 1), put_u16(w, 1);
    put_u32(w, 1), put_u8(w, 1), put_u16(w, 0), put_u8(w, 1), put_u8(w, 1), put_u8(w, 1);
    put_u64(w, 1), put_u64(w, 0);
    put_u8(w, 1);
    put_u8(w, 1), put_u8(w, PUBLIC);
    put_text(w, "Timer"), put_u32(w, 1);
    put_u32(w, 1), put_u16(w, 0);
    put_u32(w, 1), old_index(w, "Timer_id_idx_btree", "id", 0);
    put_u32(w, 1), put_u8(w, 1), put_u8(w, 0), put_u32(w, 1), put_u16(w, 0);
    put_u32(w, 1), put_u8(w, 1), put_u16(w, 0), put_u8(w, 1), put_u8(w, 1), put_u8(w, 1);
    put_u64(w, 1), put_u64(w, 0);
    put_u8(w, 0), put_u8(w, 1), put_text(w, "ring"), put_u16(w, 1); /* its schedule */
    put_u8(w, 1), put_u8(w, PRIVATE);

    put_u32(w, 5); /* reducers */
    old_reducer(w, "add", 2), name(w, "name"), type(w, T_STRING), name(w, "age"), type(w, T_U8);
    put_u8(w, 1);
    old_reducer(w, "remove", 1), name(w, "name"), type(w, T_STRING), put_u8(w, 1);
    old_reducer(w, "tell_aged", 1), name(w, "age"), type(w, T_U8), put_u8(w, 1);
    old_reducer(w, "ring", 1), name(w, "timer"), type_ref(w, 1), put_u8(w, 1);
    old_reducer(w, "__init__", 0), put_u8(w, 0), put_u8(w, INIT);

    put_u32(w, 2); /* types */
    old_type(w, "Person", 0), old_type(w, "Timer", 1);
    put_u32(w, 1); /* other exports: a view */
    put_u8(w, 2), put_text(w, "adults"), put_u32(w, 0), put_u8(w, 1), put_u8(w, 1);
    put_u32(w, 0), type_array(w), type_ref(w, 0);
    put_u32(w, 0); /* row-level security */
    write_sink(sink, bytes, out.len);
}

static u32 scan_ages(u8 from, u8 *buffer, u32 size) {
    u8 start[] = {0, from}, end[] = {2};
    u32 iter, n = size;
    if (datastore_btree_scan_bsatn(index_id("Person_age_idx_btree"), 0, 0, 0, start, 2, end, 1, &iter))
        TRAP();
    if (row_iter_bsatn_advance(iter, buffer, &n) != -1) TRAP();
    return n;
}

CALL_REDUCER {
    static u8 input[256], row[512];
    Reader r = {input, read_source(args, input, sizeof input), 0};
    Writer w = {row, 0};
    const u8 *text;
    u32 n, count;
    (void)sender_0, (void)sender_1, (void)sender_2, (void)sender_3;
    (void)connection_0, (void)connection_1, (void)timestamp;
    if (id == ADD) {
        n = get_bytes(&r, &text);
        put_u64(&w, 0), put_bytes(&w, text, n), put_u8(&w, get_u8(&r));
        return datastore_insert_bsatn(table_id("Person"), row, &w.len) ? fail(error, "there is one already") : 0;
    }
    if (id == REMOVE) {
        u8 bound[128] = {0};
        n = get_bytes(&r, &text);
        if (n > 100) return fail(error, "too long");
        memcpy(bound + 1, &n, 4), memcpy(bound + 5, text, n);
        if (datastore_delete_by_btree_scan_bsatn(
                index_id("people by name"), 0, 0, 0, bound, n + 5, bound, n + 5, &count))
            TRAP();
        return count ? 0 : fail(error, "nobody of that name");
    }
    if (id == AGED) {
        Reader found = {bytes, scan_ages(get_u8(&r), bytes, sizeof bytes), 0};
        while (found.left) {
            get_u64(&found);
            n = get_bytes(&found, &text);
            get_u8(&found);
            console_log(INFO, 0, 0, 0, 0, 0xffffffff, text, n);
        }
    }
    return 0;
}

CALL_ANONYMOUS_VIEW {
    u32 n = scan_ages(18, bytes, sizeof bytes), count = 0;
    Reader r = {bytes, n, 0};
    const u8 *text;
    (void)id, (void)args;
    for (; r.left; count++) get_u64(&r), get_bytes(&r, &text), get_u8(&r);
    write_sink(rows, &count, 4);
    write_sink(rows, bytes, n);
    return 0;
}
