// Finding the hooks of a module, and running its functions.
// -- hooks -------------------------------------------------------------------------------------------
const moduleHooks = keyFor("SpacetimeDB.moduleHooks.v2");
const registered = create(null);
const register = (names) => (given) => {
  if (version === 2) throw new TypeErrorClass("cannot call `register_hooks` from different versions");
  for (let i = 0; i < names.length; i++) {
    const hook = given[names[i]];
    if (typeof hook !== "function")
      throw new TypeErrorClass(`Expected module function hook \`${names[i]}\`, got ${shown(hook)}`);
    if (registered[names[i]] !== undefined)
      throw new TypeErrorClass("cannot call `register_hooks` multiple times");
    registered[names[i]] = hook;
  }
  version = 1;
};
const virtual = (functions) => {
  const module = create(null);
  const names = ownKeys(functions);
  for (let i = 0; i < names.length; i++) {
    // Methods have no [[Construct]], as functions of a host.
    const f = functions[names[i]];
    module[names[i]] = typeof f === "function" ? { call(...args) { return apply(f, undefined, args); } }.call : f;
  }
  return freeze(module);
};
const modules = {
  __proto__: null,
  "spacetime:sys@1.0": virtual({ ...v1, register_hooks: register(["__describe_module__", "__call_reducer__"]) }),
  "spacetime:sys@1.1": virtual({ register_hooks: register(["__call_view__", "__call_view_anon__"]) }),
  "spacetime:sys@1.2": virtual({ ...procedures, register_hooks: register(["__call_procedure__"]) }),
  "spacetime:sys@1.3": virtual(v1Point),
  "spacetime:sys@2.0": virtual({ ...v2, ...{ moduleHooks } }),
  "spacetime:sys@2.1": virtual({ datastore_clear: counted(OP.datastore_clear) }),
};
const $import = (specifier, names = []) => {
  const module = modules[specifier];
  for (let i = 0; i < names.length; i++)
    if (!(names[i] in module))
      throw new SyntaxError(`The requested module '${specifier}' does not provide an export named '${names[i]}'`);
  return module;
};

const hook = (object, name, optional) => {
  const f = object[name];
  if (optional && (f === undefined || f === null)) return null;
  if (typeof f !== "function")
    throw new TypeErrorClass(`Expected module function hook \`${name}\`, got ${shown(f)}`);
  return f;
};
const findHooks = (namespace) => {
  if (version === 1) {
    const self = undefined, r = registered;
    return {
      self, describe: r.__describe_module__, reducer: r.__call_reducer__, view: r.__call_view__,
      anonymousView: r.__call_view_anon__, procedure: r.__call_procedure__, handler: null,
    };
  }
  const schema = namespace.default;
  if (schema === undefined || schema === null)
    throw new TypeErrorClass("must export schema as default export");
  if (typeof schema !== "object" && typeof schema !== "function")
    throw new TypeErrorClass("default export is not a Schema object");
  const make = schema[moduleHooks];
  if (typeof make !== "function") throw new TypeErrorClass(`Expected hooks function, got ${shown(make)}`);
  const object = apply(make, schema, [namespace]);
  if (object === null || typeof object !== "object")
    throw new TypeErrorClass(`Expected hooks object, got ${shown(object)}`);
  const found = {
    self: object,
    describe: hook(object, "__describe_module__"),
    errorConstructor: hook(object, "__get_error_constructor__"),
    SenderError: hook(object, "__sender_error_class__"),
    reducer: hook(object, "__call_reducer__"),
    view: hook(object, "__call_view__"),
    anonymousView: hook(object, "__call_view_anon__"),
    procedure: hook(object, "__call_procedure__"),
    handler: hook(object, "__call_http_handler__", true),
  };
  version = 2;
  return found;
};

// -- calls -------------------------------------------------------------------------------------------
const REDUCER = 1, VIEW = 2, ANONYMOUS_VIEW = 3, PROCEDURE = 4, HANDLER = 5, NOTHING = 6;
const OK = 0, USER_ERROR = 1, EXCEPTION = 2;
const ROUNDS_MAX = 16;              // of what promises have to do at the end of a call
const HEADER = JOB >> 2;            // kind, id, sender, connection, length, where arguments are split
const HEADER_SIZE = 32, TIME = (JOB >> 3) + 3, ARGS = JOB + HEADER_SIZE;
const senders = [], connections = [];
const argsBuffer = new ArrayBuffer(4096), argsBytes = new Uint8Array(argsBuffer);
const argsWords = new Int32Array(argsBuffer);
let argsView = new DataView(argsBuffer, 0, 0), argsLength = 0;

const jobArgs = (length) => {
  if (length > JOB_SIZE - (ARGS - JOB)) {
    const into = new BytesClass(length);
    fetch(into, length);
    return into;
  }
  const into = new BytesClass(length);
  if (length > 0) setBytes(into, part(bytes, ARGS, ARGS + length), 0);
  return into;
};
const reducerView = (length) => {
  if (length > 4096) return new ViewClass(bytesBuffer(jobArgs(length)));
  if (length <= 128) {
    const end = (length + 3) >> 2;
    for (let i = 0, at = ARGS >> 2; i < end; i++, at++) argsWords[i] = words[at];
  } else setBytes(argsBytes, part(bytes, ARGS, ARGS + length), 0);
  if (length !== argsLength) {
    argsView = new ViewClass(argsBuffer, 0, length);
    argsLength = length;
  }
  return argsView;
};
const result = (value, name) => {
  if (!isView(value) || tagOf(value) !== "Uint8Array")
    throw new TypeErrorClass(`\`${name}\` must return a Uint8Array, got ${shown(value)}`);
  putBytes(value);
  return OK;
};
const absent = (name) => { throw new TypeErrorClass(`\`${name}\` was never defined`); };

const reducerResult = (value) => {
  if (version === 2) {
    if (value !== undefined)
      throw new TypeErrorClass("Reducer returned a value other than `undefined`");
    words[LENGTH] = 0;
    return OK;
  }
  const tag = value === null || typeof value !== "object" ? undefined : value.tag;
  words[LENGTH] = 0;
  if (tag === "ok") return OK;
  if (tag !== "err") throw new TypeErrorClass("the reducer hook returned neither ok nor err");
  putText(string(value.value));
  return USER_ERROR;
};
const viewResult = (value) => {
  if (version === 1 && isView(value)) {
    words[R0] = 0;                  // rows only, no header
    return result(value, "__call_view__");
  }
  words[R0] = 1;
  return result(value === null || typeof value !== "object" ? undefined : value.data, "__call_view__");
};
const handlerResult = (value) => {
  if (!isArray(value) || value.length !== 2)
    throw new TypeErrorClass("`__call_http_handler__` must return a two-element array");
  const head = uint8(value[0]);
  words[R0] = bytesLength(head);
  putBytes(joined(head, value[1]));
  return OK;
};

const run = () => {
  const kind = words[HEADER], id = words[HEADER + 1] >>> 0, length = words[HEADER + 4] >>> 0;
  const h = hooks, time = signed[TIME];
  if (words[NEW_SENDER] !== 0) {
    senders[words[HEADER + 2]] = wideAt(SENDER, 4);
    words[NEW_SENDER] = 0;
  }
  if (words[NEW_CONNECTION] !== 0) {
    connections[words[HEADER + 3]] = wideAt(CONNECTION, 2);
    words[NEW_CONNECTION] = 0;
  }
  const sender = senders[words[HEADER + 2]], connection = connections[words[HEADER + 3]];
  words[LENGTH] = 0;
  switch (kind) {
    case REDUCER: {
      const args = version === 2 ? reducerView(length) : jobArgs(length);
      return reducerResult(apply(h.reducer, h.self, [id, sender, connection, time, args]));
    }
    case VIEW:
      if (h.view === undefined) absent("__call_view__");
      return viewResult(apply(h.view, h.self, [id, sender, jobArgs(length)]));
    case ANONYMOUS_VIEW:
      if (h.anonymousView === undefined) absent("__call_view_anon__");
      return viewResult(apply(h.anonymousView, h.self, [id, jobArgs(length)]));
    case PROCEDURE:
      if (h.procedure === undefined) absent("__call_procedure__");
      return result(
        apply(h.procedure, h.self, [id, sender, connection, time, jobArgs(length)]),
        "__call_procedure__");
    case HANDLER: {
      if (h.handler === null) absent("__call_http_handler__");
      const both = jobArgs(length), size = words[HEADER + 5] >>> 0;
      const request = new BytesClass(part(both, 0, size)), body = new BytesClass(part(both, size));
      return handlerResult(apply(h.handler, h.self, [id, time, request, body]));
    }
    case NOTHING:
      return OK;
    default:
      return result(apply(h.describe, h.self, []), "__describe_module__");
  }
};

// What an exception says of itself; whatever it is, this does not throw.
const report = (error) => {
  let name = "", message = "", stack = "";
  try {
    if (error !== null && (typeof error === "object" || typeof error === "function")) {
      try { stack = text(error.stack ?? ""); } catch { stack = ""; }
      name = text(error.name ?? error.constructor?.name ?? "Object");
      message = text(error.message ?? "");
      if (error.message === undefined && error.stack === undefined) { name = ""; message = text(error); }
    } else message = text(error);
  } catch { message = "an exception that cannot be shown"; }
  return `${name}\0${message}\0${stack}`;
};
const isUserError = (error) => {
  try {
    return version === 2 && error !== null && typeof error === "object"
      && apply(hasInstance, hooks.SenderError, [error]);
  } catch { return false; }
};
const caught = (error) => {
  if (isUserError(error)) {
    let message;
    try { message = text(error.message); } catch { message = ""; }
    putText(message);
    return USER_ERROR;
  }
  putText(report(error));
  return EXCEPTION;
};

const perform = () => {
  let status;
  isRunning = true;
  try { status = run(); } catch (error) {
    stash = 0;
    status = caught(error);
  }
  if (doom !== null) {
    stash = 0;
    status = caught(doom);
    doom = null;
  }
  return status;
};
const finish = (status) => {
  isRunning = false;
  stash = 0;
  lastOfEarlierCalls = lastIterator;
  if (iterators.size !== 0) apply(mapClear, iterators, []);
  words[A1] = status;
};

// Runs one call after the other. It returns when none came for a while, so that an idle module uses no
// processor and V8 can run finalizers; the host starts it again with the next call. A call that was
// begun but not finished, when the host has ended the loop by force, is not begun again.
const loop = async () => {
  let number = words[AFTER], spins = 0, since = 0;
  store(words, RUNNING, 2);
  for (;;) {
    const wanted = load(words, JOB_NUMBER);
    if (wanted !== number) {
      number = wanted;
      const status = perform();
      if (words[SETTLES] !== 0) for (let i = 0; i < ROUNDS_MAX; i++) await null;
      finish(status);
      store(words, REQUEST, status === OK && words[LENGTH] === 0 ? OP_DONE : OP_ENDED);
      spins = 0;
      continue;
    }
    if (++spins <= SPINS_MAX) continue;
    if (spins === SPINS_MAX + 1) since = now();
    nap();
    if (now() - since >= IDLE_MS) {
      // For good: a call that comes just now is taken by the next loop, not by this one too.
      store(words, RUNNING, 0);
      return;
    }
  }
};

// Calls by callback: the host keeps this thread until there is one, or until none came for a while.
const parked = async () => {
  words[JOB_STATE] = 0;
  for (;;) {
    words[REQUEST] = OP_DONE;
    host();
    if (words[JOB_STATE] === 0) return;
    words[A1] = -1;
    const status = perform();
    if (words[SETTLES] !== 0) for (let i = 0; i < ROUNDS_MAX; i++) await null;
    finish(status);
    words[JOB_STATE] = 1;
  }
};

// -- loading -----------------------------------------------------------------------------------------
// 0 pending, 1 loaded, 2 failed with the report that `failure` gives.
let loading = 0, failure = "";
const begin = (module) => {
  let namespace = null;
  const evaluated = module($import, (given) => { namespace = given; });
  (async () => {
    try {
      await evaluated;
      hooks = findHooks(namespace);
      loading = 1;
    } catch (error) {
      failure = report(error);
      loading = 2;
    }
  })();
};
const loaded = () => {
  isRunning = false;
  return loading;
};
const failed = () => failure;
