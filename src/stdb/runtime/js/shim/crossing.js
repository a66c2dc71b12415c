// What is needed of the language, taken before a module can change it, and the crossing to the host:
// a request in the shared memory, whose words and areas channel.py describes. The two must agree.
const JOB_NUMBER = 0, RUNNING = 1, BY_CALLBACK = 2, AFTER = 3, JOB_STATE = 4, NEW_SENDER = 5, NEW_CONNECTION = 6;
const SETTLES = 7;
const SENDER = 8, CONNECTION = SENDER + 4, WIDE = 16;       // of the words of 64 bits
const REQUEST = 48, STATUS = 49, A0 = 50, A1 = 51, A2 = 52, A3 = 53, A4 = 54, LENGTH = 55;
const ANSWER_LENGTH = 56, R0 = 57, R1 = 58, DATA = 4 * REQUEST + 48, JOB = DATA + DATA_SIZE;
const OP_DONE = 1, OP_ENDED = 2, OP_PUSH = 3, OP_FETCH = 30, OP_GIVE_UP = 29;
const DOOMED = -1, TYPE_ERROR = -2, RANGE_ERROR = -3, TOO_SMALL = -4, FAILED = -5, STOP = -6;
const DOOMED_MAX = 1000, SPINS_MAX = 20000, IDLE_MS = 20, NAP_MS = 0.001;

// -- what a module could replace ---------------------------------------------------------------------
const { load, store, wait } = Atomics;
const { apply, construct, ownKeys, getPrototypeOf } = Reflect;
const { create, freeze, seal, defineProperty, getOwnPropertyDescriptor } = Object;
const { isArray } = Array, { isView } = ArrayBuffer, { now } = Date, { min } = Math;
const { asUintN } = BigInt, { fromCharCode } = String;
const none = [];
const TypedArray = getPrototypeOf(Uint8Array);
const getter = (prototype, name) => {
  const { get } = getOwnPropertyDescriptor(prototype, name);
  return (self) => apply(get, self, none);
};
const tagOf = getter(TypedArray.prototype, Symbol.toStringTag);
const bytesBuffer = getter(TypedArray.prototype, "buffer");
const bytesOffset = getter(TypedArray.prototype, "byteOffset");
const bytesLength = getter(TypedArray.prototype, "byteLength");
const viewBuffer = getter(DataView.prototype, "buffer");
const viewOffset = getter(DataView.prototype, "byteOffset");
const viewLength = getter(DataView.prototype, "byteLength");
const bufferLength = getter(ArrayBuffer.prototype, "byteLength");
const sharedLength = getter(SharedArrayBuffer.prototype, "byteLength");
const typedSet = TypedArray.prototype.set, typedSubarray = TypedArray.prototype.subarray;
const setBytes = (into, from, at) => apply(typedSet, into, [from, at]);
const part = (bytes, from, to) => apply(typedSubarray, bytes, [from, to]);
const mapGet = Map.prototype.get, mapSet = Map.prototype.set, mapDelete = Map.prototype.delete;
const mapClear = Map.prototype.clear;
const charCode = String.prototype.charCodeAt;
const keyFor = Symbol.for, hasInstance = Function.prototype[Symbol.hasInstance];
const BytesClass = Uint8Array, BufferClass = ArrayBuffer, ViewClass = DataView, WordsClass = Int32Array;
const ErrorClass = Error, TypeErrorClass = TypeError, RangeErrorClass = RangeError;
const text = String;

const buffer = new ArrayBuffer(JOB + JOB_SIZE);
const words = new Int32Array(buffer), bytes = new Uint8Array(buffer);
const longs = new BigUint64Array(buffer), signed = new BigInt64Array(buffer);
const napping = new Int32Array(new SharedArrayBuffer(4));

// -- crossing to the host ----------------------------------------------------------------------------
let hooks = null, version = 0;      // of the module; 0: not loaded
let doom = null, doomed = 0;        // what the present call fails with, whatever it catches
let isRunning = true;               // a call, or the loading: nobody answers at other times
let stash = 0, stashLength = 0;     // an iterator whose rows still lie in the data area

const nap = () => { wait(napping, 0, 0, NAP_MS); };

// Ask the host; its answer is in STATUS and the words behind it. What is usual stands there already.
const cross = (op) => {
  words[STATUS] = words[ANSWER_LENGTH] = words[R1] = 0;
  if (words[BY_CALLBACK] !== 0) {
    words[REQUEST] = op;
    host();
  } else {
    store(words, REQUEST, op);
    let spins = 0;
    while (load(words, REQUEST) !== 0) if (++spins > SPINS_MAX) nap();
  }
  return words[STATUS];
};

const ask = (op) => {
  if (!isRunning) refuse();
  if (doom !== null) throwDoom();
  if (stash !== 0) keepStash();
  const status = cross(op);
  if (status !== 0) fail(status);
};

// A module that catches it again and again is ended by force.
const throwDoom = () => {
  if (++doomed > DOOMED_MAX) {
    putBytes(encode(doom.message));
    cross(OP_GIVE_UP);
    for (;;) nap();
  }
  throw doom;
};

// What a promise or a finalizer asks when no call runs.
const refuse = () => { throw hostError(2, "ABI call can only be made while in a transaction"); };

const hostError = (number, message) => {
  if (version === 1) {
    return seal(message === "" || number !== 21 ? { __code_error__: number }
      : { __code_error__: number, __error_message__: message });
  }
  if (hooks === null) return new ErrorClass(message);
  return construct(apply(hooks.errorConstructor, undefined, [number]), [message]);
};

const fail = (status) => {
  if (status === STOP) for (;;) nap();
  const message = words[ANSWER_LENGTH] === 0 ? "" : takeText(words[ANSWER_LENGTH]);
  if (status === DOOMED) {
    doomed = 0;
    throw doom = new ErrorClass(message);
  }
  if (status === TYPE_ERROR) throw new TypeErrorClass(message);
  if (status === RANGE_ERROR) throw new RangeErrorClass(message);
  if (status === FAILED) throw new ErrorClass(message);
  if (status === TOO_SMALL) throw { __buffer_too_small__: words[R0] };
  throw hostError(status, message);
};

// -- bytes to and from the data area -----------------------------------------------------------------
let seenBuffer = null, seenBytes = null, seenWords = null;
const look = (from) => {
  // The views of the buffer used last; one that was transferred meanwhile has no length any more.
  if (from !== seenBuffer || bufferLength(from) === 0) {
    seenBytes = new BytesClass(from);
    seenWords = bytesLength(seenBytes) % 4 === 0 ? new WordsClass(from) : null;
    seenBuffer = from;
  }
};

const putBuffer = (from, length) => {
  if (!isRunning) refuse();
  if (stash !== 0) keepStash();
  look(from);
  if (length > DATA_SIZE) return putLong(part(seenBytes, 0, length));
  if (length <= 128 && seenWords !== null) {
    const end = (length + 3) >> 2;
    for (let i = 0, at = DATA >> 2; i < end; i++, at++) words[at] = seenWords[i];
  } else setBytes(bytes, part(seenBytes, 0, length), DATA);
  words[LENGTH] = length;
};

const putBytes = (view) => {
  if (!isRunning) refuse();
  if (stash !== 0) keepStash();
  const length = bytesLength(view);
  if (length > DATA_SIZE) return putLong(view);
  setBytes(bytes, view, DATA);
  words[LENGTH] = length;
};

// What does not fit goes over in pieces first; a length below 0 tells the host that it did.
const putLong = (view) => {
  const length = bytesLength(view);
  for (let at = 0; at < length; at += DATA_SIZE) {
    const piece = part(view, at, min(at + DATA_SIZE, length));
    setBytes(bytes, piece, DATA);
    words[LENGTH] = bytesLength(piece);
    words[A0] = at;
    cross(OP_PUSH);
  }
  words[LENGTH] = -1;
};

const takeInto = (into, length) => {
  look(into);
  if (length <= 128 && seenWords !== null && length % 4 === 0) {
    const end = length >> 2;
    for (let i = 0, at = DATA >> 2; i < end; i++, at++) seenWords[i] = words[at];
  } else if (length <= DATA_SIZE) setBytes(seenBytes, part(bytes, DATA, DATA + length), 0);
  else fetch(seenBytes, length);
};

const takeBytes = (length) => {
  const into = new BytesClass(length);
  if (length <= DATA_SIZE) setBytes(into, part(bytes, DATA, DATA + length), 0);
  else fetch(into, length);
  return into;
};

const fetch = (into, length) => {
  for (let at = 0; at < length; at += DATA_SIZE) {
    words[A0] = at;
    cross(OP_FETCH);
    setBytes(into, part(bytes, DATA, DATA + words[ANSWER_LENGTH]), at);
  }
};
