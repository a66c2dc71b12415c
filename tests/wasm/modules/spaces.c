/* A module with another one inside, under the namespace `lib`; each has a table, a reducer and a
 * view. The functions of the inner one are numbered behind those of the outer. */
#include "stdb_module.h"

enum { OUTER, INNER };

static u8 outer[SECTION_SIZE], inner[SECTION_SIZE];

/* The sections of one module: a table `thing`, a reducer `add_thing`, a view `things`. */
static u32 describe_one(u8 *to, int has_submodule) {
    static const u16 c0[] = {0};
    for (u32 i = 0; i < SECTIONS; i++) section[i].len = 0, section_items[i] = 0;
    u32 thing = define("Thing");
    type_product(TYPESPACE, 2);
    name(TYPESPACE, "id"), type(TYPESPACE, T_U64);
    name(TYPESPACE, "place"), type(TYPESPACE, T_STRING);
    Writer *t = table_begin("thing", thing, 0);
    put_u32(t, 1), index(t, "thing_id_idx_btree", "id", BTREE, 1, c0);
    put_u32(t, 1), unique(t, 1, c0);
    put_u32(t, 1), sequence(t, 0);
    table_end(t, PUBLIC, 0);
    reducer_end(reducer_begin("add_thing", 0));
    t = view_begin("things", 0, 1);
    type_array(t), type_ref(t, thing);
    t = procedure_begin("number", 0);
    type(t, T_U32);
    procedure_end(t);

    Writer w = {to, 0};
    u32 sections = 1 + (u32)has_submodule;
    for (u32 i = 0; i < SECTIONS; i++) sections += section_items[i] > 0;
    put_u32(&w, sections);
    put_u8(&w, S_CASE), put_u8(&w, 0);
    for (u32 i = 0; i < SECTIONS; i++) {
        if (!section_items[i]) continue;
        put_u8(&w, (u8)i), put_u32(&w, section_items[i]);
        put(&w, section_bytes[i], section[i].len);
    }
    return w.len;
}

DESCRIBE_MODULE {
    u32 inner_len = describe_one(inner, 0), outer_len = describe_one(outer, 1);
    u8 head[16];
    Writer w = {head, 0};
    write_sink(sink, (u8[]){2}, 1);
    write_sink(sink, outer, outer_len);
    put_u8(&w, S_SUBMODULES), put_u32(&w, 1), put_text(&w, "lib");
    write_sink(sink, head, w.len);
    write_sink(sink, inner, inner_len);
}

CALL_REDUCER {
    u8 row[32];
    Writer w = {row, 0};
    (void)sender_0, (void)sender_1, (void)sender_2, (void)sender_3, (void)error;
    (void)connection_0, (void)connection_1, (void)timestamp, (void)args;
    put_u64(&w, 0), put_text(&w, id == INNER ? "inner" : "outer");
    return datastore_insert_bsatn(table_id(id == INNER ? "lib.thing" : "thing"), row, &w.len);
}

CALL_ANONYMOUS_VIEW {
    static u8 found[4096];
    u32 iter, n = sizeof found, count;
    u64 rows_count;
    u32 table = table_id(id == INNER ? "lib.thing" : "thing");
    (void)args;
    if (datastore_table_row_count(table, &rows_count)) TRAP();
    if (datastore_table_scan_bsatn(table, &iter)) TRAP();
    if (row_iter_bsatn_advance(iter, found, &n) != -1) TRAP();
    count = (u32)rows_count;
    write_sink(rows, (u8[]){0}, 1);
    write_sink(rows, &count, 4);
    write_sink(rows, found, n);
    return 2;
}

CALL_PROCEDURE {
    (void)sender_0, (void)sender_1, (void)sender_2, (void)sender_3;
    (void)connection_0, (void)connection_1, (void)timestamp, (void)args;
    write_sink(result, &id, 4);
    return 0;
}
