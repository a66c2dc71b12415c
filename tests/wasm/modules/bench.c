/* What the benchmarks call. */
#include "stdb_module.h"

enum { EMPTY, ADD, TRANSFER, SCAN, OPEN, COUNT_UP };

DESCRIBE_MODULE {
    static const u16 c0[] = {0}, c1[] = {1}, c2[] = {2};
    u32 account = define("Account");
    type_product(TYPESPACE, 2);
    name(TYPESPACE, "id"), type(TYPESPACE, T_U32);
    name(TYPESPACE, "balance"), type(TYPESPACE, T_U64);
    Writer *w = table_begin("account", account, 0);
    put_u32(w, 1), index(w, "account_id_idx_btree", "id", BTREE, 1, c0);
    put_u32(w, 1), unique(w, 1, c0);
    put_u32(w, 0);
    table_end(w, PUBLIC, 0);
    u32 person = define("Person");
    type_product(TYPESPACE, 3);
    name(TYPESPACE, "id"), type(TYPESPACE, T_U64);
    name(TYPESPACE, "name"), type(TYPESPACE, T_STRING);
    name(TYPESPACE, "age"), type(TYPESPACE, T_U32);
    w = table_begin("person", person, 0);
    put_u32(w, 3);
    index(w, "person_id_idx_btree", "id", BTREE, 1, c0);
    index(w, "person_name_idx_btree", "name", BTREE, 1, c1);
    index(w, "person_age_idx_btree", "age", BTREE, 1, c2);
    put_u32(w, 1), unique(w, 1, c0);
    put_u32(w, 1), sequence(w, 0);
    table_end(w, PUBLIC, 0);

    reducer_end(reducer_begin("empty", 0));
    w = reducer_begin("add", 2);
    name(w, "name"), type(w, T_STRING);
    name(w, "age"), type(w, T_U32);
    reducer_end(w);
    w = reducer_begin("transfer", 3);
    name(w, "source"), type(w, T_U32);
    name(w, "target"), type(w, T_U32);
    name(w, "amount"), type(w, T_U64);
    reducer_end(w);
    w = reducer_begin("scan", 1);
    name(w, "expected"), type(w, T_U64);
    reducer_end(w);
    w = reducer_begin("open", 2);
    name(w, "id"), type(w, T_U32);
    name(w, "balance"), type(w, T_U64);
    reducer_end(w);
    w = reducer_begin("count_up", 1);
    name(w, "to"), type(w, T_U32);
    reducer_end(w);
    describe(sink);
}

typedef struct __attribute__((packed)) { u32 id; u64 balance; } Account;
static u32 accounts, by_id, people;
static u8 buffer[1 << 16];
static volatile u32 counter;

static void update(Account *account) {
    u32 size = sizeof *account;
    if (datastore_update_bsatn(accounts, by_id, account, &size)) TRAP();
}

CALL_REDUCER {
    (void)sender_0, (void)sender_1, (void)sender_2, (void)sender_3;
    (void)connection_0, (void)connection_1, (void)timestamp;
    if (id == EMPTY) return 0;
    if (!accounts) {
        accounts = table_id("account"), by_id = index_id("account_id_idx_btree");
        people = table_id("person");
    }
    u8 input[256];
    Reader r = {input, read_source(args, input, sizeof input), 0};
    if (id == ADD) {
        const u8 *text;
        u32 n = get_bytes(&r, &text), age = get_u32(&r);
        Writer w = {buffer, 0};
        put_u64(&w, 0), put_bytes(&w, text, n), put_u32(&w, age);
        return datastore_insert_bsatn(people, buffer, &w.len);
    }
    if (id == TRANSFER) {
        Account giver, taker;
        u32 source = get_u32(&r), target = get_u32(&r);
        u64 amount = get_u64(&r);
        if (!find(by_id, &source, 4, &giver, sizeof giver)) return fail(error, "no such account");
        if (!find(by_id, &target, 4, &taker, sizeof taker)) return fail(error, "no such account");
        if (giver.balance < amount) return fail(error, "not enough money");
        giver.balance -= amount, taker.balance += amount;
        update(&giver), update(&taker);
        return 0;
    }
    if (id == SCAN) {
        u32 iter, n;
        u64 sum = 0;
        i16 code = 0;
        if (datastore_table_scan_bsatn(accounts, &iter)) TRAP();
        while (code == 0) {
            n = sizeof buffer;
            code = row_iter_bsatn_advance(iter, buffer, &n);
            if (code > 0) TRAP();
            for (Account *a = (Account *)buffer; a < (Account *)(buffer + n); a++) sum += a->balance;
        }
        return sum == get_u64(&r) ? 0 : fail(error, "another sum");
    }
    if (id == OPEN) {
        Account account;
        account.id = get_u32(&r), account.balance = get_u64(&r);
        u32 size = sizeof account;
        return datastore_insert_bsatn(accounts, &account, &size);
    }
    u32 to = get_u32(&r);
    for (u32 i = 0; i < to; i++) counter += i;
    return 0;
}
