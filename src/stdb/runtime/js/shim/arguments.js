// Checks of what a module gives to a syscall, and the iterators that it holds.
// -- the arguments of syscalls -----------------------------------------------------------------------
const shown = (value) => {
  try { return typeof value === "bigint" ? `${value}n` : text(value); } catch { return typeof value; }
};
const u32 = (value) => {
  if (typeof value !== "number" || value >>> 0 !== value)
    throw new TypeErrorClass(`Expected number for \`u32\`, got ${shown(value)}`);
  return value | 0;
};
const u8 = (value) => {
  u32(value);
  return value & 255;
};
const string = (value) => {
  if (typeof value !== "string") throw new TypeErrorClass(`Expected string, got ${shown(value)}`);
  return value;
};
const uint8 = (value) => {
  if (!isView(value) || tagOf(value) !== "Uint8Array")
    throw new TypeErrorClass(`Expected Uint8Array, got ${shown(value)}`);
  return value;
};
const lengthOf = (value) => {
  try { return bufferLength(value); } catch {
    throw new TypeErrorClass(`Expected ArrayBuffer, got ${shown(value)}`);
  }
};
const within = (value, first, second = 0, third = 0) => {
  const total = (u32(first) >>> 0) + (u32(second) >>> 0) + (u32(third) >>> 0);
  if (total > lengthOf(value))
    throw new RangeErrorClass("length argument was out of bounds for `ArrayBuffer`");
  return total;
};
const wide = (value, count) => {
  if (typeof value !== "bigint" || value < 0n || asUintN(count * 64, value) !== value)
    throw new TypeErrorClass(`Expected bigint for \`u${count * 64}\`, got ${shown(value)}`);
  for (let i = 0; i < count; i++) longs[WIDE + i] = value >> BigInt64(i);
};
const BigInt64 = (i) => i === 0 ? 0n : i === 1 ? 64n : i === 2 ? 128n : 192n;
const wideAt = (at, count) => {
  let value = longs[at];
  for (let i = 1; i < count; i++) value |= longs[at + i] << BigInt64(i);
  return value;
};

// -- iterators: small results come over whole with the scan and stay on this side --------------------
let lastIterator = 0;
const iterators = new Map();        // number -> {bytes, handle}: what is left here, what the host has

const keepStash = () => {
  apply(mapSet, iterators, [stash, { bytes: takeBytes(stashLength), handle: 0 }]);
  stash = 0;
};
const opened = () => {
  const number = ++lastIterator, handle = words[R1];
  if (handle === 0 && words[ANSWER_LENGTH] <= DATA_SIZE) { stash = number; stashLength = words[ANSWER_LENGTH]; }
  else apply(mapSet, iterators, [number, { bytes: null, handle }]);
  return number;
};
const noIterator = () => { words[A0] = 6; ask(OP.errno); };

// A number of bytes, below 0 when they are the last; 0 when there are none.
const advance = (number, into) => {
  const room = lengthOf(into);
  if (number === stash) {
    if (stashLength > room) throw { __buffer_too_small__: stashLength };
    stash = 0;
    if (stashLength > 0) takeInto(into, stashLength);
    return -stashLength;
  }
  const held = apply(mapGet, iterators, [number]);
  if (held === undefined) return noIterator();
  if (held.bytes !== null) {
    const length = bytesLength(held.bytes);
    if (length > room) throw { __buffer_too_small__: length };
    apply(mapDelete, iterators, [number]);
    look(into);
    setBytes(seenBytes, held.bytes, 0);
    return -length;
  }
  words[A0] = held.handle;
  words[A1] = room;
  ask(OP.row_iter_bsatn_advance);
  const length = words[ANSWER_LENGTH];
  if (words[R0] !== 0) apply(mapDelete, iterators, [number]);
  if (length > 0) takeInto(into, length);
  return words[R0] !== 0 ? -length : length;
};
// A finalizer may close an iterator of a call that is over: that is no error.
const close = (number) => {
  if (number === stash) { stash = 0; return; }
  const held = apply(mapGet, iterators, [number]);
  if (held === undefined) {
    if (number <= lastOfEarlierCalls) return;
    noIterator();
  }
  apply(mapDelete, iterators, [number]);
  if (held.handle !== 0) { words[A0] = held.handle; ask(OP.row_iter_bsatn_close); }
};
let lastOfEarlierCalls = 0;
