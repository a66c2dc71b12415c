/* Views that answer with SQL; tests/behaviour/test_query_views.py says the same in Python. */
#include "stdb_module.h"

enum { ADD_ITEM, ADD_KIND };
enum { KNOWN, MINE };

static void key_index(Writer *w, const char *name) {
    static const u16 c0[] = {0};
    put_u32(w, 1), index(w, name, "id", BTREE, 1, c0);
    put_u32(w, 1), unique(w, 1, c0);
}

static void query_of(Writer *w, u32 row) {
    type_product(w, 1), name(w, "__query__"), type_ref(w, row);
}

DESCRIBE_MODULE {
    Writer *w;
    u32 item_row = define("Item");
    type_product(TYPESPACE, 3);
    name(TYPESPACE, "id"), type(TYPESPACE, T_U64);
    name(TYPESPACE, "owner"), type_identity(TYPESPACE);
    name(TYPESPACE, "kind"), type(TYPESPACE, T_U32);
    w = table_begin("item", item_row, 0);
    key_index(w, "item_id_idx_btree");
    put_u32(w, 1), sequence(w, 0);
    table_end(w, PUBLIC, 0);

    u32 kind_row = define("Kind");
    type_product(TYPESPACE, 1);
    name(TYPESPACE, "id"), type(TYPESPACE, T_U32);
    w = table_begin("kind", kind_row, 0);
    key_index(w, "kind_id_idx_btree");
    put_u32(w, 0);
    table_end(w, PUBLIC, 0);

    w = reducer_begin("add_item", 1);
    name(w, "kind"), type(w, T_U32);
    reducer_end(w);
    w = reducer_begin("add_kind", 1);
    name(w, "id"), type(w, T_U32);
    reducer_end(w);
    query_of(view_begin("known", KNOWN, 1), item_row);
    query_of(view_begin("mine", MINE, 0), item_row);
    describe(sink);
}

CALL_REDUCER {
    const u64 sender[] = {sender_0, sender_1, sender_2, sender_3};
    u8 given[4], row[64];
    Writer w = {row, 0};
    (void)connection_0, (void)connection_1, (void)timestamp, (void)error;
    read_source(args, given, sizeof given);
    if (id == ADD_ITEM) put_u64(&w, 0), put(&w, sender, 32);
    put(&w, given, 4);
    return datastore_insert_bsatn(table_id(id == ADD_ITEM ? "item" : "kind"), row, &w.len);
}

static i32 answer(u32 rows, const char *sql, u32 n) {
    write_sink(rows, (u8[]){1}, 1);
    write_sink(rows, &n, 4);
    write_sink(rows, sql, n);
    return 2;
}

CALL_VIEW {
    static char sql[] = "SELECT * FROM item WHERE owner = 0x"
        "0000000000000000000000000000000000000000000000000000000000000000";
    const u64 sender[] = {sender_0, sender_1, sender_2, sender_3};
    (void)id, (void)args;
    for (u32 i = 0; i < 64; i++)
        sql[sizeof sql - 2 - i] = "0123456789abcdef"[sender[i / 16] >> 4 * (i % 16) & 15];
    return answer(rows, sql, sizeof sql - 1);
}

CALL_ANONYMOUS_VIEW {
    static const char sql[] = "SELECT item.* FROM item JOIN kind ON item.kind = kind.id";
    (void)id, (void)args;
    return answer(rows, sql, sizeof sql - 1);
}
