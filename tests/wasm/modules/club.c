/* The module of tests/behaviour in C; tests/behaviour/club.py says the same in Python. */
#include "stdb_module.h"

enum { INIT_, CONNECTED_, DISCONNECTED_, JOIN, GIVE, RENAME, LEAVE, LEAVE_ALL, REMIND, REMIND_EVERY,
       RING, ANNOUNCE, CRASH, WRITE_CARD };
enum { MY_MEMBERS };
enum { LEADERS, TOP };
enum { ADD, JOIN_MANY };

static void member_fields(Writer *w) {
    type_product(w, 4);
    name(w, "id"), type(w, T_U64);
    name(w, "owner"), type_identity(w);
    name(w, "name"), type(w, T_STRING);
    name(w, "points"), type(w, T_I64);
}

static void keyed_table(const char *table_name, u32 row, const char *index_name, u8 access) {
    static const u16 c0[] = {0};
    Writer *w = table_begin(table_name, row, 0);
    put_u32(w, 1), index(w, index_name, "id", BTREE, 1, c0);
    put_u32(w, 1), unique(w, 1, c0);
    put_u32(w, 1), sequence(w, 0);
    table_end(w, access, 0);
}

static void text_reducer(const char *reducer_name) {
    Writer *w = reducer_begin(reducer_name, 1);
    name(w, "text"), type(w, T_STRING);
    reducer_end(w);
}

static void timed_reducer(const char *reducer_name) {
    Writer *w = reducer_begin(reducer_name, 2);
    name(w, "text"), type(w, T_STRING);
    name(w, "micros"), type(w, T_I64);
    reducer_end(w);
}

static void describe_tables(u32 *member, u32 *reminder) {
    static const u16 c0[] = {0}, c1[] = {1}, c2[] = {2}, c3[] = {3};
    *member = define("Member");
    member_fields(TYPESPACE);
    Writer *w = table_begin("member", *member, 0);
    put_u32(w, 4);
    index(w, "member_id_idx_btree", "id", BTREE, 1, c0);
    index(w, "member_owner_idx_btree", "owner", BTREE, 1, c1);
    index(w, "member_name_idx_btree", "name", BTREE, 1, c2);
    index(w, "member_points_idx_btree", "points", BTREE, 1, c3);
    put_u32(w, 2), unique(w, 1, c0), unique(w, 1, c2);
    put_u32(w, 1), sequence(w, 0);
    table_end(w, PUBLIC, 0);

    u32 note = define("Note");
    type_product(TYPESPACE, 2);
    name(TYPESPACE, "id"), type(TYPESPACE, T_U64);
    name(TYPESPACE, "text"), type(TYPESPACE, T_STRING);
    keyed_table("note", note, "note_id_idx_btree", PUBLIC);

    *reminder = define("Reminder");
    type_product(TYPESPACE, 3);
    name(TYPESPACE, "id"), type(TYPESPACE, T_U64);
    name(TYPESPACE, "at"), type_schedule_at(TYPESPACE);
    name(TYPESPACE, "text"), type(TYPESPACE, T_STRING);
    keyed_table("reminder", *reminder, "reminder_id_idx_btree", PRIVATE);
    schedule("reminder", 1, "ring");

    u32 signal = define("Signal");
    type_product(TYPESPACE, 1);
    name(TYPESPACE, "text"), type(TYPESPACE, T_STRING);
    w = table_begin("signal", signal, -1);
    put_u32(w, 0), put_u32(w, 0), put_u32(w, 0);
    table_end(w, PUBLIC, 1);

    u32 card = define("Card");
    type_product(TYPESPACE, 3);
    name(TYPESPACE, "id"), type(TYPESPACE, T_U64);
    name(TYPESPACE, "owner"), type_identity(TYPESPACE);
    name(TYPESPACE, "text"), type(TYPESPACE, T_STRING);
    keyed_table("card", card, "card_id_idx_btree", PUBLIC);
    row_level_security("SELECT * FROM card WHERE card.owner = :sender");
}

static void describe_functions(u32 member, u32 reminder) {
    Writer *w;
    reducer_end(reducer_begin("init", 0)), lifecycle(INIT, "init");
    reducer_end(reducer_begin("connected", 0)), lifecycle(CONNECTED, "connected");
    reducer_end(reducer_begin("disconnected", 0)), lifecycle(DISCONNECTED, "disconnected");
    w = reducer_begin("join", 1);
    name(w, "name"), type(w, T_STRING);
    reducer_end(w);
    w = reducer_begin("give", 3);
    name(w, "source"), type(w, T_U64);
    name(w, "target"), type(w, T_U64);
    name(w, "points"), type(w, T_I64);
    reducer_end(w);
    w = reducer_begin("rename", 2);
    name(w, "id"), type(w, T_U64);
    name(w, "name"), type(w, T_STRING);
    reducer_end(w);
    w = reducer_begin("leave", 1);
    name(w, "id"), type(w, T_U64);
    reducer_end(w);
    reducer_end(reducer_begin("leave_all", 0));
    timed_reducer("remind");
    timed_reducer("remind_every");
    w = reducer_begin("ring", 1);
    name(w, "reminder"), type_ref(w, reminder);
    reducer_end(w);
    text_reducer("announce");
    reducer_end(reducer_begin("crash", 0));
    text_reducer("write_card");

    type_array(view_begin("my_members", MY_MEMBERS, 0)), type_ref(&section[S_VIEWS], member);
    type_array(view_begin("leaders", LEADERS, 1)), type_ref(&section[S_VIEWS], member);
    w = view_begin("top", TOP, 1);
    option_begin(w), type_ref(w, member), option_end(w);

    w = procedure_begin("add", 2);
    name(w, "a"), type(w, T_U32);
    name(w, "b"), type(w, T_U32);
    type(w, T_U64);
    procedure_end(w);
    w = procedure_begin("join_many", 2);
    name(w, "prefix"), type(w, T_STRING);
    name(w, "count"), type(w, T_U32);
    type(w, T_U32);
    procedure_end(w);

    http_handler("count_members");
    http_route("count_members", 0, "/members");
}

DESCRIBE_MODULE {
    u32 member, reminder;
    describe_tables(&member, &reminder);
    describe_functions(member, reminder);
    describe(sink);
}

typedef struct { u64 id, owner[4]; const u8 *name; u32 name_len; i64 points; } Member;

static u8 row[4096], input[4096];

static Member read_member(Reader *r) {
    Member m;
    m.id = get_u64(r);
    for (u32 i = 0; i < 4; i++) m.owner[i] = get_u64(r);
    m.name_len = get_bytes(r, &m.name);
    m.points = (i64)get_u64(r);
    return m;
}
static u32 write_member(u8 *to, const Member *m) {
    Writer w = {to, 0};
    put_u64(&w, m->id);
    put(&w, m->owner, 32);
    put_bytes(&w, m->name, m->name_len);
    put_u64(&w, (u64)m->points);
    return w.len;
}
static int find_member(u64 id, Member *member, u8 *buffer, u32 size) {
    u32 n = find(index_id("member_id_idx_btree"), &id, 8, buffer, size);
    Reader r = {buffer, n, 0};
    if (n) *member = read_member(&r);
    return n > 0;
}
static u16 update_member(const Member *member) {
    u32 n = write_member(row, member);
    return datastore_update_bsatn(table_id("member"), index_id("member_id_idx_btree"), row, &n);
}
static void note(const void *text, u32 n) {
    Writer w = {row, 0};
    put_u64(&w, 0);
    put_bytes(&w, text, n);
    if (datastore_insert_bsatn(table_id("note"), row, &w.len)) TRAP();
}

static i32 join(const u8 *member_name, u32 n, const u64 sender[4], u32 error) {
    Member m = {0, {sender[0], sender[1], sender[2], sender[3]}, member_name, n, 10};
    if (!n) return fail(error, "a member needs a name");
    u32 len = write_member(row, &m);
    u16 code = datastore_insert_bsatn(table_id("member"), row, &len);
    if (code == UNIQUE_ALREADY_EXISTS) return fail(error, "the name is taken");
    if (code) TRAP();
    return 0;
}

static i32 give(u64 source, u64 target, i64 points, u32 error) {
    static u8 first[1024], second[1024];
    Member giver, taker;
    if (!find_member(source, &giver, first, sizeof first)) return fail(error, "no such member");
    if (giver.points < points) return fail(error, "not enough points");
    giver.points -= points;
    if (update_member(&giver)) TRAP();
    if (!find_member(target, &taker, second, sizeof second)) return fail(error, "no such member");
    taker.points += points;
    if (update_member(&taker)) TRAP();
    return 0;
}

static i32 rename(u64 id, const u8 *new_name, u32 n, u32 error) {
    static u8 old[1024];
    Member m;
    if (!find_member(id, &m, old, sizeof old)) return fail(error, "no such member");
    m.name = new_name, m.name_len = n;
    u16 code = update_member(&m);
    if (code == UNIQUE_ALREADY_EXISTS) return fail(error, "the name is taken");
    if (code) TRAP();
    return 0;
}

static i32 leave(u64 id, u32 error) {
    u32 count;
    if (datastore_delete_by_index_scan_point_bsatn(index_id("member_id_idx_btree"), &id, 8, &count))
        TRAP();
    return count ? 0 : fail(error, "no such member");
}

static i32 leave_all(const u64 sender[4]) {
    u32 count;
    u8 text[] = "left 0";
    if (datastore_delete_by_index_scan_point_bsatn(
            index_id("member_owner_idx_btree"), sender, 32, &count))
        TRAP();
    text[5] = (u8)('0' + count);
    note(text, 6);
    return 0;
}

static i32 remind(const u8 *text, u32 n, u8 kind, i64 micros) {
    Writer w = {row, 0};
    put_u64(&w, 0);
    put_u8(&w, kind);
    put_u64(&w, (u64)micros);
    put_bytes(&w, text, n);
    if (datastore_insert_bsatn(table_id("reminder"), row, &w.len)) TRAP();
    return 0;
}

static i32 announce(const u8 *text, u32 n) {
    Writer w = {row, 0};
    put_bytes(&w, text, n);
    if (datastore_insert_bsatn(table_id("signal"), row, &w.len)) TRAP();
    return 0;
}

static i32 write_card(const u8 *text, u32 n, const u64 sender[4]) {
    Writer w = {row, 0};
    put_u64(&w, 0);
    put(&w, sender, 32);
    put_bytes(&w, text, n);
    if (datastore_insert_bsatn(table_id("card"), row, &w.len)) TRAP();
    return 0;
}

CALL_REDUCER {
    const u64 sender[] = {sender_0, sender_1, sender_2, sender_3};
    const u8 *text;
    u32 n;
    Reader r = {input, read_source(args, input, sizeof input), 0};
    (void)connection_0, (void)connection_1, (void)timestamp;
    switch (id) {
    case INIT_: note("init", 4); return 0;
    case CONNECTED_: note("connected", 9); return 0;
    case DISCONNECTED_: note("disconnected", 12); return 0;
    case JOIN: n = get_bytes(&r, &text); return join(text, n, sender, error);
    case GIVE: { u64 source = get_u64(&r), target = get_u64(&r); return give(source, target, (i64)get_u64(&r), error); }
    case RENAME: { u64 member = get_u64(&r); n = get_bytes(&r, &text); return rename(member, text, n, error); }
    case LEAVE: return leave(get_u64(&r), error);
    case LEAVE_ALL: return leave_all(sender);
    case REMIND: n = get_bytes(&r, &text); return remind(text, n, 1, (i64)get_u64(&r));
    case REMIND_EVERY: n = get_bytes(&r, &text); return remind(text, n, 0, (i64)get_u64(&r));
    case RING: get_u64(&r), get_u8(&r), get_u64(&r); n = get_bytes(&r, &text); note(text, n); return 0;
    case ANNOUNCE: n = get_bytes(&r, &text); return announce(text, n);
    case CRASH: note("crashing", 8); TRAP();
    case WRITE_CARD: n = get_bytes(&r, &text); return write_card(text, n, sender);
    default: return fail(error, "no such reducer");
    }
}

/* -- views: the header of rows, then their array ------------------------------------------------ */

static u8 found[1 << 16];

static void answer_rows(u32 rows, u32 count, const u8 *data, u32 n) {
    u8 head[5] = {0};
    memcpy(head + 1, &count, 4);
    write_sink(rows, head, 5);
    write_sink(rows, data, n);
}
static u32 read_rows(u32 iter) {
    u32 total = 0;
    for (;;) {
        u32 n = sizeof found - total;
        i16 code = row_iter_bsatn_advance(iter, found + total, &n);
        if (code > 0) TRAP();
        total += n;
        if (code == -1) return total;
    }
}
static u32 count_rows(u32 n) {
    Reader r = {found, n, 0};
    u32 count = 0;
    while (r.left) read_member(&r), count++;
    return count;
}

CALL_VIEW {
    const u64 sender[] = {sender_0, sender_1, sender_2, sender_3};
    u32 iter;
    (void)args;
    if (id != MY_MEMBERS) return 1;
    if (datastore_index_scan_point_bsatn(index_id("member_owner_idx_btree"), sender, 32, &iter)) TRAP();
    u32 n = read_rows(iter);
    answer_rows(rows, count_rows(n), found, n);
    return 2;
}

CALL_ANONYMOUS_VIEW {
    u8 start[9] = {1}, end[1] = {2};  /* points above 10 */
    i64 ten = 10;
    u32 iter;
    (void)args;
    memcpy(start + 1, &ten, 8);
    if (datastore_index_scan_range_bsatn(
            index_id("member_points_idx_btree"), 0, 0, 0, start, 9, end, 1, &iter))
        TRAP();
    u32 n = read_rows(iter);
    if (id == LEADERS) {
        answer_rows(rows, count_rows(n), found, n);
    } else {
        Reader r = {found, n, 0};
        Member best = {0}, next;
        while (r.left) {
            next = read_member(&r);
            if (!best.id || next.points > best.points) best = next;
        }
        n = best.id ? write_member(row, &best) : 0;
        answer_rows(rows, best.id > 0, row, n);
    }
    return 2;
}

/* -- outside of transactions -------------------------------------------------------------------- */

CALL_PROCEDURE {
    const u64 sender[] = {sender_0, sender_1, sender_2, sender_3};
    Reader r = {input, read_source(args, input, sizeof input), 0};
    (void)connection_0, (void)connection_1, (void)timestamp;
    if (id == ADD) {
        u64 sum = get_u32(&r);
        sum += get_u32(&r);
        write_sink(result, &sum, 8);
        return 0;
    }
    const u8 *prefix;
    u8 text[64];
    u32 n = get_bytes(&r, &prefix), count = get_u32(&r), joined = 0;
    if (n > 60) TRAP();
    memcpy(text, prefix, n);
    for (u32 i = 0; i < count; i++) {
        i64 at;
        text[n] = (u8)('0' + i);
        if (procedure_start_mut_tx(&at)) TRAP();
        Member m = {0, {sender[0], sender[1], sender[2], sender[3]}, text, n + 1, 10};
        u32 len = write_member(row, &m);
        if (datastore_insert_bsatn(table_id("member"), row, &len)) {
            if (procedure_abort_mut_tx()) TRAP();
        } else {
            if (procedure_commit_mut_tx()) TRAP();
            joined++;
        }
    }
    write_sink(result, &joined, 4);
    return 0;
}

CALL_HTTP_HANDLER {
    i64 at;
    u64 count;
    u8 head[7] = {0, 0, 0, 0, 2, 200, 0}, text[1];
    (void)id, (void)timestamp, (void)request, (void)request_body;
    if (procedure_start_mut_tx(&at)) TRAP();
    if (datastore_table_row_count(table_id("member"), &count)) TRAP();
    if (procedure_commit_mut_tx()) TRAP();
    text[0] = (u8)('0' + count);
    write_sink(response, head, sizeof head);
    write_sink(response_body, text, 1);
    return 0;
}
