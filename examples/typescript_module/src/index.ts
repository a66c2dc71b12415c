// A bank, as SpacetimeDB's own host would run it: `npm install && npm run build`.
import { SenderError, schema, table, t } from 'spacetimedb/server';

const account = table(
  { name: 'account', public: true },
  { owner: t.string().primaryKey(), balance: t.i64() },
);
const bank = schema({ account });
export default bank;

export const open_account = bank.reducer(
  { owner: t.string(), balance: t.i64() },
  (ctx, { owner, balance }) => {
    if (ctx.db.account.owner.find(owner)) throw new SenderError(`${owner} has an account`);
    ctx.db.account.insert({ owner, balance });
  },
);

export const transfer = bank.reducer(
  { source: t.string(), target: t.string(), amount: t.i64() },
  (ctx, { source, target, amount }) => {
    const giver = ctx.db.account.owner.find(source);
    const taker = ctx.db.account.owner.find(target);
    if (!giver || !taker) throw new SenderError('no such account');
    if (giver.balance < amount) throw new SenderError('insufficient funds');
    ctx.db.account.owner.update({ ...giver, balance: giver.balance - amount });
    ctx.db.account.owner.update({ ...taker, balance: taker.balance + amount });
  },
);
