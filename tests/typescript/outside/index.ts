// Procedures that ask the world, wait for nothing, and fail in every way.
import { schema, table, t } from 'spacetimedb/server';

const page = table({ name: 'page', public: true }, { url: t.string().primaryKey(), body: t.string() });
const outside = schema({ page });
export default outside;

export const fetch_page = outside.procedure({ url: t.string(), body: t.string() }, t.string(), (ctx, { url, body }) => {
  const response = body === '' ? ctx.http.fetch(url) : ctx.http.fetch(url, { method: 'POST', body });
  const text = response.text();
  ctx.withTx((tx) => { tx.db.page.insert({ url, body: text }); });
  return `${response.status} ${text}`;
});

export const fail_inside = outside.procedure({ url: t.string() }, t.unit(), (ctx, { url }) => {
  ctx.withTx((tx) => { tx.db.page.insert({ url, body: 'kept' }); });
  ctx.withTx((tx) => {
    tx.db.page.insert({ url: `${url}2`, body: 'lost' });
    throw new RangeError('in the middle');
  });
  return {};
});

let calls = 0;
export const count_calls = outside.procedure(t.u32(), () => ++calls);
