"""``LIKE``: ``%`` stands for any text, ``_`` for one character; case matters."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@lru_cache(maxsize=256)
def like_matcher(pattern: str) -> Callable[[str], bool]:
    """Return the function that tells whether a text matches `pattern`.

    Examples
    --------
    >>> like_matcher("%a_c%")("xxabcyy"), like_matcher("a%")("ba")
    (True, False)

    Notes
    -----
    O(text * pattern): each part between two ``%`` is searched for from the left, once.
    """
    if "%" not in pattern and "_" not in pattern:
        return pattern.__eq__
    if "_" not in pattern and "%" not in pattern[:-1]:
        start = pattern[:-1]
        return lambda text: text.startswith(start)
    parts = [
        re.compile("".join("." if c == "_" else re.escape(c) for c in part), re.DOTALL)
        for part in pattern.split("%")
    ]
    if len(parts) == 1:
        whole = parts[0].fullmatch
        return lambda text: whole(text) is not None
    lengths = [len(part) for part in pattern.split("%")]
    first, *middle, last = parts

    def matches(text: str) -> bool:
        if len(text) < lengths[0] + lengths[-1] or first.match(text) is None:
            return False
        at, end = lengths[0], len(text) - lengths[-1]
        for part in middle:
            found = part.search(text, at, end)
            if found is None:
                return False
            at = found.end()
        return last.match(text, end) is not None

    return matches
