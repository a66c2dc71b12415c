/* Names in another case than those of the database, as bindings for TypeScript and C# have them. */
#define CASE_POLICY 1
#include "stdb_module.h"

DESCRIBE_MODULE {
    static const u16 c0[] = {0};
    u32 thing = define("someThing");
    type_product(TYPESPACE, 2);
    name(TYPESPACE, "theId"), type(TYPESPACE, T_U64);
    name(TYPESPACE, "itsName"), type(TYPESPACE, T_STRING);
    Writer *w = table_begin("allThings", thing, 0);
    put_u32(w, 1), index(w, "allThings_theId_idx_btree", "theId", BTREE, 1, c0);
    put_u32(w, 1), unique(w, 1, c0);
    put_u32(w, 1), sequence(w, 0);
    table_end(w, PUBLIC, 0);
    w = reducer_begin("addThing", 1);
    name(w, "itsName"), type(w, T_STRING);
    reducer_end(w);
    describe(sink);
}

CALL_REDUCER {
    u8 input[128], row[160];
    Reader r = {input, read_source(args, input, sizeof input), 0};
    const u8 *text;
    u32 n = get_bytes(&r, &text);
    u64 first = 1;
    Writer w = {row, 0};
    (void)sender_0, (void)sender_1, (void)sender_2, (void)sender_3, (void)id;
    (void)connection_0, (void)connection_1, (void)timestamp;
    put_u64(&w, 0), put_bytes(&w, text, n);
    /* By both names, the source's and the database's. */
    if (table_id("allThings") != table_id("all_things")) TRAP();
    if (datastore_insert_bsatn(table_id("allThings"), row, &w.len)) TRAP();
    if (!find(index_id("allThings_theId_idx_btree"), &first, 8, row, sizeof row)) TRAP();
    if (!find(index_id("all_things_the_id_idx_btree"), &first, 8, row, sizeof row)) TRAP();
    return n ? 0 : fail(error, "no name");
}
