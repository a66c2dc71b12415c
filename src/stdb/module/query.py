"""Typed queries: ``User.where(lambda u: u.online == True)``, printable as SQL.

The lambda runs once, on columns instead of values: comparing columns gives a condition, and ``&``,
``|`` and ``~`` combine conditions. SpacetimeDB's SQL has no NOT, so ``~`` turns the comparisons
around.

Source: SpacetimeDB documentation, "SQL reference" and "Query builder".
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, NoReturn, TypeVar

from ..errors import TypeMismatch, UsageError, shorten, unknown_name
from ..types.exact import Inexact, exact, mismatch
from ..types.shapes import Bool, Shape
from ..types.values import ConnectionId, Identity, Timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..types.shapes import Field, Record

R = TypeVar("R")
S = TypeVar("S")

_OPPOSITE: Final = {"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


class Condition:
    """Something that a row fulfils or not. Combine with ``&``, ``|`` and ``~``."""

    __slots__ = ()

    def sql(self) -> str:
        """Return the condition as SQL."""
        raise NotImplementedError

    def opposite(self) -> Condition:
        """Return the condition that holds exactly where this one does not."""
        raise NotImplementedError

    def moved(self, names: Mapping[str, str]) -> Condition:
        """Return the condition with other names for tables: old -> new."""
        raise NotImplementedError

    def __and__(self, other: object) -> Condition:
        return _Both("AND", self, as_condition(other))

    __rand__ = __and__

    def __or__(self, other: object) -> Condition:
        return _Both("OR", self, as_condition(other))

    __ror__ = __or__

    def __invert__(self) -> Condition:
        return self.opposite()

    def __bool__(self) -> bool:
        return refuse_truth()

    def __repr__(self) -> str:
        return self.sql()


def refuse_truth() -> bool:
    """Raise the error for a condition that Python wants to be true or false."""
    raise UsageError(
        "a query's condition has no truth of its own: combine conditions with &, | and ~ instead "
        "of and, or and not, put each comparison in parentheses, and do not chain comparisons"
    )


class _Constant(Condition):
    __slots__ = ("value",)

    def __init__(self, value: bool) -> None:
        self.value = value

    def sql(self) -> str:
        return "(TRUE = TRUE)" if self.value else "(FALSE = TRUE)"

    def opposite(self) -> Condition:
        return _Constant(not self.value)

    def moved(self, names: Mapping[str, str]) -> Condition:
        del names
        return self


class _Comparison(Condition):
    __slots__ = ("left", "operator", "right")

    def __init__(self, left: Column, operator: str, right: object) -> None:
        self.left = left
        self.operator = operator
        self.right = right

    def sql(self) -> str:
        right = self.right.sql() if isinstance(self.right, Column) else literal(self.right)
        return f"({self.left.sql()} {self.operator} {right})"

    def opposite(self) -> Condition:
        return _Comparison(self.left, _OPPOSITE[self.operator], self.right)

    def moved(self, names: Mapping[str, str]) -> Condition:
        right = self.right.moved(names) if isinstance(self.right, Column) else self.right
        return _Comparison(self.left.moved(names), self.operator, right)


class _Both(Condition):
    __slots__ = ("left", "operator", "right")

    def __init__(self, operator: str, left: Condition, right: Condition) -> None:
        self.operator = operator
        self.left = left
        self.right = right

    def sql(self) -> str:
        return f"({self.left.sql()} {self.operator} {self.right.sql()})"

    def opposite(self) -> Condition:
        other = "OR" if self.operator == "AND" else "AND"
        return _Both(other, self.left.opposite(), self.right.opposite())

    def moved(self, names: Mapping[str, str]) -> Condition:
        return _Both(self.operator, self.left.moved(names), self.right.moved(names))


class Column:
    """A column of the rows that a query is about; compare it with a value or another column."""

    __slots__ = ("_shape", "name", "table")

    def __init__(self, table: str, name: str, shape: Shape) -> None:
        self.table: str = table
        self.name: str = name
        self._shape = shape

    def sql(self) -> str:
        """Return the column as SQL, qualified and quoted."""
        return f"{quoted(self.table)}.{quoted(self.name)}"

    def moved(self, names: Mapping[str, str]) -> Column:
        """Return the column with another name for its table: old -> new."""
        return Column(names.get(self.table, self.table), self.name, self._shape)

    def _compare(self, operator: str, other: object) -> Condition:
        if isinstance(other, Column):
            if other._shape.algebraic() != self._shape.algebraic():
                raise TypeMismatch(
                    f"table {self.table!r}: column {self.name!r} is {self._shape}, column "
                    f"{other.name!r} is {other._shape}; only columns of one type compare",
                    table=self.table, column=self.name, expected=str(self._shape), got=other,
                )  # fmt: skip
            return _Comparison(self, operator, other)
        try:
            value = exact(self._shape, other)
        except Inexact as error:
            raise mismatch(error, self.table, self.name) from None
        if not is_comparable(value):
            raise TypeMismatch(
                f"table {self.table!r}: column {self.name!r} of type {self._shape} cannot be "
                f"compared with {value!r} in SQL",
                table=self.table, column=self.name, expected="a value SQL can write", got=other,
            )  # fmt: skip
        return _Comparison(self, operator, value)

    def __eq__(self, other: object) -> Condition:  # type: ignore[override]
        return self._compare("=", other)

    def __ne__(self, other: object) -> Condition:  # type: ignore[override]
        return self._compare("<>", other)

    def __lt__(self, other: object) -> Condition:
        return self._compare("<", other)

    def __le__(self, other: object) -> Condition:
        return self._compare("<=", other)

    def __gt__(self, other: object) -> Condition:
        return self._compare(">", other)

    def __ge__(self, other: object) -> Condition:
        return self._compare(">=", other)

    __hash__ = None  # type: ignore[assignment]

    def __and__(self, other: object) -> Condition:
        return as_condition(self) & other

    __rand__ = __and__

    def __or__(self, other: object) -> Condition:
        return as_condition(self) | other

    __ror__ = __or__

    def __invert__(self) -> Condition:
        return ~as_condition(self)

    def __bool__(self) -> bool:
        return refuse_truth()

    def __repr__(self) -> str:
        return self.sql()


def as_condition(value: object) -> Condition:
    """Return `value` as a condition: one already, a bool, or a column of bools."""
    if isinstance(value, Condition):
        return value
    if isinstance(value, bool):
        return _Constant(value)
    if isinstance(value, Column) and isinstance(value._shape, Bool):
        return _Comparison(value, "=", True)
    raise UsageError(f"expected a condition such as `row.age > 18`, got {value!r}")


def is_comparable(value: object) -> bool:
    """Whether SQL has a literal that compares with `value`."""
    if isinstance(value, float):
        return value == value and abs(value) != float("inf")
    kinds = bool | int | str | bytes | Identity | ConnectionId | Timestamp | uuid.UUID
    return isinstance(value, kinds)


def literal(value: object) -> str:
    """Return `value` as an SQL literal."""
    match value:
        case bool():
            return "TRUE" if value else "FALSE"
        case int() | float():
            return repr(value)
        case str():
            return "'" + value.replace("'", "''") + "'"
        case bytes():
            return f"0x{value.hex()}"
        case Identity() | ConnectionId():
            return f"0x{value.hex()}"
        case Timestamp():
            return f"'{value}'"
        case uuid.UUID():
            return f"'{value}'"
    raise UsageError(f"SQL has no literal for {value!r}")


def quoted(name: str) -> str:
    """Return a name in double quotes, part by part where it has a namespace."""
    return ".".join(f'"{part}"' for part in name.split("."))


class _Columns:
    """Stands for a row while the lambda of `where` runs."""

    def __init__(self, table: str, columns: dict[str, Column]) -> None:
        self.__dict__["_table"] = table
        self.__dict__.update(columns)

    def __getattr__(self, name: str) -> NoReturn:
        known = [key for key in self.__dict__ if key != "_table"]
        raise unknown_name("column", name, known, f" in table {self.__dict__['_table']!r}")


class _Join(NamedTuple):
    """The other side of a semijoin: its tables in the order of FROM, ON and its condition."""

    left: str
    right: str
    on: tuple[Column, Column]
    condition: Condition | None

    def moved(self, names: Mapping[str, str]) -> _Join:
        """Return the join with other names for tables: old -> new."""
        mine, theirs = self.on
        return _Join(
            names.get(self.left, self.left),
            names.get(self.right, self.right),
            (mine.moved(names), theirs.moved(names)),
            None if self.condition is None else self.condition.moved(names),
        )


class Query(Generic[R]):
    r"""The rows of a table that fulfil a condition; ``str(query)`` is SQL.

    Made by ``where`` of a row class or of a table handle, or by ``ctx.from_`` of a view.

    Examples
    --------
    >>> import stdb
    >>> shop = stdb.Module("shop")
    >>> @shop.table()
    ... class User(stdb.Row):
    ...     id: stdb.u64 = stdb.primary_key()
    ...     online: bool
    >>> @shop.table()
    ... class Order(stdb.Row):
    ...     id: stdb.u64 = stdb.primary_key()
    ...     buyer: stdb.u64 = stdb.index()
    >>> online = User.where(lambda u: u.online)
    >>> orders = online.right_semijoin(Order, lambda u, o: u.id == o.buyer)
    >>> print(*str(orders).split(" WHERE "), sep="\n")
    SELECT "order".* FROM "user" JOIN "order" ON "user"."id" = "order"."buyer"
    ("user"."online" = TRUE)
    """

    __slots__ = ("_condition", "_fields", "_join", "table")

    def __init__(
        self,
        table: str,
        fields: dict[str, Field],
        condition: Condition | None,
        join: _Join | None = None,
    ) -> None:
        self.table: str = table
        self._fields = fields
        self._condition = condition
        self._join = join

    @classmethod
    def of(
        cls,
        table: str,
        shape: Record,
        names: Sequence[str],
        predicate: Callable[[R], object],
    ) -> Query[R]:
        """Return the query for the rows of `table` that `predicate` picks."""
        fields = dict(zip(names, shape.fields, strict=True))
        return cls(table, fields, None).where(predicate)

    def where(self, predicate: Callable[[R], object]) -> Query[R]:
        """Return the query for those of its rows that `predicate` picks too."""
        if not callable(predicate):
            raise UsageError(
                f"where() takes a function of a row, as in where(lambda r: r.age > 18), "
                f"not {shorten(predicate)}"
            )
        condition = as_condition(predicate(self._columns()))
        if self._condition is not None:
            condition = self._condition & condition
        return Query(self.table, self._fields, condition, self._join)

    def left_semijoin(self, other: Query[S] | type[S], on: Callable[[R, S], object]) -> Query[R]:
        """Return the query for those of its rows that a row of `other` goes with.

        Parameters
        ----------
        other : Query or class of rows
            The other table, or some of its rows.
        on : callable
            ``(row of this, row of the other) -> `` the equality of a column of each.

        Raises
        ------
        UsageError
            `on` is no such equality, the tables are one, or there is a join already.
        """
        theirs = as_query(other)
        join = self._joined(theirs, on, theirs._condition)
        return Query(self.table, self._fields, self._condition, join)

    def right_semijoin(self, other: Query[S] | type[S], on: Callable[[R, S], object]) -> Query[S]:
        """Return the query for the rows of `other` that one of its rows goes with.

        As `left_semijoin`, but for the rows of the other table.
        """
        theirs = as_query(other)
        join = self._joined(theirs, on, self._condition)
        return Query(theirs.table, theirs._fields, theirs._condition, join)

    def _joined(
        self, other: Query[S], on: Callable[[R, S], object], condition: Condition | None
    ) -> _Join:
        if self._join is not None or other._join is not None:
            raise UsageError("a query joins two tables, and one of these is a join already")
        if self.table == other.table:
            raise UsageError(
                f"table {self.table!r} is not joined to itself by a semijoin; write the SQL, with "
                "an alias for each"
            )
        if not callable(on):
            raise UsageError(
                "the second argument says which rows go together, as in lambda u, o: "
                f"u.id == o.buyer; this is {shorten(on)}"
            )
        found: Any = on(self._columns(), other._columns())
        if (
            not isinstance(found, _Comparison)
            or found.operator != "="
            or not isinstance(found.right, Column)
            or {found.left.table, found.right.table} != {self.table, other.table}
        ):
            raise UsageError(
                "a semijoin is on one equality of a column of each table, as in lambda u, o: "
                f"u.id == o.buyer, not {shorten(found)}; other conditions belong into where()"
            )
        mine, theirs = found.left, found.right
        if mine.table != self.table:
            mine, theirs = theirs, mine
        return _Join(self.table, other.table, (mine, theirs), condition)

    def _columns(self) -> Any:
        """Return what stands for a row while a lambda runs."""
        return _Columns(
            self.table,
            {
                attribute: Column(self.table, str(field.name), field.shape)
                for attribute, field in self._fields.items()
            },
        )

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of the tables that it reads."""
        return (self.table,) if self._join is None else (self._join.left, self._join.right)

    def moved(self, names: Mapping[str, str]) -> Query[R]:
        """Return the query with other names for tables, old -> new: those of included modules."""
        condition, join = self._condition, self._join
        return Query(
            names.get(self.table, self.table),
            self._fields,
            None if condition is None else condition.moved(names),
            None if join is None else join.moved(names),
        )

    def sql(self) -> str:
        """Return the query as SQL."""
        join = self._join
        if join is None:
            everything = f"SELECT * FROM {quoted(self.table)}"  # noqa: S608 - a quoted name
            conditions = [self._condition]
        else:
            everything = (
                f"SELECT {quoted(self.table)}.* FROM {quoted(join.left)} "  # noqa: S608 - likewise
                f"JOIN {quoted(join.right)} ON {join.on[0].sql()} = {join.on[1].sql()}"
            )
            conditions = [self._condition, join.condition]
            if join.right == self.table:
                conditions.reverse()
        texts = [condition.sql() for condition in conditions if condition is not None]
        return f"{everything} WHERE {' AND '.join(texts)}" if texts else everything

    __str__ = sql

    def __repr__(self) -> str:
        return f"<query {self.sql()}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Query) and self.sql() == other.sql()

    def __hash__(self) -> int:
        return hash(self.sql())


def as_query(rows: Query[S] | type[S]) -> Query[S]:
    """Return a query, or that for all rows of the table of a row class."""
    if isinstance(rows, Query):
        return rows
    tables: list[str] = getattr(rows, "__stdb_tables__", [])
    if len(tables) != 1:
        what = f"the row class of tables {', '.join(tables)}" if tables else "no row class"
        raise UsageError(f"expected a query or the row class of a table; {shorten(rows)} is {what}")
    shape: Record = rows.__stdb_shape__  # type: ignore[attr-defined]
    return Query(tables[0], {field.attribute: field for field in shape.fields}, None)


class SqlText(str):
    """The SQL of a query that a view of a compiled module returned."""

    __slots__ = ()


__all__ = ["Column", "Condition", "Query", "SqlText", "as_query", "literal", "quoted"]
