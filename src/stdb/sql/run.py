"""Statements, from text to rows: read, check, plan, compile once; run as often as wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ..errors import SqlError, shorten
from ..types.exact import Inexact, exact
from . import syntax as s
from . import typed as t
from .check_select import check_select
from .check_write import WriteChecker
from .dml import PreparedWrite
from .explain import explain_query, explain_write
from .generate import QueryWriter, params_check
from .names import Fault
from .parser import parse
from .plan import Plan, is_outgrown, may_outgrow, plan_fragment
from .result import Result, ResultColumn
from .rules import apply_rules
from .strict import refuse_extensions
from .tokens import place_of_param

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ..codegen import Code
    from ..storage.view_table import ViewTable
    from ..types import shapes as sh
    from .names import Rights, Schema

#: Longer texts are refused in the strict dialect.
LENGTH_MAX = 50_000


class Prepared:
    """A statement, checked: what the two kinds share."""

    params: dict[str | int, sh.Shape]
    reads = True
    #: The views whose rows it reads.
    views: tuple[ViewTable, ...] = ()

    def __init__(self, sql: str) -> None:
        self.sql = sql
        self._fits: Callable[[Any], bool] | None = None

    def prepare_params(self, params: dict[str | int, sh.Shape]) -> None:
        """Put the parameters in order: positional ones first."""
        ordered = sorted(params, key=lambda name: (isinstance(name, str), name))
        shapes = {name: params[name] for name in ordered}
        params.clear()
        params.update(shapes)
        self.params = params
        self._fits = params_check(params)

    def values(self, given: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the parameters as `bind` does; at once where all are exact already."""
        if self._fits is not None:
            if named or len(given) != len(self.params) or not self._fits(given):
                return self.bind(given, named)
        elif given or named:
            return self.bind(given, named)
        return given

    def bind(self, given: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the parameters as exact values, in the order of `params`.

        Raises
        ------
        SqlError
            Too many or too few, or a value that does not fit where it is used.
        """
        positional = [name for name in self.params if isinstance(name, int)]
        expected = set(self.params) - set(positional)
        if len(given) != len(positional):
            raise SqlError(
                f"the statement has {len(positional)} positional parameters (?), got {len(given)}",
                sql=self.sql,
            )
        if named.keys() != expected:
            missing = ", ".join(f":{name}" for name in sorted(map(str, expected - named.keys())))
            extra = ", ".join(sorted(named.keys() - expected))
            what = f"no value for parameter {missing}" if missing else f"no parameter {extra} in it"
            raise SqlError(f"named parameters do not match: {what}", sql=self.sql)
        values = []
        for name, shape in self.params.items():
            value = given[name] if isinstance(name, int) else named[name]
            try:
                values.append(exact(shape, value))
            except Inexact as error:
                raise self._unfit(name, value, error) from None
        return tuple(values)

    def _unfit(self, name: str | int, value: Any, error: Inexact) -> SqlError:
        """Return the error for a parameter whose value does not go where it stands."""
        shown = f"number {name + 1}" if isinstance(name, int) else f":{name}"
        hint = ""
        if value is None:
            hint = "; x IS NULL asks whether there is no value"
        elif isinstance(value, list | tuple | set | frozenset):
            hint = "; a list takes one ? for each of its values, as in IN (?, ?)"
        return SqlError(
            f"unexpected type: parameter {shown} is {shorten(value)}, expected "
            f"{error.expected}{hint}",
            sql=self.sql,
            position=place_of_param(self.sql, name),
        )

    def placed(self, error: SqlError) -> SqlError:
        """Return an error of running the statement with its text."""
        if error.sql:
            return error
        return SqlError(error.message, sql=self.sql, position=error.position)


class PreparedQuery(Prepared):
    """A SELECT, ready to run."""

    def __init__(self, sql: str, query: t.Query) -> None:
        super().__init__(sql)
        self.query = query
        self.columns = query.columns
        self.views = views_of(query)
        self.prepare_params(query.params)
        self.plans: list[Plan] = [plan_fragment(fragment) for fragment in query.fragments]
        self.codes: list[Code] = []
        self._stream: Callable[..., Any] | None = None
        self._run: Callable[..., Any] | None = None
        self._compile()

    def _compile(self) -> None:
        code, self._run = QueryWriter(self.query, self.plans).write()
        self.codes = [code]
        self._stream = None
        self._may_outgrow = any(map(may_outgrow, self.plans))

    def keep_fit(self) -> None:
        """Plan anew where the tables have become much larger or smaller."""
        if self._may_outgrow and any(map(is_outgrown, self.plans)):
            self.plans = [plan_fragment(fragment) for fragment in self.query.fragments]
            self._compile()

    def rows(self, given: tuple[Any, ...], named: Mapping[str, Any], sender: Any) -> list[Any]:
        """Run it, in an open transaction."""
        given = self.values(given, named)
        if self._may_outgrow:
            self.keep_fit()
        run: Any = self._run
        try:
            rows: list[Any] = run(given, sender)
        except SqlError as error:
            raise self.placed(error) from None
        return rows

    def stream(
        self, given: tuple[Any, ...], named: Mapping[str, Any], sender: Any
    ) -> Iterator[Any]:
        """Return the rows as they are found, in an open transaction."""
        from itertools import islice

        query = self.query
        if query.grouped or query.order or query.distinct or query.limit_each:
            return iter(self.rows(given, named, sender))
        values = self.bind(given, named)
        self.keep_fit()
        if self._stream is None:
            code, self._stream = QueryWriter(query, self.plans).write(stream=True)
            self.codes.append(code)
        rows: Iterator[Any] = self._stream(values, sender)
        if query.limit is None and query.offset is None:
            return rows
        by_name = dict(zip(self.params, values, strict=True))
        offset = _bound(query.offset, by_name) or 0
        limit = _bound(query.limit, by_name)
        return islice(rows, offset, None if limit is None else min(offset + limit, 2**63 - 1))


class PreparedExplain(Prepared):
    """An EXPLAIN: its rows are the lines of the plan."""

    def __init__(self, sql: str, inner: PreparedQuery) -> None:
        from ..types.shapes import TEXT

        super().__init__(sql)
        self.inner = inner
        self.params = {}
        self.codes = inner.codes
        self.columns = (ResultColumn("plan", TEXT),)

    def rows(self, given: tuple[Any, ...], named: Mapping[str, Any], sender: Any) -> list[Any]:
        """Return the lines."""
        del given, named, sender
        from .result import row_class

        make = row_class(("plan",))
        return [make(line) for line in explain(self.inner).splitlines()]


class PreparedChange(Prepared):
    """An INSERT, UPDATE or DELETE, ready to be carried out."""

    reads = False

    def __init__(self, sql: str, write: PreparedWrite) -> None:
        super().__init__(sql)
        self.inner = write
        self.codes = write.codes
        self.prepare_params(write.write.params)

    def change(self, given: tuple[Any, ...], named: Mapping[str, Any], sender: Any) -> Result:
        """Carry it out, in the open read-write transaction of this thread."""
        try:
            counts = self.inner.execute(self.values(given, named), sender)
        except SqlError as error:
            raise self.placed(error) from error.__cause__
        return Result((), [], *counts)


ReadingStatement = PreparedQuery | PreparedExplain
AnyPrepared = ReadingStatement | PreparedChange


def views_of(query: t.Query) -> tuple[ViewTable, ...]:
    """Return the views that a query reads, each once."""
    tables = [source.table for fragment in query.fragments for source in fragment.sources]
    return tuple(dict.fromkeys(cast("ViewTable", table) for table in tables if table.is_view))


def prepare(sql: str, schema: Schema, rights: Rights, *, strict: bool = False) -> AnyPrepared:
    """Return a statement ready to run.

    Parameters
    ----------
    sql : str
        One statement.
    schema : mapping of str to Table
        The tables that there are.
    rights : Rights
        Who asks.
    strict : bool
        Whether to refuse what SpacetimeDB would refuse.

    Raises
    ------
    SqlError
        It is wrong, or not allowed.
    """
    if strict and len(sql.encode("utf-8", "surrogatepass")) > LENGTH_MAX:
        raise SqlError(
            f"the length of the statement exceeds {LENGTH_MAX} bytes; bind long values as "
            "parameters",
            sql=sql,
        )
    fault = Fault(sql)
    statement = parse(sql)
    if strict:
        refuse_extensions(statement, fault)
    match statement:
        case s.Select():
            return _prepare_select(statement, sql, schema, rights, fault, strict=strict)
        case s.Explain(select=select):
            return PreparedExplain(
                sql, _prepare_select(select, sql, schema, rights, fault, strict=strict)
            )
        case s.Show():
            checker = WriteChecker(schema, rights, fault, strict=strict)
            return PreparedQuery(sql, checker.show(statement))
    write = WriteChecker(schema, rights, fault, strict=strict).check(statement)
    params = write.params
    ordered = sorted(params, key=lambda name: (isinstance(name, str), name))
    shapes = {name: params[name] for name in ordered}
    params.clear()
    params.update(shapes)
    return PreparedChange(sql, PreparedWrite(write))


def _prepare_select(
    select: s.Select, sql: str, schema: Schema, rights: Rights, fault: Fault, *, strict: bool
) -> PreparedQuery:
    query = check_select(select, schema, rights, fault, strict=strict)
    if not rights.owner:
        apply_rules(query, schema, rights, fault, strict=strict)
    if query.unplannable is not None:
        raise query.unplannable
    return PreparedQuery(sql, query)


def explain(prepared: AnyPrepared) -> str:
    """Return the plan of a statement, as a tree."""
    match prepared:
        case PreparedQuery():
            prepared.keep_fit()
            return explain_query(prepared)
        case PreparedExplain():
            return explain(prepared.inner)
    prepared.inner.keep_fit()
    return explain_write(prepared.inner)


def _bound(expr: t.Expr | None, params: Mapping[str | int, Any]) -> int | None:
    if isinstance(expr, t.Param):
        number: int = params[expr.name]
        return number
    return expr.value if isinstance(expr, t.Const) else None


__all__ = [
    "AnyPrepared",
    "Prepared",
    "PreparedChange",
    "PreparedQuery",
    "ReadingStatement",
    "explain",
    "prepare",
    "views_of",
]
