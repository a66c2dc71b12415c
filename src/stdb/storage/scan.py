"""Scans: iterators over rows as they were when the scan began.

A scan reads straight from a table's dict. Before the first change after it began, the table lets
every open scan take what is left of its rows; a scan that was finished or dropped costs nothing.
"""

from __future__ import annotations

import itertools
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Scan(itertools.chain[Any]):
    """An iterator over rows; all of its work is done in C."""

    __slots__ = ("__weakref__",)


class _Open(weakref.ref[Scan]):
    """An open scan: where it reads from, and where it finds the rest once that has changed."""

    __slots__ = ("rest", "source")
    # By identity: the callback of one that was never added asks for its hash when the scan is gone.
    __eq__ = object.__eq__
    __hash__ = object.__hash__
    source: Iterator[Any]
    rest: list[Any]


class OpenScans(set[Any]):
    """The open scans of one table.

    `spoiled` is called when an interrupt keeps a scan from taking all of its rows.
    """

    __slots__ = ("spoiled",)

    def __init__(self, spoiled: Callable[[], None]) -> None:
        super().__init__()
        self.spoiled = spoiled

    def begin(self, source: Iterator[Any]) -> Iterator[Any]:
        """Return a scan over `source`, an iterator that a change of the table would upset."""
        rest: list[Any] = []
        scan = Scan(source, rest)
        opened = _Open(scan, self.discard)
        opened.source = source
        opened.rest = rest
        self.add(opened)
        return scan

    def detach(self) -> None:
        """Let every open scan take the rest of its rows: the table is about to change."""
        try:
            for opened in list(self):
                if opened() is not None:
                    opened.rest.extend(opened.source)
                self.discard(opened)
        except BaseException:
            self.spoiled()
            raise
