"""Names: what an identifier is, how names are converted, how generated names are made.

Definitions in the newest format have their names converted: ``FruitBasket`` in the source is the
table ``fruit_basket``. A name is split into words, and the words are joined again.

Words end at ``_``, ``-`` and spaces, which vanish, and between

- a lower-case and an upper-case letter: ``userID`` is ``user ID``;
- a letter with case and a digit, either way round: ``player1`` is ``player 1``;
- the last two capitals of a run that goes on in lower case: ``HTTPServer`` is ``HTTP Server``.

The unit of this is a letter together with the marks that combine with it (general categories Mn,
Mc and Me, and the two zero-width joiners), so that a decomposed ``é`` is one lower-case letter and
a digit with a mark is no digit. Other clusters that Unicode keeps together, such as Hangul
syllables in parts, have no case, so it makes no difference where they end.

Source: SpacetimeDB documentation, 2.8.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

#: Names that no identifier may have, in upper case. SpacetimeDB 2.8 reserves none.
RESERVED: Final[frozenset[str]] = frozenset()
#: Tables of a module may not start with this; those of the database do.
SYSTEM_PREFIX: Final = "st_"
#: How long a namespace may be in UTF-8.
NAMESPACE_BYTES_MAX: Final = 63

_JOINERS: Final = "\u200c\u200d"

# --------------------------------------------------------------------------------- identifiers


class BadIdentifier(msgspec.Struct, frozen=True):
    """Why a name is no identifier; `rule` is the first rule that it breaks."""

    rule: Literal["Empty", "NotCanonicalized", "InvalidStart", "InvalidContinue", "Reserved"]
    message: str


def check_identifier(name: str) -> BadIdentifier | None:
    """Return why `name` cannot name anything in a module, or None if it can.

    An identifier is not empty, is in Unicode normalization form C, starts with ``_`` or a letter
    (XID_Start), goes on with letters, digits and ``_`` (XID_Continue), and is not reserved.
    """
    if not name:
        return BadIdentifier("Empty", "empty identifiers are forbidden")
    if not unicodedata.is_normalized("NFC", name):
        return BadIdentifier("NotCanonicalized", f"`{name}` is not in Unicode normalization form C")
    if name.isidentifier():
        # Python's rule is the same: `_` and XID_Start, then XID_Continue, and no normalization.
        if name.upper() in RESERVED:
            return BadIdentifier("Reserved", f"`{name}` is reserved by spacetimedb")
        return None
    first = name[0]
    if not first.isidentifier():
        return BadIdentifier(
            "InvalidStart", f"`{name}` has an invalid starting character {_show(first)}"
        )
    wrong = next(character for character in name if not ("_" + character).isidentifier())
    return BadIdentifier("InvalidContinue", f"`{name}` has an invalid character {_show(wrong)}")


def _show(character: str) -> str:
    if character.isprintable():
        return f"'{character}'"
    return f"'\\u{{{ord(character):x}}}'"


# --------------------------------------------------------------------------------- conversions


def snake_case(name: str) -> str:
    """Return the words of `name` in lower case, joined by ``_``.

    >>> snake_case("FruitBasket"), snake_case("player1"), snake_case("__init__")
    ('fruit_basket', 'player_1', 'init')
    """
    return "_".join(word.lower() for word in split_words(name))


def camel_case(name: str) -> str:
    """Return the words of `name` joined, the first in lower case and the others capitalised.

    >>> camel_case("RedApple"), camel_case("HTTPServer")
    ('redApple', 'httpServer')
    """
    words = split_words(name)
    return "".join([words[0].lower(), *map(_capitalize, words[1:])]) if words else ""


def pascal_case(name: str) -> str:
    """Return the words of `name` joined, each capitalised.

    >>> pascal_case("user_id"), pascal_case("HTTPServer")
    ('UserId', 'HttpServer')
    """
    return "".join(map(_capitalize, split_words(name)))


def _capitalize(word: str) -> str:
    # Not str.capitalize(): that makes ǆ the title-case ǅ, where Ǆ is asked for.
    return word[0].upper() + word[1:].lower()


def split_words(name: str) -> list[str]:
    """Return the words of `name`, as the conversions see them.

    >>> split_words("HTTPServer2_go")
    ['HTTP', 'Server', '2', 'go']
    """
    clusters = _clusters(name)
    kinds = "".join(map(_kind, clusters))
    words: list[str] = []
    start = 0
    for position, kind in enumerate(kinds):
        if kind == "-":
            words.append("".join(clusters[start:position]))
            start = position + 1
        elif position > start and _parts(kinds, position):
            words.append("".join(clusters[start:position]))
            start = position
    words.append("".join(clusters[start:]))
    return [word for word in words if word]


def _parts(kinds: str, position: int) -> bool:
    """Whether a word ends before this position."""
    if kinds[position - 1 : position + 1] in {"lU", "Ud", "dU", "dl", "ld"}:
        return True
    return kinds[position - 1 : position + 2] == "UUl"


def _kind(cluster: str) -> str:
    """Return ``-`` for a delimiter, ``d`` for a digit, ``U`` and ``l`` for a letter with case."""
    if cluster in {"_", "-", " "}:
        return "-"
    if cluster.isascii() and cluster.isdigit():
        return "d"
    upper, lower = cluster.upper(), cluster.lower()
    if upper == lower:
        return "."
    return "U" if cluster == upper else "l" if cluster == lower else "."


def _clusters(name: str) -> Sequence[str]:
    if name.isascii():
        return name
    clusters: list[str] = []
    for character in name:
        combines = character in _JOINERS or unicodedata.category(character)[0] == "M"
        if combines and clusters:
            clusters[-1] += character
        else:
            clusters.append(character)
    return clusters


class CasePolicy(msgspec.Struct, frozen=True):
    """What becomes of names: one function for each sort of name."""

    snake: Callable[[str], str]
    camel: Callable[[str], str]
    pascal: Callable[[str], str]


def _as_written(name: str) -> str:
    return name


#: The conversions of each policy that a definition can ask for.
CASE_POLICIES: Final = {
    "None": CasePolicy(_as_written, _as_written, _as_written),
    "SnakeCase": CasePolicy(snake_case, camel_case, pascal_case),
}

# ----------------------------------------------------------------------------- generated names


def index_name(table: str, columns: Iterable[str], algorithm: str) -> str:
    """Return the name of an index that has none: ``T_c1_c2_idx_btree``."""
    return f"{table}_{'_'.join(columns)}_idx_{algorithm}"


def constraint_name(table: str, columns: Iterable[str]) -> str:
    """Return the name of a unique constraint that has none: ``T_c1_c2_key``."""
    return f"{table}_{'_'.join(columns)}_key"


def sequence_name(table: str, column: str) -> str:
    """Return the name of a sequence that has none: ``T_c_seq``."""
    return f"{table}_{column}_seq"


def schedule_name(table: str) -> str:
    """Return the name of the schedule of a table: ``T_sched``."""
    return f"{table}_sched"
