// The module of tests/behaviour in TypeScript; club.py says the same in Python.
import { Range, Router, ScheduleAt, SenderError, SyncResponse, errors, schema, table, t } from 'spacetimedb/server';

const member = table(
  { name: 'member', public: true },
  {
    id: t.u64().primaryKey().autoInc(),
    owner: t.identity().index('btree'),
    name: t.string().unique(),
    points: t.i64().index('btree'),
  },
);
const note = table({ name: 'note', public: true }, { id: t.u64().primaryKey().autoInc(), text: t.string() });
const reminder = table(
  { name: 'reminder', scheduled: () => ring },
  { id: t.u64().primaryKey().autoInc(), at: t.scheduleAt(), text: t.string() },
);
const signal = table({ name: 'signal', public: true, event: true }, { text: t.string() });
const card = table(
  { name: 'card', public: true },
  { id: t.u64().primaryKey().autoInc(), owner: t.identity(), text: t.string() },
);

const club = schema({ member, note, reminder, signal, card });
export default club;

export const cards = club.clientVisibilityFilter.sql('SELECT * FROM card WHERE card.owner = :sender');

const write = (ctx: any, text: string) => ctx.db.note.insert({ id: 0n, text });

export const init = club.init((ctx) => { write(ctx, 'init'); });
export const connected = club.clientConnected((ctx) => { write(ctx, 'connected'); });
export const disconnected = club.clientDisconnected((ctx) => { write(ctx, 'disconnected'); });

const taken = (act: () => unknown) => {
  try {
    act();
  } catch (error) {
    if (error instanceof errors.UniqueAlreadyExists) throw new SenderError('the name is taken');
    throw error;
  }
};
const found = <T>(row: T | null | undefined): T => {
  if (row == null) throw new SenderError('no such member');
  return row;
};

export const join = club.reducer({ name: t.string() }, (ctx, { name }) => {
  if (name === '') throw new SenderError('a member needs a name');
  taken(() => ctx.db.member.insert({ id: 0n, owner: ctx.sender, name, points: 10n }));
});

export const give = club.reducer(
  { source: t.u64(), target: t.u64(), points: t.i64() },
  (ctx, { source, target, points }) => {
    const giver = found(ctx.db.member.id.find(source));
    if (giver.points < points) throw new SenderError('not enough points');
    ctx.db.member.id.update({ ...giver, points: giver.points - points });
    const taker = found(ctx.db.member.id.find(target));
    ctx.db.member.id.update({ ...taker, points: taker.points + points });
  },
);

export const rename = club.reducer({ id: t.u64(), name: t.string() }, (ctx, { id, name }) => {
  const who = found(ctx.db.member.id.find(id));
  taken(() => ctx.db.member.id.update({ ...who, name }));
});

export const leave = club.reducer({ id: t.u64() }, (ctx, { id }) => {
  if (!ctx.db.member.id.delete(id)) throw new SenderError('no such member');
});

export const leave_all = club.reducer((ctx) => {
  write(ctx, `left ${ctx.db.member.owner.delete(ctx.sender)}`);
});

export const remind = club.reducer({ text: t.string(), micros: t.i64() }, (ctx, { text, micros }) => {
  ctx.db.reminder.insert({ id: 0n, at: ScheduleAt.time(micros), text });
});

export const remind_every = club.reducer({ text: t.string(), micros: t.i64() }, (ctx, { text, micros }) => {
  ctx.db.reminder.insert({ id: 0n, at: ScheduleAt.interval(micros), text });
});

export const ring = club.reducer({ reminder: reminder.rowType }, (ctx, { reminder }) => {
  write(ctx, reminder.text);
});

export const announce = club.reducer({ text: t.string() }, (ctx, { text }) => {
  ctx.db.signal.insert({ text });
});

export const crash = club.reducer((ctx) => {
  write(ctx, 'crashing');
  throw new RangeError('out of nowhere');
});

export const write_card = club.reducer({ text: t.string() }, (ctx, { text }) => {
  ctx.db.card.insert({ id: 0n, owner: ctx.sender, text });
});

const leading = new Range<bigint>({ tag: 'excluded', value: 10n });

export const my_members = club.view({ public: true }, t.array(member.rowType), (ctx) => [
  ...ctx.db.member.owner.filter(ctx.sender),
]);

export const leaders = club.anonymousView({ public: true }, t.array(member.rowType), (ctx) => [
  ...ctx.db.member.points.filter(leading),
]);

export const top = club.anonymousView({ public: true }, t.option(member.rowType), (ctx) => {
  const rows = [...ctx.db.member.points.filter(leading)];
  return rows.reduce<(typeof rows)[number] | undefined>(
    (best, row) => (best === undefined || row.points > best.points ? row : best), undefined);
});

export const add = club.procedure({ a: t.u32(), b: t.u32() }, t.u64(), (_ctx, { a, b }) => BigInt(a) + BigInt(b));

export const join_many = club.procedure({ prefix: t.string(), count: t.u32() }, t.u32(), (ctx, { prefix, count }) => {
  let joined = 0;
  for (let i = 0; i < count; i++) {
    try {
      ctx.withTx((tx) => {
        tx.db.member.insert({ id: 0n, owner: ctx.sender, name: `${prefix}${i}`, points: 10n });
      });
      joined += 1;
    } catch (error) {
      if (!(error instanceof errors.UniqueAlreadyExists)) throw error;
    }
  }
  return joined;
});

export const count_members = club.httpHandler((ctx) =>
  new SyncResponse(String(ctx.withTx((tx) => tx.db.member.count()))));

export const routes = club.httpRouter(new Router().get('/members', count_members));
