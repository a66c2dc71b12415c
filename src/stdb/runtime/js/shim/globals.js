// The globals that SpacetimeDB gives to modules beside those of the language.
// -- globals that SpacetimeDB's host gives -----------------------------------------------------------
globalThis.TextEncoder = class TextEncoder {
  get encoding() { return "utf-8"; }
  encode(input = "") { return encode(text(input)); }
};
const viewed = (input) => {
  if (isView(input)) {
    return tagOf(input) === undefined
      ? new BytesClass(viewBuffer(input), viewOffset(input), viewLength(input))
      : new BytesClass(bytesBuffer(input), bytesOffset(input), bytesLength(input));
  }
  try { bufferLength(input); return new BytesClass(input); } catch { /* not one */ }
  try { sharedLength(input); return new BytesClass(input); } catch { /* nor that */ }
  throw new TypeErrorClass("TextDecoder.decode takes an ArrayBuffer or a view of one");
};
globalThis.TextDecoder = class TextDecoder {
  #fatal;
  constructor(label = "utf-8", options = {}) {
    if (label !== "utf-8") throw new RangeErrorClass(`the encoding ${shown(label)} is not supported, only utf-8`);
    if (options?.ignoreBOM) throw new TypeErrorClass("ignoreBOM is not supported");
    this.#fatal = !!options?.fatal;
  }
  get encoding() { return "utf-8"; }
  get fatal() { return this.#fatal; }
  get ignoreBOM() { return false; }
  decode(input, options = {}) {
    if (options?.stream) throw new TypeErrorClass("stream is not supported");
    return decode(viewed(input), this.#fatal);
  }
};
for (const name of ["TextEncoder", "TextDecoder"])
  defineProperty(globalThis, name, { enumerable: false });
delete Math.random;
defineProperty(Math, "random", {
  configurable: true, enumerable: false,
  get() {
    throw new TypeErrorClass("Math.random is not available in SpacetimeDB modules. Use ctx.random instead.");
  },
});
