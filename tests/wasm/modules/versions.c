/* A module in three versions: the second has one column more, the third another type of column. */
#include "stdb_module.h"

DESCRIBE_MODULE {
    static const u16 c0[] = {0};
    u32 item = define("Item");
    type_product(TYPESPACE, VERSION == 2 ? 3 : 2);
    name(TYPESPACE, "id"), type(TYPESPACE, T_U64);
    name(TYPESPACE, "name"), type(TYPESPACE, VERSION == 3 ? T_U64 : T_STRING);
    if (VERSION == 2) name(TYPESPACE, "stars"), type(TYPESPACE, T_U32);
    Writer *w = table_begin("item", item, 0);
    put_u32(w, 1), index(w, "item_id_idx_btree", "id", BTREE, 1, c0);
    put_u32(w, 1), unique(w, 1, c0);
    put_u32(w, 1), sequence(w, 0);
    put_u8(w, 1), put_u8(w, PUBLIC);
    put_u32(w, VERSION == 2); /* defaults: 5 stars */
    if (VERSION == 2) put_u16(w, 2), put_u32(w, 4), put_u32(w, 5);
    put_u8(w, 0);
    w = reducer_begin("add", 1);
    name(w, "name"), type(w, T_STRING);
    reducer_end(w);
    w = view_begin("items", 0, 1);
    type_array(w), type_ref(w, item);
    describe(sink);
}

static u8 row[1024];

CALL_REDUCER {
    const u8 *text;
    u8 input[512];
    Reader r = {input, read_source(args, input, sizeof input), 0};
    Writer w = {row, 0};
    u32 n = get_bytes(&r, &text);
    (void)sender_0, (void)sender_1, (void)sender_2, (void)sender_3, (void)id;
    (void)connection_0, (void)connection_1, (void)timestamp, (void)error;
    put_u64(&w, 0), put_bytes(&w, text, n);
    if (VERSION == 2) put_u32(&w, 1);
    return datastore_insert_bsatn(table_id("item"), row, &w.len);
}

CALL_ANONYMOUS_VIEW {
    u32 iter, n = sizeof row, count;
    u64 rows_count;
    (void)id, (void)args;
    if (datastore_table_row_count(table_id("item"), &rows_count)) TRAP();
    if (datastore_table_scan_bsatn(table_id("item"), &iter)) TRAP();
    if (row_iter_bsatn_advance(iter, row, &n) != -1) TRAP();
    count = (u32)rows_count;
    write_sink(rows, &count, 4);
    write_sink(rows, row, n);
    return 0;
}
