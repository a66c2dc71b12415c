"""Snapshots: the rows of all tables as they were after one transaction, in files of their own.

::

    snapshots/<20 digits>.snapshot_dir/<20 digits>.snapshot_bsatn    what is in it; written last
    snapshots/<20 digits>.snapshot_dir/objects/<2 hex>/<62 hex>      pages and blobs, by hash
    snapshots/<20 digits>.lock                                       it is still being written

The file that says what is in it is the BLAKE3 hash of the rest, and then:

==================  ==================  ================================================
 field               type                note
==================  ==================  ================================================
 magic               u32 4, 4 bytes      ``txyz``
 version             u8                  0
 database identity   u256
 replica             u64
 ABI version         u32 2, 2 x u16      not looked at
 offset              u64                 the last transaction that is in it
 blobs               u32, each           u32 32, hash; u32 uses
 tables              u32, each           u32 id; u32, each page: u32 32, content hash
==================  ==================  ================================================

A content hash of zeros is an empty page without a file. Every file may be compressed with zstd.
An object may be a link to that of an earlier snapshot, so it is replaced, never changed.

Source: SpacetimeDB documentation, snapshots, 2.8.
"""

from __future__ import annotations

import os
import shutil
from struct import Struct
from struct import error as StructError  # noqa: N812 - it is a class
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from blake3 import blake3

from .files import Disk
from .format import ZSTD_MAGIC
from .pages import BadPage, Page, PageWriter, read_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from ..types import algebraic as at

SNAPSHOTS_DIRECTORY: Final = "snapshots"
_SUFFIX: Final = ".snapshot_dir"
_MAGIC: Final = b"\4\0\0\0txyz"
_ABI: Final = b"\2\0\0\0\7\0\0\0"
_COUNTED_HASH: Final = b"\x20\0\0\0"
_REPLICA: Final = 1
_U32: Final = Struct("<I")
_U64: Final = Struct("<Q")
_ABSENT: Final = bytes(32)


class DamagedSnapshot(Exception):  # noqa: N818 - never leaves the layer
    """A snapshot that is not what was written; `is_damaged` is false when it was not readable."""

    def __init__(self, reason: str, *, is_damaged: bool = True) -> None:
        super().__init__(reason)
        self.is_damaged = is_damaged


class SnapshotPlace(NamedTuple):
    """A snapshot on the disk: the last transaction in it, and its directory."""

    offset: int
    path: Path


class Snapshot(NamedTuple):
    """A snapshot that was read and verified: pages by number of the table."""

    offset: int
    identity: int
    tables: dict[int, list[Page]]
    blobs: dict[bytes, bytes]


class TableRows(NamedTuple):
    """What a snapshot is to have of a table: its rows, and how they become bytes."""

    table_id: int
    row_type: at.Product
    rows: Iterable[Any]
    encode: Callable[[Any], bytes]


def stem(offset: int) -> str:
    """Return what the names of the files of a snapshot begin with."""
    return f"{offset:020}"


def list_snapshots(directory: Path) -> list[SnapshotPlace]:
    """Return the complete snapshots in a directory, oldest first."""
    found = []
    if directory.is_dir():
        for path in directory.iterdir():
            name = path.name.removesuffix(_SUFFIX)
            if (
                name != path.name
                and name.isascii()
                and name.isdigit()
                and (path / f"{name}.snapshot_bsatn").is_file()
                and not path.with_name(f"{name}.lock").exists()
            ):
                found.append(SnapshotPlace(int(name), path))
    return sorted(found)


# -- writing --------------------------------------------------------------------------------------


def prepare(directory: Path, offset: int) -> Path:
    """Make room for a snapshot and lock it, before anybody begins to write it."""
    Disk.files.make_directory(directory)
    for place in list_snapshots(directory):
        if place.offset >= offset:
            set_aside(place)
    lock = directory / f"{stem(offset)}.lock"
    with lock.open("xb"):
        path = directory / f"{stem(offset)}{_SUFFIX}"
        path.mkdir()
    return path


def discard(path: Path) -> None:
    """Delete a snapshot, whole or in part: first what makes it one."""
    name = path.name.removesuffix(_SUFFIX)
    (path / f"{name}.snapshot_bsatn").unlink(missing_ok=True)
    shutil.rmtree(path, ignore_errors=True)
    path.with_name(f"{name}.lock").unlink(missing_ok=True)


def discard_incomplete(directory: Path) -> list[str]:
    """Delete what a process that ended left unfinished, and return the names."""
    found = []
    if directory.is_dir():
        for lock in directory.glob("*.lock"):
            path = lock.with_suffix(_SUFFIX)
            if (path / f"{lock.stem}.snapshot_bsatn").exists():
                # Whole, and locked to be compressed: each file in it was replaced by a rename.
                for rest in path.glob("objects/*/*._tmp"):
                    rest.unlink(missing_ok=True)
                lock.unlink(missing_ok=True)
                continue
            discard(path)
            found.append(path.name)
    return found


def set_aside(place: SnapshotPlace) -> None:
    """Give a snapshot that is of no use a name under which nobody reads it."""
    target = place.path.with_suffix(".invalid_snapshot")
    if target.exists():
        shutil.rmtree(target, ignore_errors=True)
    Disk.files.rename(place.path, target)


def write_snapshot(
    path: Path,
    identity: int,
    tables: Iterable[TableRows],
    *,
    go_on: Callable[[], bool] = lambda: True,
) -> None:
    """Write a snapshot into `path`, which `prepare` made.

    Parameters
    ----------
    path : Path
        Its directory.
    identity : int
        The identity of the database.
    tables : iterable of TableRows
        Every table that is not ephemeral, by ascending number; without rows where none are kept.
    go_on : callable
        Asked now and then whether the snapshot is still wanted.
    """
    offset = int(path.name.removesuffix(_SUFFIX))
    earlier = [place for place in list_snapshots(path.parent) if place.offset < offset]
    store = ObjectStore(path, earlier[-1].path if earlier else None)
    blobs: dict[bytes, int] = {}

    def add_blob(contents: bytes) -> bytes:
        digest = blake3(contents).digest()
        blobs[digest] = blobs.get(digest, 0) + 1
        store.add(digest, contents)
        return digest

    listed = []
    for table in tables:
        digests = []
        writer = PageWriter(table.row_type, add_blob)
        for digest, page in writer.pages(map(table.encode, table.rows)):
            if not go_on():
                raise DamagedSnapshot("the process that wanted it has ended", is_damaged=False)
            store.add(digest, page)
            digests.append(digest)
        listed.append((table.table_id, digests))
    store.sync()
    if not go_on():
        raise DamagedSnapshot("the process that wanted it has ended", is_damaged=False)
    contents = _contents(identity, offset, blobs, listed)
    _write_new(path / f"{stem(offset)}.snapshot_bsatn", blake3(contents).digest() + contents)
    Disk.files.sync_directory(path)
    Disk.files.sync_directory(path.parent)
    path.with_suffix(".lock").unlink()


def _contents(
    identity: int, offset: int, blobs: dict[bytes, int], tables: list[tuple[int, list[bytes]]]
) -> bytes:
    """Return what the list of contents says, without its hash."""
    u32 = _U32.pack
    parts = [
        _MAGIC, b"\0", identity.to_bytes(32, "little"), _U64.pack(_REPLICA), _ABI,
        _U64.pack(offset), u32(len(blobs)),
    ]  # fmt: skip
    for digest, uses in blobs.items():
        parts += [_COUNTED_HASH, digest, u32(uses)]
    parts.append(u32(len(tables)))
    for table_id, digests in tables:
        parts += [u32(table_id), u32(len(digests))]
        parts += [_COUNTED_HASH + digest for digest in digests]
    return b"".join(parts)


class ObjectStore:
    """The objects of a snapshot that is being written."""

    def __init__(self, path: Path, earlier: Path | None) -> None:
        self._objects = path / "objects"
        self._earlier = None if earlier is None else earlier / "objects"
        self._directories: set[str] = set()
        self._added: set[bytes] = set()
        self._objects.mkdir()

    def add(self, digest: bytes, contents: bytes) -> None:
        """Have an object: linked from the snapshot before, if that has it, or written."""
        if digest in self._added:
            return
        self._added.add(digest)
        text = digest.hex()
        first, rest = text[:2], text[2:]
        if first not in self._directories:
            self._directories.add(first)
            (self._objects / first).mkdir()
        target = self._objects / first / rest
        if self._earlier is not None:
            try:
                os.link(self._earlier / first / rest, target)
            except OSError:
                pass  # it is not there, or this file system has no links
            else:
                return
        _write_new(target, contents)

    def sync(self) -> None:
        """Return when the names of all objects are on the disk."""
        for name in self._directories:
            Disk.files.sync_directory(self._objects / name)
        Disk.files.sync_directory(self._objects)


def _write_new(path: Path, data: bytes) -> None:
    """Write a file and bring it to the disk."""
    file = Disk.files.open(path, create=True)
    try:
        file.write_at(0, data)
        file.sync()
    finally:
        file.close()


# -- reading --------------------------------------------------------------------------------------


def read_snapshot(place: SnapshotPlace) -> Snapshot:
    """Return a snapshot, every hash in it verified.

    Raises
    ------
    DamagedSnapshot
        Something in it is damaged, missing or unreadable.
    """
    name = stem(place.offset)
    try:
        found = _parse_contents(_plain(place.path / f"{name}.snapshot_bsatn"))
        offset, identity, blob_hashes, listed = found
        if offset != place.offset:
            raise DamagedSnapshot(f"its name says {place.offset}, and its contents {offset}")
        objects = place.path / "objects"
        blobs = {digest: _blob(objects, digest) for digest in blob_hashes}
        tables = {
            table_id: [_page(objects, digest) for digest in digests if digest != _ABSENT]
            for table_id, digests in listed
        }
    except OSError as error:
        raise DamagedSnapshot(str(error), is_damaged=False) from None
    return Snapshot(offset, identity, tables, blobs)


def _parse_contents(data: bytes) -> tuple[int, int, list[bytes], list[tuple[int, list[bytes]]]]:
    digest, rest = data[:32], data[32:]
    if blake3(rest).digest() != digest:
        raise DamagedSnapshot("the hash of its list of contents is another one")
    if rest[:8] != _MAGIC:
        raise DamagedSnapshot("its list of contents does not begin with txyz")
    if rest[8]:
        raise DamagedSnapshot(f"its format is version {rest[8]}; there is only 0")
    identity = int.from_bytes(rest[9:41], "little")
    at_ = 41 + 8 + 8
    try:
        (offset,) = _U64.unpack_from(rest, at_)
        at_ += 8
        (count,) = _U32.unpack_from(rest, at_)
        at_ += 4
        blobs = [rest[at_ + 40 * i + 4 : at_ + 40 * i + 36] for i in range(count)]
        at_ += 40 * count
        (count,) = _U32.unpack_from(rest, at_)
        at_ += 4
        tables = []
        for _ in range(count):
            table_id, pages = _U32.unpack_from(rest, at_)[0], _U32.unpack_from(rest, at_ + 4)[0]
            at_ += 8
            places = range(at_ + 4, at_ + 36 * pages, 36)
            tables.append((table_id, [rest[place : place + 32] for place in places]))
            at_ += 36 * pages
    except StructError:
        raise DamagedSnapshot("its list of contents is cut short") from None
    if at_ != len(rest):
        raise DamagedSnapshot(f"its list of contents has {len(rest) - at_} bytes too many")
    return offset, identity, blobs, tables


def _object(objects: Path, digest: bytes) -> Path:
    text = digest.hex()
    return objects / text[:2] / text[2:]


def _blob(objects: Path, digest: bytes) -> bytes:
    contents = _plain(_object(objects, digest))
    found = blake3(contents).digest()
    if found != digest:
        raise DamagedSnapshot(f"the hash of blob {digest.hex()} is {found.hex()}")
    return contents


def _page(objects: Path, digest: bytes) -> Page:
    path = _object(objects, digest)
    try:
        return read_page(_plain(path), digest)
    except BadPage as error:
        raise DamagedSnapshot(f"page {digest.hex()}: {error}") from None


def _plain(path: Path) -> bytes:
    """Return the contents of a file, decompressed if they are compressed."""
    data = path.read_bytes()
    if data[:4] != ZSTD_MAGIC:
        return data
    import zstandard

    try:
        decompressed: bytes = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    except zstandard.ZstdError as error:
        raise DamagedSnapshot(f"{path} does not decompress: {error}") from None
    return decompressed
