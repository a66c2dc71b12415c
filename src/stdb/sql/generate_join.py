"""Writes the loops of a plan: one step inside the other, and inside them all what to do with a row.

Python allows twenty loops inside each other; deeper joins go on in a function of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..storage.index import Bag
from ..types import shapes as sh
from ..types.keys import END
from . import typed as t

if TYPE_CHECKING:
    from .generate_expression import ExpressionWriter
    from .plan import Access, Plan, Step

#: How many loops stand inside each other in one function.
_LOOPS_MAX = 12


class JoinWriter:
    """Writes one plan.

    Parameters
    ----------
    writer : ExpressionWriter
        What writes its expressions.
    number : int
        Which fragment of the query it is, to keep names apart.
    shared : list of str
        Variables that the body assigns to.
    is_generator : bool
        Whether the body yields.
    """

    def __init__(
        self,
        writer: ExpressionWriter,
        plan: Plan,
        number: int,
        shared: list[str],
        *,
        is_generator: bool = False,
    ) -> None:
        self.writer = writer
        self.c = writer.c
        self.plan = plan
        self.number = number
        self.shared = shared
        self.is_generator = is_generator
        writer.left = {step.source for step in plan.steps if step.is_left}
        self.prelude: list[str] = []
        self.lines: list[str] = []

    def write(self, body: list[str]) -> list[str]:
        """Return the loops with `body` in the middle, at no indentation."""
        if self.plan.always:
            # One turn of a loop that `continue` leaves: the conditions are the same for every row.
            tests = self.writer.tests(self.plan.always)
            self.lines += ["for _ in (None,):", f"    if not ({tests}):", "        continue"]
        self.steps(0, 1 if self.plan.always else 0, body)
        return [*self.prelude, *self.lines]

    def steps(self, first: int, depth: int, body: list[str]) -> None:
        pad = "    "
        for at in range(first, len(self.plan.steps)):
            step = self.plan.steps[at]
            if at - first == _LOOPS_MAX:
                self.part(at, depth, body)
                return
            if depth and at > first and self.look_up(step, pad * depth):
                pass
            else:
                rows = self.rows_of(step)
                if step.is_left:
                    if step.filters and ":=" in rows:
                        # As in `iteration`.
                        self.lines.append(f"{pad * depth}held_{step.source} = {rows}")
                        rows = f"held_{step.source}"
                    rows = self.left_rows(step, rows)
                self.lines.append(f"{pad * depth}for r{step.source} in {rows}:")
                depth += 1
            conditions = step.late if step.is_left else step.filters
            if conditions:
                self.lines.append(f"{pad * depth}if not ({self.writer.tests(conditions)}):")
                self.lines.append(f"{pad * (depth + 1)}continue")
        self.lines += [pad * depth + line for line in body]

    def look_up(self, step: Step, pad: str) -> bool:
        """Write the look-up of one row by a unique index, which needs no loop; else say no."""
        if step.access.kind != "unique" or (step.is_left and step.filters):
            return False
        index = step.table.indexes[step.access.index or 0]
        get = self.c.name(index.map.get, "get")
        guards, keys = self.writer.present_keys(step.access.keys)
        key = keys[0] if len(keys) == 1 else f"({', '.join(keys)})"
        found = f"{get}({key})"
        if guards:
            found = f"{found} if {' and '.join(guards)} else None"
        self.lines.append(f"{pad}r{step.source} = {found}")
        if not step.is_left:
            self.lines += [f"{pad}if r{step.source} is None:", f"{pad}    continue"]
        return True

    def part(self, at: int, depth: int, body: list[str]) -> None:
        """Let a function of its own go on at step `at`: it stands before the loops."""
        name = f"part_{self.number}_{at}"
        rows = ", ".join(f"r{step.source}" for step in self.plan.steps[:at])
        outer, self.lines = self.lines, []
        self.steps(at, 1, body)
        self.prelude.append(f"def {name}({rows}):")
        if self.shared:
            self.prelude.append(f"    nonlocal {', '.join(self.shared)}")
        self.prelude += self.lines
        call = f"{name}({rows})"
        self.lines = [
            *outer,
            "    " * depth + (f"yield from {call}" if self.is_generator else call),
        ]

    def iteration(self) -> tuple[str, str] | None:
        """Return rows and conditions of a plan with one table, for a comprehension over ``r0``."""
        if len(self.plan.steps) != 1:
            return None
        step = self.plan.steps[0]
        rows = self.rows_of(step)
        if ":=" in rows:  # What a comprehension goes over may not name a value.
            return None
        return rows, self.writer.tests([*self.plan.always, *step.filters])

    def left_rows(self, step: Step, rows: str) -> str:
        row = f"r{step.source}"
        if step.filters:
            # Inside the condition there is a row: only afterwards it may be missing.
            self.writer.left.discard(step.source)
            rows = f"[{row} for {row} in {rows} if {self.writer.tests(step.filters)}]"
            self.writer.left.add(step.source)
            return f"({rows} or (None,))"
        if step.access.kind in {"unique", "point", "hash"}:
            return f"({rows} or (None,))"
        return f"(list({rows}) or (None,))"

    # -- access paths ----------------------------------------------------------------------------

    def rows_of(self, step: Step) -> str:
        """Return source for an iterable over the rows of a step."""
        access, table = step.access, step.table
        if access.kind == "scan":
            return f"{self.c.name(table.rows, 'rows')}.values()"
        if access.kind == "hash":
            return self.hash_rows(step)
        index = table.indexes[access.index or 0]
        get = self.c.name(index.map.get, "get")
        if access.kind == "range":
            return self.range_rows(step)
        function = one if index.unique else some
        make = self.c.name(function, function.__name__)
        if access.kind == "points":
            spread = self.c.name(_each_once, "each_once")
            keys = ", ".join(self.writer.key(k, self.writer.value(k)) for k in access.keys)
            if all(isinstance(key, t.Const) for key in access.keys):
                self.writer.c.names[name := f"keys_{self.number}_{step.source}"] = _const_keys(
                    access
                )
                keys = name
            else:
                keys = f"({keys},)"
            return f"{spread}({keys}, {get}, {make})"
        guards, keys_ = self.writer.present_keys(access.keys)
        key = keys_[0] if len(keys_) == 1 else f"({', '.join(keys_)})"
        source = f"{make}({get}({key}))"
        return f"({source} if {' and '.join(guards)} else ())" if guards else source

    def hash_rows(self, step: Step) -> str:
        """Write a hash table before the loops, and return the look-up."""
        row, table = f"r{step.source}", f"hash_{self.number}_{step.source}"
        left = step.source in self.writer.left
        self.writer.left.discard(step.source)
        guards, keys = self.writer.present_keys(list(step.access.columns))
        conditions = [*guards, *(self.writer.test(c) for c in step.build_filters)]
        if left:
            self.writer.left.add(step.source)
        key = keys[0] if len(keys) == 1 else f"({', '.join(keys)})"
        rows = self.c.name(step.table.rows, "rows")
        self.prelude += [f"{table} = {{}}", f"for {row} in {rows}.values():"]
        if conditions:
            self.prelude += [f"    if not ({' and '.join(conditions)}):", "        continue"]
        self.prelude += [
            f"    k = {key}",
            f"    held = {table}.get(k)",
            "    if held is None:",
            f"        {table}[k] = [{row}]",
            "    else:",
            f"        held.append({row})",
        ]
        guards, keys = self.writer.present_keys(step.access.keys)
        key = keys[0] if len(keys) == 1 else f"({', '.join(keys)})"
        source = f"{table}.get({key}, ())"
        return f"({source} if {' and '.join(guards)} else ())" if guards else source

    def range_rows(self, step: Step) -> str:
        access = step.access
        index = step.table.indexes[access.index or 0]
        prefix = [self.writer.key(k, self.writer.value(k)) for k in access.keys]
        single = len(index.definition.columns) == 1
        low = high = "None"
        inclusive = (True, True)
        if single:
            column = step.table.shape.fields[index.definition.columns[0]].shape
            if access.low is not None:
                low = self.bound_key(access.low.value)
            if access.high is not None:
                high = self.bound_key(access.high.value)
            elif isinstance(column, sh.Option):
                # No value lies beyond every bound; it fulfils none.
                high = self.c.name(_none_key(column), "NONE_KEY")
            inclusive = (
                access.low is None or access.low.inclusive,
                access.high.inclusive if access.high is not None else high == "None",
            )
        else:
            end = self.c.name(END, "END")
            column = step.table.shape.fields[index.definition.columns[len(prefix)]].shape
            lower, upper = list(prefix), [*prefix, end]
            if access.low is not None:
                lower.append(self.bound_key(access.low.value))
                if not access.low.inclusive:
                    lower.append(end)
            if access.high is not None:
                upper = [*prefix, self.bound_key(access.high.value)]
                if access.high.inclusive:
                    upper.append(end)
            elif access.low is not None and isinstance(column, sh.Option):
                upper = [*prefix, self.c.name(_none_key(column), "NONE_KEY")]
            low, high = f"({', '.join(lower)},)", f"({', '.join(upper)},)"
            low = "None" if not lower else low
            inclusive = (True, False)
        function = one_range if index.unique else some_range
        make = self.c.name(function, function.__name__)
        source = f"{make}({self.c.name(index, 'index')}, {low}, {high}, {inclusive})"
        guards = [f"{self.writer.value(k)} is not None" for k in access.keys if k.nullable]
        return f"({source} if {' and '.join(guards)} else ())" if guards else source

    def bound_key(self, value: t.Expr) -> str:
        return self.writer.key(value, self.writer.value(value))


def _const_keys(access: Access) -> tuple[object, ...]:
    from ..types.keys import key_function

    consts = [key for key in access.keys if isinstance(key, t.Const)]
    key_of = key_function(consts[0].shape)
    return tuple(dict.fromkeys(key_of(const.value) for const in consts))


def _none_key(shape: sh.Shape) -> object:
    from ..types.keys import key_function

    return key_function(shape)(None)


# -- what generated code calls -------------------------------------------------------------------


def one(row: object) -> tuple[object, ...]:
    """Return the rows of an entry of a unique index."""
    return () if row is None else (row,)


def some(held: Any) -> Any:
    """Return the rows of an entry of any other index."""
    if held is None:
        return ()
    return held.values() if held.__class__ is Bag else (held,)


def _each_once(
    keys: tuple[object, ...], get: Callable[[object], object], rows: Callable[[object], object]
) -> object:
    for key in dict.fromkeys(keys):
        if key is not None:
            yield from rows(get(key))  # type: ignore[misc]


def one_range(index: object, low: object, high: object, inclusive: tuple[bool, bool]) -> object:
    """Return the rows of a range of a unique index."""
    keys = index.order().irange(low, high, inclusive)  # type: ignore[attr-defined]
    return map(index.map.__getitem__, keys)  # type: ignore[attr-defined]


def some_range(index: object, low: object, high: object, inclusive: tuple[bool, bool]) -> object:
    """Return the rows of a range of any other index."""
    get = index.map.__getitem__  # type: ignore[attr-defined]
    for key in index.order().irange(low, high, inclusive):  # type: ignore[attr-defined]
        held = get(key)
        if held.__class__ is Bag:
            yield from held.values()
        else:
            yield held


__all__ = ["JoinWriter"]
