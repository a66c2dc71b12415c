"""``db.tables``: the tables of a database, to look at outside a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from ..errors import UnknownName, UsageError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..schema import TableDef
    from ..storage.store import Store
    from ..storage.table import Table


R = TypeVar("R")


class DatabaseTable(Generic[R]):
    """One table, read in transactions of its own: each look sees one moment.

    For several looks at the same moment, use ``with db.transaction(readonly=True)``.
    """

    def __init__(self, name: str, store: Store) -> None:
        self._name = name
        self._store = store

    @property
    def _table(self) -> Table:
        # Publishing a module may put another one in its place.
        return self._store[self._name]

    @property
    def name(self) -> str:
        """The table's name."""
        return self._name

    @property
    def row_class(self) -> type[R]:
        """The class of its rows."""
        return self._table.shape.cls

    @property
    def columns(self) -> dict[str, str]:
        """Column -> type, as one writes it in a module."""
        return {str(f.name): str(f.shape) for f in self._table.shape.fields}

    @property
    def definition(self) -> TableDef:
        """Everything the module says of it."""
        return self._table.definition

    @property
    def is_public(self) -> bool:
        """Whether every client may read it."""
        return self._table.definition.is_public

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise UnknownName(
            f"db.tables.{self._name} only shows its rows, and has no {name!r}: look up and change "
            f"in a transaction, as with db.transaction() as tx: tx.db.{self._name}.…",
            unknown=name,
        )

    def rows(self) -> list[R]:
        """Return all rows."""
        with self._store.reading():
            return list(self._table.rows.values())

    def __iter__(self) -> Iterator[R]:
        return iter(self.rows())

    def __len__(self) -> int:
        return len(self._table.rows)

    def __bool__(self) -> bool:
        """Return True: an empty table is a table (ask ``len``)."""
        return True

    def __repr__(self) -> str:
        columns = ", ".join(f"{name}: {shape}" for name, shape in self.columns.items())
        return f"<table {self.name!r} ({columns}), {len(self)} rows>"


class DatabaseTables:
    """The tables of a database by attribute or by name; system tables by name too."""

    def __init__(self, store: Store, prefix: str = "") -> None:
        self._store = store
        self._prefix = prefix

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        prefix = f"{self._prefix}{name}."
        if any(each.startswith(prefix) for each in self._store.by_name):
            return DatabaseTables(self._store, prefix)
        return self[name]

    @overload
    def __getitem__(self, name: str) -> DatabaseTable[Any]: ...
    @overload
    def __getitem__(self, name: type[R]) -> DatabaseTable[R]: ...
    def __getitem__(self, name: Any) -> DatabaseTable[Any]:
        if isinstance(name, type):
            return self._table_of(name)
        table = self._store.by_name.get(f"{self._prefix}{name}")
        if table is None:
            raise unknown_name("table", name, self)
        if table.is_view:
            raise UsageError(
                f"{name!r} is a view: read it by SQL, as a sender: db.sql(…, sender=…)"
            )
        return DatabaseTable(table.name, self._store)

    def _table_of(self, row_class: type[R]) -> DatabaseTable[R]:
        """Return the table whose rows are of `row_class`."""
        of_class = [
            table
            for table in self._store.by_name.values()
            if table.shape.cls is row_class and not table.is_view
        ]
        if len(of_class) == 1:
            return DatabaseTable(of_class[0].name, self._store)
        if of_class:
            names = ", ".join(table.name for table in of_class)
            raise UsageError(
                f"{row_class.__name__} is the row of several tables ({names}); name the one"
            )
        raise unknown_name("table", row_class.__name__, self)

    def __iter__(self) -> Iterator[str]:
        names, prefix = self._store.user_table_names(), self._prefix
        return iter([name[len(prefix) :] for name in names if name.startswith(prefix)])

    def __contains__(self, name: object) -> bool:
        table = self._store.by_name.get(f"{self._prefix}{name}")
        return table is not None and not table.is_view

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __dir__(self) -> list[str]:
        return sorted(self if self._prefix else self._store.by_name)

    def __repr__(self) -> str:
        return f"<tables {', '.join(self)}>"
