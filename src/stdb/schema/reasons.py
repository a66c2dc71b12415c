"""Why a module cannot be: what validation finds, collected and reported together."""

from __future__ import annotations

from typing import Final

import msgspec

from ..errors import DefinitionError

#: Every kind of reason, in the order in which they are reported.
KINDS: Final = (
    # Names.
    "DuplicateName",
    "DuplicateTypeName",
    "DuplicateFunctionName",
    "DuplicateHttpHandlerName",
    "IdentifierError",
    "TableNameReserved",
    "NamespaceTooLong",
    # Types.
    "InvalidTypeRef",
    "TypeHasIncorrectOrdering",
    "ClientCodegenError",
    "RecursiveColumnType",
    "TypeTooLarge",
    # Tables.
    "TableNotFound",
    "InvalidProductTypeRef",
    "UnnamedColumn",
    "DuplicateColumnName",
    "TooManyColumns",
    "ColumnNotFound",
    "ColumnDefMalformed",
    "RepeatedPrimaryKey",
    "MissingPrimaryKeyUniqueConstraint",
    "EmptyColumns",
    "DuplicateColumns",
    "UniqueConstraintWithoutIndex",
    "MissingIndexSourceName",
    "DirectIndexOnBadType",
    "OneAutoInc",
    "InvalidSequenceColumnType",
    "InvalidSequenceRange",
    "ColumnDefaultValueMalformed",
    "MultipleColumnDefaultValues",
    # Schedules.
    "DuplicateSchedule",
    "ScheduledIncorrectColumns",
    "MissingScheduledFunction",
    "IncorrectScheduledFunctionParams",
    # Functions.
    "DuplicateLifecycle",
    "LifecycleWithoutReducer",
    "LifecycleInSubmodule",
    "InvalidReducerReturnType",
    "InvalidViewReturnType",
    "ViewPrimaryKeyViewNotFound",
    "ViewPrimaryKeyColumnNotFound",
    "RepeatedViewPrimaryKey",
    "MultipleViewPrimaryKeyColumns",
    # HTTP.
    "InvalidHttpRoutePath",
    "DuplicateHttpRoute",
    "MissingHttpHandler",
    # Modules in modules.
    "SubmodulesTooDeep",
)
_ORDER: Final = {kind: position for position, kind in enumerate(KINDS)}


class Reason(msgspec.Struct, frozen=True):
    """One thing that is wrong with a module.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    message : str
    table : str or None
        The table (or view) that it is about, as the source calls it.
    column : str or None
        The column, as the source calls it; its number if it has no name.
    """

    kind: str
    message: str
    table: str | None = None
    column: str | None = None

    def __str__(self) -> str:
        return self.message


class Reasons:
    """Collects reasons; `error` makes one `DefinitionError` of all."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Reason] = {}

    def add(
        self, kind: str, message: str, table: str | None = None, column: str | None = None
    ) -> None:
        """Note a reason; one that is known already counts once, with its place if that is known."""
        assert kind in _ORDER, kind
        known = self._found.get((kind, message))
        if known is None or known.table is None:
            self._found[kind, message] = Reason(kind, message, table, column)

    def __len__(self) -> int:
        return len(self._found)

    def sorted(self) -> tuple[Reason, ...]:
        """Return the reasons: by kind, then by message."""
        return tuple(sorted(self._found.values(), key=lambda r: (_ORDER[r.kind], r.message)))

    def error(self) -> DefinitionError:
        """Return the error with all the reasons."""
        reasons = self.sorted()
        text = "\n".join(f"{reason.message}\n" for reason in reasons)
        return DefinitionError(f"Errors occurred:\n{text}", reasons=reasons)
