"""Writes a grouped query: the loops fill accumulators, one list of them for each group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..types import shapes as sh
from ..types.keys import is_own_key, key_function
from . import typed as t
from .generate_join import JoinWriter

if TYPE_CHECKING:
    from .generate import QueryWriter


class GroupWriter:
    """Writes the body of ``run`` for a query with aggregates."""

    def __init__(self, writer: QueryWriter) -> None:
        self.outer = writer
        self.query = writer.query
        self.writer = writer.writer
        self.c = writer.c

    def write(self) -> list[str]:
        counted = self.counted()
        if counted is not None:
            return counted
        if self.query.keys:
            return self.by_key()
        return self.one_group()

    def counted(self) -> list[str] | None:
        """Return the body for ``COUNT(*)`` of one table: no row is looked at without a WHERE."""
        query = self.query
        alone = [(call.function, call.argument) for call in query.aggregates] == [("count", None)]
        if not alone or query.keys or len(self.outer.plans) != 1:
            return None
        plan = self.outer.plans[0]
        if len(plan.steps) != 1:
            return None
        join = JoinWriter(self.writer, plan, 0, [])
        iteration = join.iteration()
        if iteration is None:
            return None
        rows, tests = iteration
        step = plan.steps[0]
        if not tests and step.access.kind == "scan":
            count = f"len({self.c.name(step.table.rows, 'rows')})"
        else:
            condition = f" if {tests}" if tests else ""
            count = f"sum([1 for r{step.source} in {rows}{condition}])"
        return [f"a0 = {count}", "found = []", *self.emit(), *self.outer.finish("found")]

    # -- accumulators ----------------------------------------------------------------------------

    def slots(self) -> list[tuple[t.AggregateCall, str]]:
        """Return the aggregates with what their accumulator begins with."""
        return [(call, self.begin(call)) for call in self.query.aggregates]

    def begin(self, call: t.AggregateCall) -> str:
        if call.distinct:
            return "set()"
        if call.function == "avg":
            return "[0, 0]"
        if call.function == "count":
            return "0"
        nullable = call.argument is not None and call.argument.nullable
        return "0" if call.function == "sum" and self.query.keys and not nullable else "None"

    def step(self, call: t.AggregateCall, slot: str) -> list[str]:
        """Return lines that let the accumulator at `slot` take a row."""
        if call.argument is None:
            return [f"{slot} += 1"]
        value = self.writer.value(call.argument)
        lines = [f"v = {value}"]
        pad = ""
        if call.argument.nullable:
            lines.append("if v is not None:")
            pad = "    "
        if call.distinct:
            key = self.key_of(call.argument.shape, "v")
            take = [f"{slot}.add({key})"] if call.function == "count" else [f"{slot}.add(v)"]
        elif call.function == "count":
            if not call.argument.nullable:
                return [f"{slot} += 1"]
            take = [f"{slot} += 1"]
        elif call.function == "sum":
            take = [f"{slot} = v if {slot} is None else {slot} + v"]
            if self.begin(call) == "0":
                return [f"{slot} += {value}"]
        elif call.function == "avg":
            take = [f"m = {slot}", "m[0] += v", "m[1] += 1"]
        else:
            take = self.extreme(call, slot)
        return [*lines, *(pad + line for line in take)]

    def extreme(self, call: t.AggregateCall, slot: str) -> list[str]:
        sign = "<" if call.function == "min" else ">"
        shape = call.argument.shape if call.argument is not None else sh.UNIT
        if is_own_key(shape):
            return [f"if {slot} is None or v {sign} {slot}:", f"    {slot} = v"]
        mine, best = self.key_of(shape, "v"), self.key_of(shape, "m")
        return [f"m = {slot}", f"if m is None or {mine} {sign} {best}:", f"    {slot} = v"]

    def key_of(self, shape: sh.Shape, name: str) -> str:
        if is_own_key(shape):
            return name
        return f"{self.c.name(key_function(shape), 'key')}({name})"

    def result(self, call: t.AggregateCall, slot: str) -> str:
        """Return source for the value of the aggregate that the accumulator means."""
        if call.distinct:
            if call.function == "count":
                return f"len({slot})"
            if call.function == "avg":
                return f"(sum({slot}) / len({slot}) if {slot} else None)"
            return f"(sum({slot}) if {slot} else None)"
        if call.function == "avg":
            return f"({slot}[0] / {slot}[1] if {slot}[1] else None)"
        return slot

    # -- without and with keys -------------------------------------------------------------------

    def steps(self, prefix: str, suffix: str) -> list[str]:
        """Return lines that let every accumulator take a row."""
        return [
            line
            for i, (call, _) in enumerate(self.slots())
            for line in self.step(call, f"{prefix}{i}{suffix}")
        ]

    def results(self, prefix: str, suffix: str) -> list[str]:
        """Return lines that name the values of the aggregates."""
        return [
            f"a{i} = {self.result(call, f'{prefix}{i}{suffix}')}"
            for i, (call, _) in enumerate(self.slots())
        ]

    def one_group(self) -> list[str]:
        lines = [f"s{i} = {begin}" for i, (_, begin) in enumerate(self.slots())]
        slots = [f"s{i}" for i in range(len(lines))]
        for number, plan in enumerate(self.outer.plans):
            join = JoinWriter(self.writer, plan, number, slots)
            lines += join.write(self.steps("s", "") or ["pass"])
        lines += [*self.results("s", ""), "found = []"]
        return [*lines, *self.emit(), *self.outer.finish("found")]

    def by_key(self) -> list[str]:
        query = self.query
        begins = [begin for _, begin in self.slots()]
        lines = ["groups = {}", "get = groups.get"]
        for number, plan in enumerate(self.outer.plans):
            join = JoinWriter(self.writer, plan, number, [])
            keys = [self.writer.value(key) for key in query.keys]
            key = keys[0] if len(keys) == 1 else f"({', '.join(keys)})"
            body = [
                f"key = {key}",
                "g = get(key)",
                "if g is None:",
                f"    groups[key] = g = [{', '.join(begins)}]",
                *self.steps("g[", "]"),
            ]
            lines += join.write(body)
        names = ", ".join(f"k{i}" for i in range(len(query.keys)))
        names = names if len(query.keys) == 1 else f"({names})"
        emit = [*self.results("g[", "]"), *self.emit()]
        return [
            *lines,
            "found = []",
            f"for {names}, g in groups.items():",
            *("    " + line for line in emit),
            *self.outer.finish("found"),
        ]

    def emit(self) -> list[str]:
        """Return lines that add the row of a group to ``found``."""
        self.writer.left = set()
        outputs = [self.writer.value(output) for output in self.query.outputs]
        item = self.outer.row_of(outputs)
        if self.query.order:
            item = f"({self.outer.keys()}, {item})"
        lines = [f"found.append({item})"]
        if self.query.having is not None:
            lines = [f"if {self.writer.test(self.query.having)}:", "    " + lines[0]]
        return lines
