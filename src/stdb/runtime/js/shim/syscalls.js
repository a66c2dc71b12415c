// The functions of spacetime:sys@1.x and @2.x.
// -- syscalls ----------------------------------------------------------------------------------------
// Numbers that channel.py gives its functions.
const OP = {
  errno: 4, table_id_from_name: 5, index_id_from_name: 6, datastore_table_row_count: 7,
  datastore_table_scan_bsatn: 8, datastore_index_scan_point_bsatn: 9,
  datastore_index_scan_range_bsatn: 10, row_iter_bsatn_advance: 11, row_iter_bsatn_close: 12,
  datastore_insert_bsatn: 13, datastore_update_bsatn: 14,
  datastore_delete_by_index_scan_point_bsatn: 15, datastore_delete_by_index_scan_range_bsatn: 16,
  datastore_delete_all_by_eq_bsatn: 17, datastore_clear: 18,
  volatile_nonatomic_schedule_immediate: 19, console_log: 20, console_timer_start: 21,
  console_timer_end: 22, identity: 23, get_jwt_payload: 24, procedure_start_mut_tx: 25,
  procedure_commit_mut_tx: 26, procedure_abort_mut_tx: 27, procedure_http_request: 28,
};

const named = (op) => (name) => { putText(string(name)); ask(op); return words[R0] >>> 0; };
const counted = (op) => (table) => { words[A0] = u32(table); ask(op); return longs[WIDE]; };
const scanTable = (table) => {
  words[A0] = u32(table);
  ask(OP.datastore_table_scan_bsatn);
  return opened();
};

const { prepareStackTrace } = ErrorClass;
const stackOf = () => {
  const limit = ErrorClass.stackTraceLimit, prepare = ErrorClass.prepareStackTrace;
  ErrorClass.prepareStackTrace = prepareStackTrace;
  ErrorClass.stackTraceLimit = 64;
  try { return text(new ErrorClass("").stack); } finally {
    ErrorClass.stackTraceLimit = limit;
    ErrorClass.prepareStackTrace = prepare;
  }
};
const consoleLog = (level, message) => {
  const number = u8(level);
  const line = string(message), trace = encode(stackOf());
  const said = encode(line), both = new BytesClass(bytesLength(said) + bytesLength(trace));
  setBytes(both, said, 0);
  setBytes(both, trace, bytesLength(said));
  putBytes(both);
  words[A1] = number;
  words[A2] = bytesLength(said);
  ask(OP.console_log);
};
const timerStart = (name) => {
  putText(string(name));
  ask(OP.console_timer_start);
  return words[R0] >>> 0;
};
const timerEnd = (number) => { words[A1] = u32(number); words[LENGTH] = 0; ask(OP.console_timer_end); };
const jwtPayload = (connection) => {
  wide(connection, 2);
  ask(OP.get_jwt_payload);
  return takeBytes(words[ANSWER_LENGTH]);
};
const schedule = (name, args) => {
  const who = encode(string(name)), what = uint8(args);
  const both = new BytesClass(bytesLength(who) + bytesLength(what));
  setBytes(both, who, 0);
  setBytes(both, what, bytesLength(who));
  putBytes(both);
  words[A1] = bytesLength(who);
  ask(OP.volatile_nonatomic_schedule_immediate);
};
const http = (request, body) => {
  const asked = uint8(request), sent = typeof body === "string" ? encode(body) : uint8(body);
  const both = new BytesClass(bytesLength(asked) + bytesLength(sent));
  setBytes(both, asked, 0);
  setBytes(both, sent, bytesLength(asked));
  putBytes(both);
  words[A1] = bytesLength(asked);
  ask(OP.procedure_http_request);
  const size = words[R0], answer = takeBytes(words[ANSWER_LENGTH]);
  return [new BytesClass(part(answer, 0, size)), new BytesClass(part(answer, size))];
};
const startTransaction = () => { ask(OP.procedure_start_mut_tx); return signed[WIDE]; };
const commitTransaction = () => { ask(OP.procedure_commit_mut_tx); };
const abortTransaction = () => { ask(OP.procedure_abort_mut_tx); };

const shared = {
  table_id_from_name: named(OP.table_id_from_name),
  index_id_from_name: named(OP.index_id_from_name),
  datastore_table_row_count: counted(OP.datastore_table_row_count),
  datastore_table_scan_bsatn: scanTable,
  row_iter_bsatn_close: (number) => { u32(number); close(number); },
  volatile_nonatomic_schedule_immediate: schedule,
  console_log: consoleLog,
  console_timer_start: timerStart,
  console_timer_end: timerEnd,
  get_jwt_payload: jwtPayload,
};
const procedures = {
  procedure_http_request: http,
  procedure_start_mut_tx: startTransaction,
  procedure_abort_mut_tx: abortTransaction,
  procedure_commit_mut_tx: commitTransaction,
};

// sys@2: arguments in ArrayBuffers, results written back into them.
const written = (into) => {
  const length = words[ANSWER_LENGTH];
  if (length > 0) takeInto(into, length);
  return length;
};
const setRange = (buf, prefixLength, prefixElements, startLength, endLength) => {
  const length = within(buf, prefixLength, startLength, endLength);
  u32(prefixElements);
  putBuffer(buf, length);
  words[A1] = prefixLength;
  words[A2] = prefixElements;
  words[A3] = startLength;
  words[A4] = endLength;
};
const v2 = {
  ...shared, ...procedures,
  identity: () => { ask(OP.identity); return wideAt(WIDE, 4); },
  datastore_index_scan_point_bsatn: (index, buf, length) => {
    u32(index);
    putBuffer(buf, within(buf, length));
    words[A0] = index;
    ask(OP.datastore_index_scan_point_bsatn);
    return opened();
  },
  datastore_index_scan_range_bsatn: (index, buf, prefix, elements, start, end) => {
    u32(index);
    setRange(buf, prefix, elements, start, end);
    words[A0] = index;
    ask(OP.datastore_index_scan_range_bsatn);
    return opened();
  },
  datastore_delete_by_index_scan_point_bsatn: (index, buf, length) => {
    u32(index);
    putBuffer(buf, within(buf, length));
    words[A0] = index;
    ask(OP.datastore_delete_by_index_scan_point_bsatn);
    return words[R0] >>> 0;
  },
  datastore_delete_by_index_scan_range_bsatn: (index, buf, prefix, elements, start, end) => {
    u32(index);
    setRange(buf, prefix, elements, start, end);
    words[A0] = index;
    ask(OP.datastore_delete_by_index_scan_range_bsatn);
    return words[R0] >>> 0;
  },
  row_iter_bsatn_advance: (number, buf) => { u32(number); return advance(number, buf); },
  datastore_insert_bsatn: (table, buf, length) => {
    u32(table);
    putBuffer(buf, within(buf, length));
    words[A0] = table;
    ask(OP.datastore_insert_bsatn);
    return written(buf);
  },
  datastore_update_bsatn: (table, index, buf, length) => {
    u32(table);
    u32(index);
    putBuffer(buf, within(buf, length));
    words[A0] = table;
    words[A1] = index;
    ask(OP.datastore_update_bsatn);
    return written(buf);
  },
  datastore_delete_all_by_eq_bsatn: (table, buf, length) => {
    u32(table);
    putBuffer(buf, within(buf, length));
    words[A0] = table;
    ask(OP.datastore_delete_all_by_eq_bsatn);
    return words[R0] >>> 0;
  },
};

// sys@1: bytes in, bytes out.
const joined = (...parts) => {
  let size = 0;
  for (let i = 0; i < parts.length; i++) size += bytesLength(uint8(parts[i]));
  const all = new BytesClass(size);
  for (let i = 0, at = 0; i < parts.length; at += bytesLength(parts[i]), i++)
    setBytes(all, parts[i], at);
  return all;
};
const setRange1 = (prefix, elements, start, end) => {
  u32(elements);
  putBytes(joined(prefix, start, end));
  words[A1] = bytesLength(prefix);
  words[A2] = elements;
  words[A3] = bytesLength(start);
  words[A4] = bytesLength(end);
};
const v1 = {
  ...shared,
  identity: () => { ask(OP.identity); return seal({ __identity__: wideAt(WIDE, 4) }); },
  datastore_index_scan_range_bsatn: (index, prefix, elements, start, end) => {
    u32(index);
    setRange1(prefix, elements, start, end);
    words[A0] = index;
    ask(OP.datastore_index_scan_range_bsatn);
    return opened();
  },
  datastore_delete_by_index_scan_range_bsatn: (index, prefix, elements, start, end) => {
    u32(index);
    setRange1(elements === 0 ? new BytesClass(0) : prefix, elements, start, end);
    words[A0] = index;
    ask(OP.datastore_delete_by_index_scan_range_bsatn);
    return words[R0] >>> 0;
  },
  row_iter_bsatn_advance: (number, room) => {
    u32(number);
    const into = new BufferClass(u32(room) >>> 0), size = advance(number, into);
    const length = size < 0 ? -size : size;
    return seal({ 0: size <= 0, 1: new BytesClass(into, 0, length) });
  },
  datastore_insert_bsatn: (table, row) => {
    u32(table);
    putBytes(uint8(row));
    words[A0] = table;
    ask(OP.datastore_insert_bsatn);
    return takeBytes(words[ANSWER_LENGTH]);
  },
  datastore_update_bsatn: (table, index, row) => {
    u32(table);
    u32(index);
    putBytes(uint8(row));
    words[A0] = table;
    words[A1] = index;
    ask(OP.datastore_update_bsatn);
    return takeBytes(words[ANSWER_LENGTH]);
  },
  datastore_delete_all_by_eq_bsatn: (table, relation) => {
    u32(table);
    putBytes(uint8(relation));
    words[A0] = table;
    ask(OP.datastore_delete_all_by_eq_bsatn);
    return words[R0] >>> 0;
  },
};
const v1Point = {
  datastore_index_scan_point_bsatn: (index, point) => {
    u32(index);
    putBytes(uint8(point));
    words[A0] = index;
    ask(OP.datastore_index_scan_point_bsatn);
    return opened();
  },
  datastore_delete_by_index_scan_point_bsatn: (index, point) => {
    u32(index);
    putBytes(uint8(point));
    words[A0] = index;
    ask(OP.datastore_delete_by_index_scan_point_bsatn);
    return words[R0] >>> 0;
  },
};
