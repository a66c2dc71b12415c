/* A bank: money moves between accounts, and never appears or vanishes. */
#include "stdb_module.h"

enum { OPEN_ACCOUNT, TRANSFER };

DESCRIBE_MODULE {
    static const u16 id[] = {0};
    u32 account = define("Account");
    type_product(TYPESPACE, 3);
    name(TYPESPACE, "id"), type(TYPESPACE, T_U32);
    name(TYPESPACE, "owner"), type_identity(TYPESPACE);
    name(TYPESPACE, "balance"), type(TYPESPACE, T_U64);

    Writer *w = table_begin("account", account, 0);
    put_u32(w, 1), index(w, "account_id_idx_btree", "id", BTREE, 1, id);
    put_u32(w, 1), unique(w, 1, id);
    put_u32(w, 1), sequence(w, 0);
    table_end(w, PUBLIC, 0);

    w = reducer_begin("open_account", 1);
    name(w, "deposit"), type(w, T_U64);
    reducer_end(w);
    w = reducer_begin("transfer", 3);
    name(w, "source"), type(w, T_U32);
    name(w, "target"), type(w, T_U32);
    name(w, "amount"), type(w, T_U64);
    reducer_end(w);
    describe(sink);
}

/* A row as it is encoded. */
typedef struct __attribute__((packed)) { u32 id; u64 owner[4]; u64 balance; } Account;

static u32 accounts, by_id;

static int find_account(u32 id, Account *account) {
    return find(by_id, &id, sizeof id, account, sizeof *account) == sizeof *account;
}
static void update_account(Account *account) {
    u32 size = sizeof *account;
    if (datastore_update_bsatn(accounts, by_id, account, &size)) TRAP();
}

static i32 open_account(u64 deposit, const u64 sender[4]) {
    Account account = {0, {sender[0], sender[1], sender[2], sender[3]}, deposit};
    u32 size = sizeof account;
    if (datastore_insert_bsatn(accounts, &account, &size)) TRAP();
    return 0;
}

static i32 transfer(u32 source, u32 target, u64 amount, u32 error) {
    Account giver, taker;
    if (!find_account(source, &giver)) return fail(error, "no such account to take from");
    if (giver.balance < amount) return fail(error, "not enough money");
    giver.balance -= amount;
    update_account(&giver);
    /* Only now: when this fails, the transaction puts the money back. */
    if (!find_account(target, &taker)) return fail(error, "no such account to give to");
    taker.balance += amount;
    update_account(&taker);
    return 0;
}

CALL_REDUCER {
    u8 buffer[64];
    Reader r = {buffer, read_source(args, buffer, sizeof buffer), 0};
    (void)connection_0, (void)connection_1, (void)timestamp;
    if (!accounts) accounts = table_id("account"), by_id = index_id("account_id_idx_btree");
    if (id == OPEN_ACCOUNT) {
        const u64 sender[] = {sender_0, sender_1, sender_2, sender_3};
        return open_account(get_u64(&r), sender);
    }
    if (id == TRANSFER) {
        u32 source = get_u32(&r), target = get_u32(&r);
        return transfer(source, target, get_u64(&r), error);
    }
    return fail(error, "no such reducer");
}
