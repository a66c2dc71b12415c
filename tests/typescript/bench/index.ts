// What benchmarks/javascript.py measures.
import { SenderError, schema, table, t } from 'spacetimedb/server';

const account = table({ name: 'account', public: true }, { id: t.u32().primaryKey(), balance: t.i64() });
const bank = schema({ account });
export default bank;

export const empty = bank.reducer(() => {});

export const transfer = bank.reducer(
  { source: t.u32(), target: t.u32(), amount: t.i64() },
  (ctx, { source, target, amount }) => {
    const giver = ctx.db.account.id.find(source), taker = ctx.db.account.id.find(target);
    if (!giver || !taker || giver.balance < amount) throw new SenderError('impossible');
    ctx.db.account.id.update({ ...giver, balance: giver.balance - amount });
    ctx.db.account.id.update({ ...taker, balance: taker.balance + amount });
  },
);
