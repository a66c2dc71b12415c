// A module of the first generation: SpacetimeDB's library 1.12, which registers its functions by calls.
import { SenderError, schema, table, t } from 'spacetimedb1/server';

const spacetimedb = schema(
  table({ name: 'account', public: true }, { id: t.u64().primaryKey(), balance: t.i64() }),
  table(
    { name: 'note', public: true },
    { id: t.u64().primaryKey().autoInc(), owner: t.identity().index('btree'), text: t.string() },
  ),
);

spacetimedb.init((ctx) => { ctx.db.note.insert({ id: 0n, owner: ctx.sender, text: 'init' }); });

spacetimedb.reducer('open_account', { id: t.u64(), balance: t.i64() }, (ctx, { id, balance }) => {
  ctx.db.account.insert({ id, balance });
});

spacetimedb.reducer('transfer', { source: t.u64(), target: t.u64(), amount: t.i64() },
  (ctx, { source, target, amount }) => {
    const giver = ctx.db.account.id.find(source), taker = ctx.db.account.id.find(target);
    if (!giver || !taker) throw new SenderError('no such account');
    if (giver.balance < amount) throw new SenderError('insufficient funds');
    ctx.db.account.id.update({ ...giver, balance: giver.balance - amount });
    ctx.db.account.id.update({ ...taker, balance: taker.balance + amount });
  });

spacetimedb.reducer('forget', {}, (ctx) => {
  console.warn(`forgot ${ctx.db.note.owner.delete(ctx.sender)}`);
});

spacetimedb.reducer('crash', {}, () => { throw new RangeError('out of nowhere'); });

spacetimedb.view({ name: 'my_notes', public: true }, t.array(t.row('MyNote', { text: t.string() })), (ctx) =>
  [...ctx.db.note.owner.filter(ctx.sender)].map(({ text }) => ({ text })));

spacetimedb.procedure('count_notes', {}, t.u64(), (ctx) => ctx.withTx((tx) => tx.db.note.count()));
