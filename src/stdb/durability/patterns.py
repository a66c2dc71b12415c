"""Replays at once what most of a log consists of: the same kind of small change to one table.

Transactions of a busy table look alike: a call, then so many rows inserted into one table and as
many deleted from it, or none. For each such *pattern* whose rows have a fixed size, a function is
generated that takes a transaction apart with one format. It changes nothing and says so when
anything about a transaction is unusual; plain code then replays it, or says what is wrong.
"""

from __future__ import annotations

from itertools import combinations
from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from ..codegen import make_function
from .format import INPUTS, MUTATIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from .replay import ReplayTable

#: One table, its number, how many rows: the beginning of what a transaction changed.
_HEAD_SIZE: Final = 6
_ROWS_MAX: Final = 8
_PATTERNS_MAX: Final = 200
_CALL: Final = INPUTS | MUTATIONS
_U32: Final = Struct("<I").unpack_from


class Patterns:
    """The patterns that were met so far, by the length of a transaction."""

    def __init__(self) -> None:
        self._known: dict[int, list[Callable[[bytes, int], bool]]] = {}
        self._count = 0

    def forget(self) -> None:
        """Forget them all: tables have changed."""
        self._known.clear()
        self._count = 0

    def replay(self, data: bytes, begin: int) -> bool:
        """Replay the transaction from `begin` on if it follows a pattern; return whether it did."""
        for function in self._known.get(len(data) - begin, ()):  # noqa: SIM110 - any() is slower
            if function(data, begin):
                return True
        return False

    def learn(self, data: bytes, tables: dict[int, ReplayTable]) -> None:
        """Note the pattern of a transaction that was just replayed, if it has one."""
        if self._count >= _PATTERNS_MAX or data[0] not in (MUTATIONS, _CALL):
            return
        at_ = 1 if data[0] == MUTATIONS else 5 + _U32(data, 1)[0]
        # With a call, what stands before the mutations is its flags and size, and then itself.
        before = data[: 1 if data[0] == MUTATIONS else 5]
        head = data[at_ : at_ + _HEAD_SIZE]
        if len(head) < _HEAD_SIZE or head[0] != 1 or not 0 < head[5] <= _ROWS_MAX:
            return
        table = tables.get(_U32(head, 1)[0])
        if table is None or not table.is_plain or table.is_stale or not table.size:
            return
        length, inserted = len(data) - at_, head[5] * table.size
        if length == _HEAD_SIZE + inserted + 2:
            function = _inserting(before, at_, head, table)
        elif length == 2 * (_HEAD_SIZE + inserted) + 1:
            function = _replacing(before, at_, head, table)
        else:
            return
        self._known.setdefault(len(data), []).append(function)
        self._count += 1


def _inserting(
    before: bytes, at_: int, head: bytes, table: ReplayTable
) -> Callable[[bytes, int], bool]:
    """Generate the function of a pattern that inserts only."""
    new = [f"n{i}" for i in range(head[5])]
    unpack = Struct(
        f"<{len(before)}s{at_ - len(before)}x{_HEAD_SIZE}s" + f"{table.size}s" * len(new) + "H"
    ).unpack_from
    check = f"before != {before!r} or head != {head!r} or rest"
    return _make(["before", "head", *new, "rest"], [], unpack, table, check=check, new=new)


def _replacing(
    before: bytes, at_: int, head: bytes, table: ReplayTable
) -> Callable[[bytes, int], bool]:
    """Generate the function of a pattern that inserts and deletes as many rows."""
    new = [f"n{i}" for i in range(head[5])]
    old = [f"o{i}" for i in range(head[5])]
    rows = f"{_HEAD_SIZE}s" + f"{table.size}s" * len(new)
    unpack = Struct(f"<{len(before)}s{at_ - len(before)}x{rows}{rows}B").unpack_from
    check = f"before != {before!r} or head != {head!r} or again != {head!r} or rest"
    names = ["before", "head", *new, "again", *old, "rest"]
    return _make(names, old, unpack, table, check=check, new=new)


def _make(
    names: list[str], old: list[str], unpack: Any, table: ReplayTable, *, check: str, new: list[str]
) -> Callable[[bytes, int], bool]:
    unusual = " or ".join(
        [
            check,
            *(f"{n} in rows" for n in new),
            *(f"{o} not in rows" for o in old),
            # The same row twice is a mistake, and plain code says which.
            *(f"{a} == {b}" for side in (new, old) for a, b in combinations(side, 2)),
        ]
    )
    lines = [
        "def replay(data, at):",
        f"    {', '.join(names)} = unpack(data, at)",
        f"    if {unusual}:",
        "        return False",
        *(f"    rows[{n}] = None" for n in new),
        *(f"    del rows[{o}]" for o in old),
        "    return True",
    ]
    function: Callable[[bytes, int], bool]
    function = make_function("replay", "replay", lines, {"unpack": unpack, "rows": table.rows})
    return function
