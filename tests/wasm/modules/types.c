/* Every type of column, and names that Python and handles have for themselves. */
#include "stdb_module.h"

enum { PUT, COPY, PUT_TREE };

static u32 describe_types(void) {
    Writer *t = TYPESPACE;
    u32 color = define("Color");
    type_sum(t, 3);
    name(t, "Red"), type_unit(t), name(t, "Green"), type_unit(t), name(t, "None"), type_unit(t);
    u32 shape = define("Shape");
    type_sum(t, 3);
    name(t, "Circle"), type(t, T_F64);
    name(t, "Box"), type_array(t), type(t, T_U32);
    name(t, "Nothing"), type_unit(t);
    u32 point = define("Point");
    type_product(t, 2);
    name(t, "x"), type(t, T_I32), name(t, "lambda"), type(t, T_I32);
    u32 everything = define("Everything");
    type_product(t, 33);
    name(t, "id"), type(t, T_U64);
    name(t, "from"), type(t, T_BOOL);
    name(t, "class"), type(t, T_I8);
    name(t, "insert"), type(t, T_U8);
    name(t, "replace"), type(t, T_I16);
    name(t, "u_16"), type(t, T_U16);
    name(t, "i_32"), type(t, T_I32);
    name(t, "u_32"), type(t, T_U32);
    name(t, "i_64"), type(t, T_I64);
    name(t, "u_64"), type(t, T_U64);
    name(t, "i_128"), type(t, T_I128);
    name(t, "u_128"), type(t, T_U128);
    name(t, "i_256"), type(t, T_I256);
    name(t, "u_256"), type(t, T_U256);
    name(t, "f_32"), type(t, T_F32);
    name(t, "f_64"), type(t, T_F64);
    name(t, "text"), type(t, T_STRING);
    name(t, "blob"), type_array(t), type(t, T_U8);
    name(t, "numbers"), type_array(t), type(t, T_I64);
    name(t, "texts"), type_array(t), type(t, T_STRING);
    name(t, "maybe"), option_begin(t), type(t, T_STRING), option_end(t);
    name(t, "nested"), option_begin(t), option_begin(t), type(t, T_U8), option_end(t), option_end(t);
    name(t, "result"), type_sum(t, 2), name(t, "ok"), type(t, T_U32), name(t, "err"), type(t, T_STRING);
    name(t, "who"), type_identity(t);
    name(t, "where"), type_connection(t);
    name(t, "when"), type_timestamp(t);
    name(t, "span"), type_duration(t);
    name(t, "uuid"), type_uuid(t);
    name(t, "color"), type_ref(t, color);
    name(t, "shape"), type_ref(t, shape);
    name(t, "point"), type_ref(t, point);
    name(t, "points"), type_array(t), type_ref(t, point);
    name(t, "colors"), option_begin(t), type_array(t), type_ref(t, color), option_end(t);
    return everything;
}

DESCRIBE_MODULE {
    static const u16 c0[] = {0};
    static const char *const tables[] = {"import", "count"};
    static const char *const indexes[] = {"import_id_idx_btree", "count_id_idx_btree"};
    u32 everything = describe_types();
    Writer *w;
    for (u32 i = 0; i < 2; i++) {
        w = table_begin(tables[i], everything, 0);
        put_u32(w, 1), index(w, indexes[i], i ? "filter" : "id", BTREE, 1, c0);
        put_u32(w, 1), unique(w, 1, c0);
        put_u32(w, 1), sequence(w, 0);
        table_end(w, PUBLIC, 0);
    }
    /* A type of arguments may contain itself. */
    u32 tree = define("Tree");
    type_product(TYPESPACE, 2);
    name(TYPESPACE, "label"), type(TYPESPACE, T_STRING);
    name(TYPESPACE, "children"), type_array(TYPESPACE), type_ref(TYPESPACE, tree);
    w = reducer_begin("put", 1);
    name(w, "row"), type_ref(w, everything);
    reducer_end(w);
    w = reducer_begin("copy", 1);
    name(w, "first"), type(w, T_U64);
    reducer_end(w);
    w = reducer_begin("put_tree", 2);
    name(w, "from"), type_ref(w, tree);
    name(w, "depth"), type(w, T_U32);
    reducer_end(w);
    describe(sink);
}

static u8 buffer[1 << 16];

static u32 depth_of(Reader *r) {
    const u8 *label;
    get_bytes(r, &label);
    u32 deepest = 0;
    for (u32 n = get_u32(r); n && !r->bad; n--) {
        u32 depth = depth_of(r);
        if (depth > deepest) deepest = depth;
    }
    return deepest + 1;
}

CALL_REDUCER {
    (void)sender_0, (void)sender_1, (void)sender_2, (void)sender_3;
    (void)connection_0, (void)connection_1, (void)timestamp;
    u32 n;
    if (id == PUT) {
        n = read_source(args, buffer, sizeof buffer);
        return datastore_insert_bsatn(table_id("import"), buffer, &n);
    }
    if (id == PUT_TREE) {
        Reader r = {buffer, read_source(args, buffer, sizeof buffer), 0};
        u32 depth = depth_of(&r);
        return depth == get_u32(&r) && !r.bad ? 0 : fail(error, "another depth");
    }
    u32 by_id = index_id("import_id_idx_btree"), copies = table_id("count");
    for (u64 key = get_u64(&(Reader){buffer, read_source(args, buffer, 8), 0});; key++) {
        n = find(by_id, &key, 8, buffer, sizeof buffer);
        if (!n) return 0;
        if (datastore_insert_bsatn(copies, buffer, &n)) TRAP();
    }
}
