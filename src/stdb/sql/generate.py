"""Writes the function that runs a checked query: ``run(params, sender) -> rows``.

The loops of each plan (`generate_join`) end in a sink: rows are appended, counted, gathered in
groups. Sorting, DISTINCT and LIMIT follow after the loops, except that a LIMIT without either
stops them early.
"""

from __future__ import annotations

import heapq
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from ..types import shapes as sh
from ..types.compose import Composer
from ..types.exact import check_expression
from ..types.keys import is_own_key, key_function
from . import typed as t
from .generate_expression import ExpressionWriter
from .generate_group import GroupWriter
from .generate_join import JoinWriter
from .result import row_class

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..codegen import Code
    from .plan import Plan


#: Up to so many rows of an ORDER BY with LIMIT are picked without sorting all.
_TOP_MAX = 1000


class Enough(Exception):  # noqa: N818 - ends the loops of a query whose LIMIT is reached
    """Raised by generated code when there are as many rows as were asked for."""


class QueryWriter:
    """Writes one query."""

    def __init__(self, query: t.Query, plans: list[Plan]) -> None:
        self.query = query
        self.plans = plans
        self.c = Composer()
        self.writer = ExpressionWriter(self.c, query.params)
        self.ordered = bool(query.order)
        names = tuple(column.name for column in query.columns)
        self.row = "" if query.whole is not None else self.c.name(row_class(names), "Row")
        self.new = self.c.name(tuple.__new__, "new")

    def write(self, *, stream: bool = False) -> tuple[Code, Callable[..., Any]]:
        """Return the compiled code and its function; a stream's gives rows as they are found."""
        if self.query.grouped:
            body = GroupWriter(self).write()
        elif stream and not self.ordered and not self.query.distinct:
            body = self.streamed()
        else:
            body = self.collected()
        lines = ["def run(params, sender):"]
        if self.query.params:
            names = ", ".join(self.writer.params.values())
            lines.append(f"    {names}, = params")
        lines += ["    " + line for line in body]
        self.c.add(lines)
        code = self.c.code("query")
        run: Callable[..., Any] = code.run(self.c.names)["run"]
        return code, run

    # -- rows ------------------------------------------------------------------------------------

    def output(self) -> str:
        """Return source for a row of the result."""
        whole = self.query.whole
        if whole is not None:
            reveal = self.query.fragments[0].sources[whole].table.reveal
            row = f"r{whole}"
            if reveal is None or self.query.as_stored:
                return row
            return f"{self.c.name(reveal, 'reveal')}({row})"
        return self.row_of([self.writer.value(output) for output in self.query.outputs])

    def row_of(self, values: list[str]) -> str:
        checked = [
            self.in_range(value, output)
            for value, output in zip(values, self.query.outputs, strict=True)
        ]
        return f"{self.new}({self.row}, ({', '.join(checked)},))"

    def in_range(self, value: str, output: t.Expr) -> str:
        """Return source that refuses a computed integer that its column cannot hold."""
        if not isinstance(output.shape, sh.Int):
            return value
        is_sum = (
            isinstance(output, t.Aggregate)
            and self.query.aggregates[output.index].function == "sum"
        )
        if not is_sum and not isinstance(output, t.Arithmetic):
            return value
        place = output.place if isinstance(output, t.Arithmetic) else None
        check = self.c.name(_range_check(output.shape, place), "in_range")
        return f"{check}({value})"

    def keys(self) -> str:
        """Return source for the key of ORDER BY: a tuple where there are several."""
        parts = self.order_keys()
        return parts[0] if len(parts) == 1 else f"({', '.join(parts)},)"

    def order_keys(self) -> list[str]:
        """Return source for each key of ORDER BY."""
        parts = []
        for order in self.query.order:
            value = self.writer.value(order.expr)
            if order.expr.nullable or not is_own_key(order.expr.shape):
                shape = sh.Option(order.expr.shape) if order.expr.nullable else order.expr.shape
                value = f"{self.c.name(key_function(shape), 'key')}({value})"
            parts.append(value)
        return parts

    def streamed(self) -> list[str]:
        lines: list[str] = []
        for number, plan in enumerate(self.plans):
            join = JoinWriter(self.writer, plan, number, [], is_generator=True)
            lines += join.write([f"yield {self.output()}"])
        return lines

    def collected(self) -> list[str]:
        query = self.query
        simple = self.comprehension()
        if simple is not None:
            return simple
        stops = query.limit is not None and not self.ordered and not query.distinct
        lines = ["found = []", "add = found.append"]
        if stops:
            lines += [f"enough = {self.bound()}", "left = enough"]
        for number, plan in enumerate(self.plans):
            join = JoinWriter(self.writer, plan, number, ["left"] if stops else [])
            item = f"({self.keys()}, {self.output()})" if self.ordered else self.output()
            if not stops:
                lines += join.write([f"add({item})"])
                continue
            enough = self.c.name(Enough, "Enough")
            body = [f"add({item})", "left -= 1", "if left <= 0:", f"    raise {enough}"]
            if query.limit_each:
                lines.append("left = enough")
            lines += ["if left > 0:", "    try:"]
            lines += ["        " + line for line in join.write(body)]
            lines += [f"    except {enough}:", "        pass"]
        return [*lines, *self.finish("found", stops=stops)]

    def comprehension(self) -> list[str] | None:
        """Return the body of a query over one table, which needs no explicit loop."""
        query = self.query
        if len(self.plans) != 1 or query.distinct:
            return None
        join = JoinWriter(self.writer, self.plans[0], 0, [])
        iteration = join.iteration()
        if iteration is None:
            return None
        rows, tests = iteration
        step = self.plans[0].steps[0]
        row = f"r{step.source}"
        where = f" if {tests}" if tests else ""
        output = self.output()
        if self.ordered:
            return self.sorted_rows(row, rows, where, output)
        if query.limit is not None or query.offset is not None:
            cut = self.c.name(islice, "islice")
            source = f"{output} for {row} in {rows}{where}"
            return [f"return list({cut}(({source}), {self.slice()}))"]
        if step.access.kind == "unique" and rows.startswith("one_"):
            return [
                f"{row} = {rows[rows.index('(') + 1 : -1]}",
                f"return [{output}] if {row} is not None{f' and {tests}' if tests else ''} else []",
            ]
        if not where and output == row:
            return [f"return list({rows})"]
        return [f"return [{output} for {row} in {rows}{where}]"]

    def sorted_rows(self, row: str, rows: str, where: str, output: str) -> list[str]:
        """Return the body of an ordered query over one table: rows are sorted, then made."""
        order = self.query.order
        found = f"found = [{row} for {row} in {rows}{where}]"
        key = f"key=lambda {row}: {self.keys()}"
        if len({item.descending for item in order}) > 1:
            lines = [found]
            keys = self.order_keys()
            for item, source in zip(reversed(order), reversed(keys), strict=True):
                lines.append(f"found.sort(key=lambda {row}: {source}, reverse={item.descending})")
        else:
            lines = [found, f"found.sort({key}, reverse={order[0].descending})"]
            if self.query.limit is not None:
                function = heapq.nlargest if order[0].descending else heapq.nsmallest
                pick = self.c.name(function, "pick")
                lines = [
                    f"if {self.bound()} <= {_TOP_MAX}:",
                    f"    each = ({row} for {row} in {rows}{where})",
                    f"    found = {pick}({self.bound()}, each, {key})",
                    "else:",
                    *("    " + line for line in lines),
                ]
        if self.query.limit is not None or self.query.offset is not None:
            start = self.writer.value(self.query.offset) if self.query.offset is not None else "0"
            end = self.bound() if self.query.limit is not None else ""
            lines.append(f"found = found[{start}:{end}]")
        if output != row:
            lines.append(f"found = [{output} for {row} in found]")
        return [*lines, "return found"]

    # -- what follows the loops ------------------------------------------------------------------

    def bound(self) -> str:
        """Return source for the number of rows that are needed: limit and offset."""
        limit = self.writer.value(self.query.limit) if self.query.limit is not None else "0"
        if self.query.offset is None:
            return limit
        return f"{limit} + {self.writer.value(self.query.offset)}"

    def slice(self) -> str:
        offset = self.writer.value(self.query.offset) if self.query.offset is not None else "0"
        if self.query.limit is None:
            return f"min({offset}, {2**63 - 1}), None"
        limit = f"min({self.bound()}, {2**63 - 1})"
        return f"min({offset}, {2**63 - 1}), {limit}"

    def finish(self, found: str, *, stops: bool = False) -> list[str]:
        """Return lines that make `found` the result: distinct, in order, cut."""
        query = self.query
        lines: list[str] = []
        if query.distinct:
            if self.ordered:
                lines.append(
                    f"{found} = list({{row: (key, row) for key, row in {found}}}.values())"
                )
            else:
                lines.append(f"{found} = list(dict.fromkeys({found}))")
        if self.ordered:
            lines += self.sorting(found)
        if query.limit_each:
            return [*lines, f"return {found}"]
        if query.offset is not None or (query.limit is not None and not stops):
            start = self.writer.value(query.offset) if query.offset is not None else "0"
            end = self.bound() if query.limit is not None else ""
            return [*lines, f"return {found}[{start}:{end}]"]
        return [*lines, f"return {found}"]

    def sorting(self, found: str) -> list[str]:
        order = self.query.order
        directions = {key.descending for key in order}
        first = self.c.name(itemgetter(0), "first")
        strip = f"{found} = [row for _, row in {found}]"
        if self.query.limit is not None and len(directions) == 1:
            function = heapq.nlargest if order[0].descending else heapq.nsmallest
            pick = self.c.name(function, "pick")
            return [
                f"if 4 * ({self.bound()}) < len({found}):",
                f"    {found} = {pick}({self.bound()}, {found}, key={first})",
                "else:",
                f"    {found}.sort(key={first}, reverse={order[0].descending})",
                strip,
            ]
        if len(directions) == 1:
            return [f"{found}.sort(key={first}, reverse={order[0].descending})", strip]
        lines = []
        for position in reversed(range(len(order))):
            key = f"lambda item: item[0][{position}]"
            lines.append(f"{found}.sort(key={key}, reverse={order[position].descending})")
        return [*lines, strip]


def _range_check(shape: sh.Int, place: int | None) -> Callable[[Any], Any]:
    from ..errors import SqlError

    low, high = shape.low, shape.high

    def in_range(value: Any) -> Any:
        """Return a computed integer, which its column must hold."""
        if value is not None and not low <= value <= high:
            raise SqlError(f"overflow: {value} is out of the range of {shape}", position=place)
        return value

    return in_range


def params_check(params: dict[str | int, sh.Shape]) -> Callable[[Any], bool] | None:
    """Return the function that tells whether a tuple of parameters holds exact values."""
    if not params:
        return None
    c = Composer()
    names = [f"p{i}" for i in range(len(params))]
    tests = [
        f"({check_expression(c, shape, name)})"
        for name, shape in zip(names, params.values(), strict=True)
    ]
    c.add(
        [
            "def fit(params):",
            f"    {', '.join(names)}, = params",
            f"    return {' and '.join(tests)}",
        ]
    )
    function: Callable[[Any], bool] = c.run("parameters")["fit"]
    return function


__all__ = ["Enough", "QueryWriter", "params_check"]
