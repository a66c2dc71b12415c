"""Pages: 64 KiB of rows of one table, as a snapshot holds them.

Rows grow from the beginning of the row data, the objects that they refer to (texts, arrays) from
its end, in granules of 64 bytes; longer ones are files of their own, *blobs*. A page as a file:

======================  ================  ==========================================
 field                   type              note
======================  ================  ==========================================
 next_free               u16               list of free rows; 0xFFC0: none
 last                    u16               behind the last row that was ever used
 num_rows                u16
 present_rows            u32 k, k x u64    bit i, lowest first: a row at i * row size
 var.next_free           u16               list of free granules; 0xFFC0: none
 var.freelist_len        u16
 var.first               u16               lowest granule in use; 0xFFC0: none
 var.num_granules        u16
 hash                    u8 0, u32 32, 32  or u8 1 for none
 row data                u32 65472, bytes
======================  ================  ==========================================

A granule begins with a u16: where the next one of the object begins (0: nowhere) plus the number
of bytes in this one, which needs only the 6 low bits. The content hash of a page is the BLAKE3 of
the row data, followed by the fields before it without the counts.

Source: SpacetimeDB documentation, snapshots, 2.8.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError  # noqa: N812 - it is a class
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from blake3 import blake3

from ..types.page_layout import row_size
from .layout import is_flat, make_into_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..types import algebraic as at

ROW_DATA: Final = 0xFFC0
NONE: Final = 0xFFC0
GRANULE: Final = 64
GRANULE_BYTES: Final = 62
#: The longest object that lies in a page.
OBJECT_BYTES_MAX: Final = GRANULE_BYTES * 16
_LARGE: Final = 0xFFFF
_FIXED: Final = Struct("<HHHI")
_VAR: Final = Struct("<HHHH")
_REF: Final = Struct("<HH")
_SOME_HASH: Final = b"\0\x20\0\0\0"
_DATA_COUNT: Final = ROW_DATA.to_bytes(4, "little")


class BadPage(Exception):  # noqa: N818 - becomes a DamagedSnapshot
    """The bytes are no page, or not the one that they should be."""


class Page(NamedTuple):
    """A page that was read: its row data, and the positions of its rows in slots."""

    data: bytes
    present: int


def content_hash(data: bytes, fixed: bytes, words: bytes, var: bytes) -> bytes:
    """Return what a page is known by; `fixed` is its first three fields."""
    return blake3(data + fixed + words + var).digest()


def word_count(size: int) -> int:
    """Return how many words say which rows of `size` bytes are there."""
    slots = -(-ROW_DATA // size)
    return -(-slots // 64)


class PageWriter:
    """Puts the rows of one table into pages.

    Parameters
    ----------
    row_type : Product
        The type of the rows.
    add_blob : callable
        Takes the contents of a blob, and returns its hash.
    """

    def __init__(self, row_type: at.Product, add_blob: Callable[[bytes], bytes]) -> None:
        self._size = row_size(row_type)
        self._words = word_count(self._size)
        self._is_flat = is_flat(row_type)
        self._into = make_into_page(row_type)
        self._add_blob = add_blob

    def pages(self, rows: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """Yield the content hash and the file of each page that `rows`, as in the log, fill."""
        if self._is_flat:
            yield from self._flat_pages(rows)
            return
        size = self._size
        fixed: list[bytes] = []
        granules: list[bytes] = []  # from the end of the page down
        count = 0
        for row in rows:
            pieces, refs = self._into(row)
            needed = sum(_granules(len(held)) for _, held in refs)
            if (count + 1) * size + (len(granules) + needed) * GRANULE > ROW_DATA:
                yield self._finish(b"".join(fixed), count, granules)
                fixed, granules, count = [], [], 0
            for piece, held in refs:
                pieces[piece] = self._place(held, granules)
            fixed += pieces
            count += 1
        if count:
            yield self._finish(b"".join(fixed), count, granules)

    def _flat_pages(self, rows: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        each = ROW_DATA // self._size
        chunk: list[bytes] = []
        for row in rows:
            chunk.append(row)
            if len(chunk) == each:
                yield self._finish(b"".join(chunk), each, [])
                chunk = []
        if chunk:
            yield self._finish(b"".join(chunk), len(chunk), [])

    def _place(self, held: bytes, granules: list[bytes]) -> bytes:
        """Put an object into granules, and return the reference to it."""
        if not held:
            return bytes(4)
        length = len(held)
        if length > OBJECT_BYTES_MAX:
            held, length = self._add_blob(held), _LARGE
        # The last part first, so that each granule knows where the next one is.
        following = 0
        for start in reversed(range(0, len(held), GRANULE_BYTES)):
            part = held[start : start + GRANULE_BYTES]
            granules.append(
                (following | len(part)).to_bytes(2, "little") + part.ljust(GRANULE_BYTES, b"\0")
            )
            following = ROW_DATA - GRANULE * len(granules)
        return _REF.pack(length, following)

    def _finish(self, fixed: bytes, count: int, granules: list[bytes]) -> tuple[bytes, bytes]:
        objects = b"".join(reversed(granules))
        data = fixed + bytes(ROW_DATA - len(fixed) - len(objects)) + objects
        head = _FIXED.pack(NONE, len(fixed), count, self._words)
        words = ((1 << count) - 1).to_bytes(8 * self._words, "little")
        first = ROW_DATA - len(objects) if granules else NONE
        var = _VAR.pack(NONE, 0, first, len(granules))
        digest = content_hash(data, head[:6], words, var)
        return digest, b"".join((head, words, var, _SOME_HASH, digest, _DATA_COUNT, data))


def _granules(size: int) -> int:
    return 1 if size > OBJECT_BYTES_MAX else -(-size // GRANULE_BYTES)


def read_page(file: bytes, digest: bytes) -> Page:
    """Return the page in `file`, whose content hash must be `digest`.

    Raises
    ------
    BadPage
        It is not that page.
    """
    try:
        head = _FIXED.unpack_from(file)
        at_ = _FIXED.size
        words = file[at_ : at_ + 8 * head[3]]
        at_ += len(words)
        var = file[at_ : at_ + _VAR.size]
        at_ += _VAR.size
        at_ += len(_SOME_HASH) + 32 if file[at_] == 0 else 1
        count = int.from_bytes(file[at_ : at_ + 4], "little")
        data = file[at_ + 4 :]
    except (StructError, IndexError):
        raise BadPage("the file is too short for a page") from None
    if len(words) != 8 * head[3] or count != ROW_DATA or len(data) != ROW_DATA:
        raise BadPage("the sizes in it are not those of a page")
    found = content_hash(data, file[:6], words, var)
    if found != digest:
        raise BadPage(f"its content hash is {found.hex()}")
    return Page(data, int.from_bytes(words, "little"))


def starts(page: Page, size: int) -> Iterable[int]:
    """Return where the rows of a page begin, each of `size` bytes."""
    present = page.present
    if present.bit_length() * size > ROW_DATA:
        raise BadPage("it says that rows are where no rows fit")
    if not present & (present + 1):
        return range(0, present.bit_length() * size, size)
    bits = bin(present)[:1:-1]
    return [i * size for i, bit in enumerate(bits) if bit == "1"]


def packed_rows(page: Page, size: int) -> bytes:
    """Return the fixed parts of a page's rows, one after another."""
    places = starts(page, size)
    data = page.data
    if isinstance(places, range):
        return data[: places.stop]
    return b"".join([data[at_ : at_ + size] for at_ in places])


def make_fetch(blobs: dict[bytes, bytes]) -> Callable[[bytes, int], Any]:
    """Return the function that finds the object of a reference in a page's row data."""
    unpack = _REF.unpack_from

    def fetch(data: bytes, at_: int) -> bytes:
        length, granule = unpack(data, at_)
        if not granule:
            return b""
        held = data[granule + 2 : granule + 2 + (data[granule] & 63)]
        following = data[granule] & 0xC0 | data[granule + 1] << 8
        seen = 1
        while following:
            header = data[following] | data[following + 1] << 8
            held += data[following + 2 : following + 2 + (header & 63)]
            following = header & 0xFFC0
            seen += 1
            if seen > OBJECT_BYTES_MAX // GRANULE_BYTES:
                raise BadPage("an object has no end")
        if length == _LARGE:
            try:
                return blobs[held]
            except KeyError:
                raise BadPage(f"it refers to blob {held.hex()}, which is not listed") from None
        if len(held) != length:
            raise BadPage(f"an object of {length} bytes has {len(held)}")
        return held

    return fetch
