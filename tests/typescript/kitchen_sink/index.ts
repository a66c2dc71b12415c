// Every type of a column and every kind of index, and a reducer that reads and writes them all.
import { Range, SenderError, schema, table, t } from 'spacetimedb/server';

const Point = t.object('Point', { x: t.f32(), y: t.f64() });
const Color = t.enum('Color', ['Red', 'Green']);
const Shape = t.enum('Shape', { Dot: t.unit(), Circle: t.f64(), Polygon: t.array(Point) });

const everything = table(
  {
    name: 'everything', public: true,
    indexes: [
      { accessor: 'by_group_rank', algorithm: 'btree', columns: ['group_name', 'rank'] },
      { accessor: 'by_size', algorithm: 'hash', columns: ['size'] },
      { accessor: 'by_slot', algorithm: 'direct', column: 'slot' },
    ],
  },
  {
    id: t.u32().primaryKey().autoInc(),
    truth: t.bool(),
    i8: t.i8(), i16: t.i16(), i32: t.i32(), i64: t.i64(), i128: t.i128(), i256: t.i256(),
    u8: t.u8(), u16: t.u16(), u32: t.u32(), u64: t.u64(), u128: t.u128(), u256: t.u256(),
    f32: t.f32(), f64: t.f64(),
    text: t.string(),
    data: t.byteArray(),
    numbers: t.array(t.u16()),
    maybe: t.option(t.string()),
    point: Point,
    color: Color,
    shape: Shape,
    identity: t.identity(),
    connection: t.connectionId(),
    timestamp: t.timestamp(),
    duration: t.timeDuration(),
    at: t.scheduleAt(),
    uuid: t.uuid(),
    group_name: t.string(), rank: t.i32(),
    size: t.u32(),
    slot: t.u8(),
  },
);

const sink = schema({ everything });
export default sink;

export const put = sink.reducer({ row: everything.rowType }, (ctx, { row }) => {
  ctx.db.everything.insert(row);
});

// Reads the row and writes it again under another number, so that each value goes both ways.
export const copy = sink.reducer({ id: t.u32() }, (ctx, { id }) => {
  const row = ctx.db.everything.id.find(id);
  if (!row) throw new SenderError('no such row');
  ctx.db.everything.insert({ ...row, id: 0 });
});

export const expect_found = sink.reducer(
  { group_name: t.string(), low: t.i32(), high: t.i32(), size: t.u32(), slot: t.u8(), ids: t.array(t.u32()) },
  (ctx, { group_name, low, high, size, slot, ids }) => {
    const range = new Range<number>({ tag: 'included', value: low }, { tag: 'excluded', value: high });
    const found = [
      [...ctx.db.everything.by_group_rank.filter([group_name, range])],
      [...ctx.db.everything.by_size.filter(size)],
      [...ctx.db.everything.by_slot.filter(slot)],
    ].map((rows) => rows.map((row) => row.id).sort().join());
    const wanted = [...ids].sort().join();
    for (const each of found) if (each !== wanted) throw new SenderError(`${found.join(' | ')} is not ${wanted}`);
  },
);

export const drop_group = sink.reducer({ group_name: t.string() }, (ctx, { group_name }) => {
  ctx.db.everything.by_group_rank.delete(group_name);
});
