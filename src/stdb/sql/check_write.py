"""Checks INSERT, UPDATE, DELETE, SET and SHOW. Whether the caller may write is asked last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..types import shapes as sh
from ..types.algebraic import SPECIAL
from . import syntax as s
from . import typed as t
from .check_expression import Checker, unwrap
from .literals import NotThat, parse_literal, type_name
from .names import Scope, find_field, find_table
from .result import ResultColumn
from .typed import base

if TYPE_CHECKING:
    from ..storage.table import Table
    from .names import Fault, Rights, Schema

#: The one system table that SQL writes: variables.
VARIABLES = "st_var"
ROW_LIMIT = "row_limit"


class Insert(msgspec.Struct, eq=False):
    """A checked INSERT: `columns` are positions; the others take their defaults."""

    table: Table
    columns: list[int]
    rows: list[list[t.Expr]]
    params: dict[str | int, sh.Shape]


class Update(msgspec.Struct, eq=False):
    """A checked UPDATE; `places` is where each column is assigned."""

    table: Table
    fragment: t.Fragment
    assignments: dict[int, t.Expr]
    places: dict[str, int]
    params: dict[str | int, sh.Shape]


class Delete(msgspec.Struct, eq=False):
    """A checked DELETE."""

    table: Table
    fragment: t.Fragment
    params: dict[str | int, sh.Shape]


Write = Insert | Update | Delete


class WriteChecker:
    """Checks one statement that writes."""

    def __init__(self, schema: Schema, rights: Rights, fault: Fault, *, strict: bool) -> None:
        self.schema = schema
        self.rights = rights
        self.fault = fault
        self.strict = strict
        self.scope = Scope(fault)
        self.checker = Checker(self.scope, fault, strict=strict)

    def check(self, statement: s.Insert | s.Update | s.Delete | s.SetVariable) -> Write:
        """Return the checked statement."""
        if isinstance(statement, s.SetVariable):
            checked: Write = self.set_variable(statement)
        else:
            table = find_table(
                self.schema, self.rights, statement.table, statement.position, self.fault
            )
            if table.is_view:
                raise self.fault(
                    f"{statement.table!r} is a view: its function fills it, SQL cannot write it",
                    statement.position,
                )
            match statement:
                case s.Insert():
                    checked = self.insert(statement, table)
                case s.Update():
                    checked = self.update(statement, table)
                case s.Delete():
                    fragment = self.fragment(statement, table)
                    checked = Delete(table, fragment, self.checker.params)
        self.permission(checked.table, statement.position)
        return checked

    def permission(self, table: Table, position: int) -> None:
        if not self.rights.owner:
            raise self.fault("not authorized: only the owner may write by SQL", position)
        if table.definition.is_system and table.name != VARIABLES:
            raise self.fault(
                f"not authorized: {table.name!r} is a system table, which the database itself "
                "writes",
                position,
            )

    # -- INSERT ----------------------------------------------------------------------------------

    def insert(self, statement: s.Insert, table: Table) -> Insert:
        fields = table.shape.fields
        columns = self.insert_columns(statement, table)
        rows = []
        for row in statement.rows:
            if len(row) != len(columns):
                raise self.fault(f"{len(row)} values for {len(columns)} columns", row[0].position)
            rows.append(
                [self.written(expr, fields[at]) for expr, at in zip(row, columns, strict=True)]
            )
        return Insert(table, columns, rows, self.checker.params)

    def insert_columns(self, statement: s.Insert, table: Table) -> list[int]:
        count = len(table.shape.fields)
        if self.strict:
            listed = len(statement.columns or ())
            if listed != count:
                raise self.fault(
                    f"the column list has {listed} fields, table {table.name!r} has {count}",
                    statement.position,
                )
            return list(range(count))
        if statement.columns is None:
            return list(range(count))
        # Differs: the names are honoured; SpacetimeDB does not look at them.
        columns: list[int] = []
        for name, position in statement.columns:
            columns.append(self.written_column(table, name, position))
            if columns.count(columns[-1]) > 1:
                raise self.fault(f"duplicate column {name!r}", position)
        left_out = set(range(count)) - set(columns) - table.definition.auto_inc_columns
        made = msgspec.structs.fields(table.shape.cls)
        missing = [str(table.shape.fields[p].name) for p in sorted(left_out) if made[p].required]
        if missing:
            raise self.fault(
                f"the column list of {table.name!r} lacks the fields {', '.join(missing)}, which "
                "have no default",
                statement.position,
            )
        return columns

    def written_column(self, table: Table, name: str, position: int) -> int:
        at = find_field(table, name)
        if at is None:
            known = [str(field.name) for field in table.shape.fields]
            raise self.fault.unknown(
                f"table {table.name!r} has no field {name!r}; its fields are {', '.join(known)}",
                position,
                name,
                known,
            )
        return at

    def written(self, expr: s.Expr, field: sh.Field) -> t.Expr:
        """Return a value to write. A literal is taken more strictly than in WHERE."""
        expr = unwrap(expr)
        if isinstance(expr, s.Literal):
            return t.Const(field.shape, False, self.written_literal(expr, field))
        if isinstance(expr, s.Null):
            if not base(field.shape)[1]:
                raise self.fault(
                    f"unexpected type: NULL for column {field.name!r} of type "
                    f"{type_name(field.shape)}, which is no option",
                    expr.position,
                )
            return t.Const(field.shape, True, None)
        if isinstance(expr, s.Param) and expr.name != "sender":
            return self.checker.param(expr, field.shape)
        if isinstance(expr, s.Param):
            return self.checker.param(expr, base(field.shape)[0])
        if not self.scope.sources:
            raise self.fault("unsupported: VALUES takes literals and parameters", expr.position)
        made = self.checker.expr(expr, base(field.shape)[0])
        if made.nullable and not base(field.shape)[1]:
            raise self.checker.unexpected("this", "an option", base(field.shape)[0], expr.position)
        return made

    def written_literal(self, expr: s.Literal, field: sh.Field) -> Any:
        shape = field.shape if self.strict else base(field.shape)[0]
        if expr.kind == "bool":
            if isinstance(shape, sh.Bool):
                return expr.text == "TRUE"
            raise self.checker.unexpected(
                f"literal {expr.text} for column {field.name!r}", "Bool", shape, expr.position
            )
        if expr.kind == "string" and not isinstance(shape, sh.Text):
            # Differs: quoted literals write what has no other literal.
            special = isinstance(shape, sh.Wrapped | sh.PlainEnum) and not self.strict
            if not special:
                raise self.checker.unexpected(
                    f"literal {expr.text!r} for column {field.name!r}",
                    "String",
                    shape,
                    expr.position,
                )
        if shape is sh.TIMESTAMP and self.strict:
            raise self.fault(
                f"literal {expr.text!r} cannot be written as {SPECIAL[shape.algebraic()]}",
                expr.position,
            )
        return self.checker.value(expr, shape)

    # -- UPDATE and DELETE -----------------------------------------------------------------------

    def fragment(self, statement: s.Update | s.Delete, table: Table) -> t.Fragment:
        if not self.scope.sources:
            self.scope.add(statement.table, table, statement.position)
        conjuncts = []
        if statement.where is not None:
            conjuncts = t.conjuncts_of(self.checker.condition(statement.where))
        return t.Fragment(self.scope.sources, conjuncts)

    def update(self, statement: s.Update, table: Table) -> Update:
        self.scope.add(statement.table, table, statement.position)
        assignments: dict[int, t.Expr] = {}
        places: dict[str, int] = {}
        for assignment in statement.assignments:
            at = self.written_column(table, assignment.column, assignment.position)
            value = self.written(assignment.value, table.shape.fields[at])
            assignments.setdefault(at, value)
            places.setdefault(str(table.shape.fields[at].name), assignment.position)
        fragment = self.fragment(statement, table)
        return Update(table, fragment, assignments, places, self.checker.params)

    # -- variables -------------------------------------------------------------------------------

    def set_variable(self, statement: s.SetVariable) -> Insert:
        table = self.variables(statement.name, statement.position)
        literal = statement.value
        if not isinstance(literal, s.Literal):
            raise self.fault("unsupported: a variable is set to a literal", literal.position)
        if literal.kind != "number":
            found = {"string": "String", "bool": "Bool"}.get(literal.kind, "a hex literal")
            raise self.checker.unexpected(
                f"literal {literal.text!r}", found, sh.U64, literal.position
            )
        try:
            number = parse_literal(sh.U64, literal.text)
        except NotThat as reason:
            raise self.fault(
                f"literal {literal.text} cannot be read as U64 ({reason})", literal.position
            ) from None
        name, value = table.shape.fields
        shape = value.shape
        if not isinstance(shape, sh.Tagged):
            raise TypeError(f"{VARIABLES}.value is {shape}")
        variant = next(
            cls for (tag, _), cls in zip(shape.variants, shape.classes, strict=True) if tag == "U64"
        )
        row: list[t.Expr] = [
            t.Const(name.shape, False, statement.name),
            t.Const(shape, False, variant(number)),
        ]
        return Insert(table, [0, 1], [row], {})

    def variables(self, name: str, position: int) -> Table:
        if name != ROW_LIMIT:
            raise self.fault(f"no such system variable: {name!r}; there is {ROW_LIMIT}", position)
        return self.schema[VARIABLES]

    def show(self, statement: s.Show) -> t.Query:
        """Return the query of a SHOW."""
        table = self.variables(statement.name, statement.position)
        name, value = table.shape.fields
        left = t.Column(name.shape, False, 0, name, 0, name.shape)
        condition = t.Compare(sh.BOOL, False, "=", left, t.Const(name.shape, False, statement.name))
        source = t.Source(VARIABLES, table, statement.position)
        return t.Query(
            [t.Fragment([source], [condition])],
            (ResultColumn("value", value.shape),),
            outputs=[t.Column(value.shape, False, 0, value, 1, value.shape)],
        )
