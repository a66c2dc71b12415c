// UTF-8 both ways.
// -- text --------------------------------------------------------------------------------------------
const encode = (string) => {
  const length = string.length;
  let into = new BytesClass(length), size = 0;
  for (let i = 0; i < length; i++) {
    let code = apply(charCode, string, [i]);
    if (code < 0x80 && size < bytesLength(into)) { into[size++] = code; continue; }
    if (size + 4 > bytesLength(into)) {
      const larger = new BytesClass((size + (length - i)) * 3 + 4);
      setBytes(larger, part(into, 0, size), 0);
      into = larger;
    }
    if (code >= 0xd800 && code < 0xe000) {
      const next = i + 1 < length ? apply(charCode, string, [i + 1]) : 0;
      if (code < 0xdc00 && next >= 0xdc00 && next < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (next - 0xdc00);
        i++;
      } else code = 0xfffd;
    }
    if (code < 0x80) into[size++] = code;
    else if (code < 0x800) { into[size++] = 0xc0 | code >> 6; into[size++] = 0x80 | code & 63; }
    else if (code < 0x10000) {
      into[size++] = 0xe0 | code >> 12;
      into[size++] = 0x80 | code >> 6 & 63;
      into[size++] = 0x80 | code & 63;
    } else {
      into[size++] = 0xf0 | code >> 18;
      into[size++] = 0x80 | code >> 12 & 63;
      into[size++] = 0x80 | code >> 6 & 63;
      into[size++] = 0x80 | code & 63;
    }
  }
  return size === bytesLength(into) ? into : new BytesClass(part(into, 0, size));
};

// Malformed input becomes U+FFFD for each maximal part of a sequence, as the Encoding Standard has
// it, or a TypeError when `fatal`.
const decode = (from, fatal) => {
  const end = bytesLength(from);
  let out = "", codes = [], count = 0, at = 0;
  const put = (code) => {
    codes[count++] = code;
    if (count >= 4096) { codes.length = count; out += apply(fromCharCode, null, codes); count = 0; }
  };
  while (at < end) {
    const first = from[at++];
    if (first < 0x80) { put(first); continue; }
    let more = first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2
      : first >= 0xf0 && first < 0xf5 ? 3 : 0;
    let low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
    let high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
    let code = more === 1 ? first & 0x1f : more === 2 ? first & 0x0f : first & 0x07;
    let good = more > 0;
    while (good && more > 0) {
      const next = at < end ? from[at] : -1;
      if (next < low || next > high) { good = false; break; }
      code = code << 6 | next & 63;
      low = 0x80; high = 0xbf;
      at++; more--;
    }
    if (!good) {
      if (fatal) throw new TypeErrorClass("The encoded data was not valid for encoding utf-8");
      put(0xfffd);
    } else if (code < 0x10000) put(code);
    else { put(0xd800 + (code - 0x10000 >> 10)); put(0xdc00 + (code - 0x10000 & 0x3ff)); }
  }
  codes.length = count;
  return out + apply(fromCharCode, null, codes);
};

const putText = (string) => putBytes(encode(string));
const takeText = (length) => decode(takeBytes(length), false);
