"""The bytes of the commit log: segment headers, commits, and the transactions inside them.

All integers are little-endian.

Segment: this header, then commits back to back.

======  ====  =========================================================
offset  size  field
======  ====  =========================================================
0       6     magic: ``(ds)^2`` in ASCII
6       1     format version: 0 or 1, in binary; we write 1
7       1     checksum algorithm: 0 is CRC32C
8       2     reserved, 0; not looked at
======  ====  =========================================================

Commit. Version 0 has no epoch, so that everything behind it lies 8 bytes earlier.

======  ====  =========================================================
offset  size  field
======  ====  =========================================================
0       8     number of its first transaction
8       8     epoch: the term of the writer; 0 while there is only one
16      2     how many transactions it holds; we write 1, or as many as share a sync
18      4     size of the transactions in bytes
22      ...   the transactions, one after another, without a length each
then    4     CRC32C of everything before, this commit's header included
======  ====  =========================================================

Transaction: a byte of flags, then the parts that it announces.

=====  ==========  ========================================================================
 flag   part        bytes
=====  ==========  ========================================================================
0x80   inputs      u32 size of the rest; u8 size of the name; the name (UTF-8, at most 255
                   bytes); caller (32), connection (16), microseconds (i64), arguments
0x40   outputs     u8 size; text
0x20   mutations   inserts, deletes, truncates: each a varint count of tables, for each table
                   its id (u32), and for the first two a varint count of rows and the rows
=====  ==========  ========================================================================

A varint has 7 bits a byte, the low ones first; the high bit says that more follow. A row is its
BSATN without any length: who reads it must know the table's columns at that moment.

Source: SpacetimeDB documentation, commit log format, 2.8.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple

from google_crc32c import extend

if TYPE_CHECKING:
    from collections.abc import Sequence

MAGIC: Final = b"(ds)^2"
#: The header of the segments that we write.
SEGMENT_HEADER: Final = MAGIC + bytes((1, 0, 0, 0))
HEADER_SIZE: Final = len(SEGMENT_HEADER)
#: The newest version that can be read, and the one that is written.
VERSION: Final = 1
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"

#: The header of a commit, by version.
COMMIT_HEADERS: Final = (Struct("<QHI"), Struct("<QQHI"))
NAME_BYTES_MAX: Final = 255

INPUTS: Final = 0x80
OUTPUTS: Final = 0x40
MUTATIONS: Final = 0x20


class Commit(NamedTuple):
    """A commit as it was read: whole, and with the checksum that it claims.

    Attributes
    ----------
    offset : int
        The number of its first transaction.
    epoch, size : int
        Who wrote it, and how many transactions it holds.
    body : bytes
        The transactions.
    crc : int
        Its checksum.
    file : str
        The segment, and
    position : int
        where in it (decompressed) the commit begins.
    """

    offset: int
    epoch: int
    size: int
    body: bytes
    crc: int
    file: str
    position: int


def crc32c(data: bytes, start: int = 0) -> int:
    """Return the CRC32C of `data`, or of what `start` is the checksum of and `data`."""
    return int(extend(start, data))


def frame(offset: int, epoch: int, body: bytes, count: int = 1) -> bytes:
    """Return a whole commit around the transactions in `body`."""
    data = COMMIT_HEADERS[VERSION].pack(offset, epoch, count, len(body)) + body
    return data + crc32c(data).to_bytes(4, "little")


def join(commits: Sequence[bytes]) -> bytes:
    """Return one commit with the transactions of several that follow each other, all of ours."""
    if len(commits) == 1:
        return commits[0]
    header = COMMIT_HEADERS[VERSION]
    offset, epoch, _, _ = header.unpack_from(commits[0])
    body = b"".join([commit[header.size : -4] for commit in commits])
    return frame(offset, epoch, body, len(commits))


def segment_name(offset: int) -> str:
    """Return the name of the segment whose first transaction has this number."""
    return f"{offset:020}.stdb.log"


def varint(number: int) -> bytes:
    """Return a number in 7 bits a byte."""
    if number < 0x80:
        return bytes((number,))
    written = bytearray()
    while number >= 0x80:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at `at`, and where it ends.

    Raises
    ------
    ValueError
        It has more than 64 bits.
    IndexError
        It does not end.
    """
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")


def cut_name(name: str) -> bytes:
    """Return a name as the log holds it: cut between two characters when it is too long."""
    return name.encode()[:NAME_BYTES_MAX].decode(errors="ignore").encode()
