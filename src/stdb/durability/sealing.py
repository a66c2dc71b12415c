"""Compresses what is no longer written: old segments of the log, and old snapshots.

A sealed segment keeps its name. It is *seekable* zstd: frames of at most 4096 bytes of the
segment, then a frame that decompressors skip, with the sizes of the others::

    u32 0x184D2A5E, u32 size of the rest
    for each frame: u32 its size, u32 decompressed
    u32 number of frames, u8 0, u32 0x8F92EAB1

Positions in an offset index are those of the plain segment.

Source: SpacetimeDB documentation, commit log and snapshots, 2.8; the zstd seekable format.
"""

from __future__ import annotations

import itertools
import struct
from typing import TYPE_CHECKING, Final

from .files import Disk
from .format import ZSTD_MAGIC
from .segments import list_segments

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .snapshot import SnapshotPlace

_FRAME_BYTES: Final = 4096
_SKIPPABLE_MAGIC: Final = 0x184D2A5E
_SEEKABLE_MAGIC: Final = 0x8F92EAB1


def seekable(data: bytes) -> bytes:
    """Return `data` in the form of a sealed segment."""
    import zstandard  # only databases with old segments need it

    compress = zstandard.ZstdCompressor().compress
    frames = []
    table = []
    for start in range(0, len(data), _FRAME_BYTES):
        part = data[start : start + _FRAME_BYTES]
        frame = compress(part)
        frames.append(frame)
        table.append(struct.pack("<II", len(frame), len(part)))
    footer = struct.pack("<IBI", len(frames), 0, _SEEKABLE_MAGIC)
    entries = b"".join(table)
    head = struct.pack("<II", _SKIPPABLE_MAGIC, len(entries) + len(footer))
    return b"".join((*frames, head, entries, footer))


def seal(directory: Path, needed: int, before: int, go_on: Callable[[], bool]) -> None:
    """Compress the segments that lie wholly before the one with transaction `before`.

    Those wholly before transaction `needed` stay as they are, and so does the newest one, whatever
    it holds. `go_on` is asked before each one takes its place: when the process that wanted it has
    ended, another one may have deleted it.
    """
    segments = list_segments(directory)
    for segment, following in itertools.pairwise(segments):
        if following.start > before:
            return
        if following.start > needed and not _is_compressed(segment.path):
            _replace(segment.path, seekable(segment.path.read_bytes()), go_on)


def compress_snapshot(place: SnapshotPlace, go_on: Callable[[], bool]) -> None:
    """Compress the files of a snapshot that is not the newest, the list of contents last.

    `go_on` as for `seal`.
    """
    import zstandard

    compress = zstandard.ZstdCompressor().compress
    listed = place.path / f"{place.path.stem}.snapshot_bsatn"
    if _is_compressed(listed):
        return
    lock = place.path.with_suffix(".lock")
    lock.open("xb").close()
    for path in sorted(place.path.glob("objects/*/*")):
        if not path.name.endswith("._tmp") and not _is_compressed(path):
            _replace(path, compress(path.read_bytes()), go_on, suffix="._tmp")
    _replace(listed, compress(listed.read_bytes()), go_on, suffix="._tmp")
    lock.unlink()


def _is_compressed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == ZSTD_MAGIC


def _replace(path: Path, data: bytes, go_on: Callable[[], bool], suffix: str = ".new") -> None:
    """Put other contents into the place of a file, whole or not at all."""
    fresh = path.with_name(path.name + suffix)
    file = Disk.files.open(fresh, create=True)
    try:
        file.truncate(0)
        file.write_at(0, data)
        file.sync()
    finally:
        file.close()
    if not go_on():
        fresh.unlink()
        raise InterruptedError("the process that wanted it has ended")
    Disk.files.rename(fresh, path)
    Disk.files.sync_directory(path.parent)
