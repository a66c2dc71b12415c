// A module of its own, which the shop includes under a name.
import { SenderError, schema, table, t } from 'spacetimedb/server';

const user = table({ name: 'user', public: true }, { name: t.string().primaryKey() });
const auth = schema({ user });
export default auth;

export const sign_up = auth.reducer({ name: t.string() }, (ctx, { name }) => {
  if (ctx.db.user.name.find(name)) throw new SenderError('the name is taken');
  ctx.db.user.insert({ name });
});
