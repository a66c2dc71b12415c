// A module that includes another under a name.
import { schema, table, t } from 'spacetimedb/server';
import * as auth from './auth';

const order = table({ name: 'order', public: true }, { id: t.u64().primaryKey().autoInc(), item: t.string() });
const shop = schema({ order, auth });
export default shop;

export const buy = shop.reducer({ item: t.string() }, (ctx, { item }) => {
  ctx.db.order.insert({ id: 0n, item });
});
