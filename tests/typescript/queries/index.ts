// Views that return queries; tests/behaviour/test_query_views.py says the same in Python.
import { schema, table, t } from 'spacetimedb/server';

const item = table(
  { name: 'item', public: true },
  { id: t.u64().primaryKey().autoInc(), owner: t.identity(), kind: t.u32().index('btree') },
);
const kind = table({ name: 'kind', public: true }, { id: t.u32().primaryKey() });

const queries = schema({ item, kind });
export default queries;

export const add_item = queries.reducer({ kind: t.u32() }, (ctx, { kind }) => {
  ctx.db.item.insert({ id: 0n, owner: ctx.sender, kind });
});

export const add_kind = queries.reducer({ id: t.u32() }, (ctx, { id }) => {
  ctx.db.kind.insert({ id });
});

export const mine = queries.view({ public: true }, t.array(item.rowType), (ctx) =>
  ctx.from.item.where((row) => row.owner.eq(ctx.sender)));

export const known = queries.anonymousView({ public: true }, t.array(item.rowType), (ctx) =>
  ctx.from.item.leftSemijoin(ctx.from.kind, (i, k) => i.kind.eq(k.id)));
