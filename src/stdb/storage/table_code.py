"""Generates the functions that change and read one table.

Every write goes through the same steps, in this order, and the order is what makes an interrupt
(Ctrl-C, `MemoryError`) harmless wherever it strikes:

1. Check: the row's class, the thread, each value, every unique constraint. Nothing has changed.
2. Note: open scans take their rows; the table joins the transaction's list; what was there before
   is kept in ``before``. Undoing this undoes nothing.
3. Change: the table's own dict, by one atomic store; then the other indexes, with ``state.torn``
   set meanwhile, so that an interrupt in between has them rebuilt.

The generated source is printable: ``stdb.debug.source(table)``.
"""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING, Any, Final

from ..codegen import Code
from ..types.bsatn_decode import make_decoder
from ..types.bsatn_encode import make_encoder
from ..types.compose import Composer
from ..types.exact import check_expression
from ..types.shapes import Blob, Bool, Int, PlainEnum, Schedule, Wrapped
from .index import Bag
from .plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..schema import TableDef
    from ..types.shapes import Record

#: Names that each table gives to its own copy of the functions.
BOUND: Final = (
    "table", "state", "rows", "before", "scans", "touched", "maps", "noted", "indexes",
    "next_values",
)  # fmt: skip


class _Writer:
    """Writes the source of one table's functions."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.c = Composer()
        self.row_class = self.c.name(plan.shape.cls, "Row")
        self.bag = self.c.name(Bag, "Bag")
        self.get_ident = self.c.name(get_ident, "get_ident")
        self.lines: list[str] = []

    def put(self, *lines: str, indent: int = 1) -> None:
        self.lines.extend("    " * indent + line for line in lines)

    # -- pieces -------------------------------------------------------------------------------

    def admit(self) -> None:
        """Check thread and class, and the values; leave them in ``c0``, ``c1``."""
        columns = range(len(self.plan.shape.fields))
        self.check_thread()
        self.read_columns()
        self.check_columns([self.check(p) for p in columns])

    def check_thread(self) -> None:
        self.put(f"if state.thread != {self.get_ident}():", "    table.refuse_write()", indent=2)

    def read_columns(self, indent: int = 2) -> None:
        fields = self.plan.shape.fields
        self.put(*(f"c{p} = row.{f.attribute}" for p, f in enumerate(fields)), indent=indent)

    def check(self, position: int, var: str = "") -> str:
        shape = self.plan.shape.fields[position].shape
        return check_expression(self.c, shape, var or f"c{position}")

    def check_columns(self, checks: list[str]) -> None:
        """Mend the row unless all `checks` hold."""
        if checks:
            self.put(f"if not ({' and '.join(f'({check})' for check in checks)}):", indent=2)
            self.put("row = table.mend(row)", indent=3)
            self.read_columns(indent=3)

    def check_delay(self) -> None:
        """Refuse a row of a scheduled table whose time is too far away."""
        schedule = self.plan.definition.schedule
        if schedule is not None:
            self.put(f"table.check_delay(c{schedule.at_column})", indent=2)

    def generate_values(self) -> None:
        """Fill auto-increment columns that hold 0."""
        fields = self.plan.shape.fields
        columns = sorted(self.plan.definition.auto_inc_columns)
        if not columns:
            return
        condition = " or ".join(f"c{p} == 0" for p in columns)
        self.put(f"if {condition}:", indent=2)
        if len(columns) == 1:
            self.put(f"c{columns[0]} = next_values[0]()", indent=3)
        else:
            for slot, p in enumerate(columns):
                self.put(f"if c{p} == 0:", f"    c{p} = next_values[{slot}]()", indent=3)
        arguments = ", ".join(f"{f.attribute}=c{p}" for p, f in enumerate(fields))
        self.put(f"row = {self.row_class}({arguments})", indent=3)

    def is_kept_cheaper(self, position: int, index: int) -> bool:
        """Whether asking if an update kept a column costs less than checking its value."""
        plan = self.plan
        keys = {p for i in (index, plan.main) if i is not None for p in self.columns_of(i)}
        shape = plan.shape.fields[position].shape
        return position not in keys and not isinstance(
            shape, Bool | Int | Blob | PlainEnum | Wrapped | Schedule
        )

    def columns_of(self, index: int) -> tuple[int, ...]:
        return self.plan.definition.indexes[index].columns

    def main_key(self) -> str:
        plan = self.plan
        return "row" if plan.main is None else plan.key(self.c, plan.main)

    def bring_back(self) -> None:
        """Let a row that this transaction took away come back as it was: -0.0 equals 0.0.

        Equal rows are no net change, so a log would not learn of other bits.
        """
        if self.plan.has_float:
            self.put("gone = before.get(k)", "if gone == row:", "    row = gone", indent=2)

    def note(self, key: str, old: str, *, indent: int = 2) -> None:
        """Write step 2: `old` is source for the row that lies under `key` now."""
        self.put("if scans:", "    scans.detach()", indent=indent)
        self.put("if not before:", "    touched.append(table)", indent=indent)
        self.put(f"if {key} not in before:", f"    before[{key}] = {old}", indent=indent)

    def change(self, stores: list[str], others: list[str], *, indent: int = 2) -> None:
        """Write step 3: the table's own dict, then the other indexes."""
        if others:
            self.put(
                "if state.torn is not None:",
                "    state.refuse_torn()",
                "state.torn = table",
                *stores,
                *others,
                "state.torn = None",
                indent=indent,
            )
        else:
            self.put(*stores, indent=indent)

    def note_order(self, index: int, key: str) -> list[str]:
        if self.plan.definition.indexes[index].algorithm == "hash":
            return []
        return [f"if indexes[{index}].ordered:", f"    noted[{index}].add({key})"]

    def main_order(self, key: str) -> list[str]:
        return [] if self.plan.main is None else self.note_order(self.plan.main, key)

    def add_to(self, index: int, key: str, main_key: str) -> list[str]:
        """Return lines that add ``row`` to an index other than the main one."""
        map_ = f"map{index}"
        lines = [f"k{index} = {key}", *self.note_order(index, f"k{index}")]
        if self.plan.unique[index]:
            return [*lines, f"{map_}[k{index}] = row"]
        held_key = self.held_main_key("held")
        return [
            *lines,
            f"held = {map_}.get(k{index})",
            "if held is None:",
            f"    {map_}[k{index}] = row",
            f"elif held.__class__ is {self.bag}:",
            f"    held[{main_key}] = row",
            "else:",
            f"    {map_}[k{index}] = {self.bag}([({held_key}, held), ({main_key}, row)])",
        ]

    def held_main_key(self, row: str) -> str:
        plan = self.plan
        return row if plan.main is None else plan.key_of_row(self.c, plan.main, row)

    def drop_from(self, index: int, main_key: str) -> list[str]:
        """Return lines that take ``old`` from an index other than the main one."""
        map_ = f"map{index}"
        key = self.plan.key_of_row(self.c, index, "old")
        lines = [f"k{index} = {key}", *self.note_order(index, f"k{index}")]
        if self.plan.unique[index]:
            return [*lines, f"del {map_}[k{index}]"]
        return [
            *lines,
            f"held = {map_}[k{index}]",
            f"if held.__class__ is {self.bag}:",
            f"    del held[{main_key}]",
            "    if not held:",
            f"        del {map_}[k{index}]",
            "else:",
            f"    del {map_}[k{index}]",
        ]

    def swap_in(self, index: int, main_key: str) -> list[str]:
        """Return lines that put ``row`` in the place of ``old``, which has the same main key."""
        plan, map_ = self.plan, f"map{index}"
        if plan.unique[index]:
            same = [f"{map_}[k{index}] = row"]
        else:
            same = [
                f"held = {map_}[k{index}]",
                f"if held.__class__ is {self.bag}:",
                f"    held[{main_key}] = row",
                "else:",
                f"    {map_}[k{index}] = row",
            ]
        moved = [*self.drop_from(index, main_key), *self.add_to(index, f"n{index}", main_key)]
        return [
            f"n{index} = {plan.key(self.c, index)}",
            f"k{index} = {plan.key_of_row(self.c, index, 'old')}",
            f"if n{index} == k{index}:",
            *("    " + line for line in same),
            "else:",
            *("    " + line for line in moved),
        ]

    def all_others(self, lines: Any) -> list[str]:
        return [line for index in self.plan.others for line in lines(index)]

    # -- functions ----------------------------------------------------------------------------

    def write_insert(self) -> None:
        plan = self.plan
        self.put(
            "def insert(row=None, /, **columns):",
            f"    if row.__class__ is not {self.row_class} or columns:",
            "        row = table.take(row, columns)",
        )
        self.admit()
        self.check_delay()
        self.generate_values()
        self.put(
            f"k = {self.main_key()}",
            "old = rows.get(k)",
            "if old is not None:",
            "    if old == row:",
            "        return old",
            "    raise table.violation(row)",
            indent=2,
        )
        for index in plan.others:
            if plan.unique[index]:
                self.put(
                    f"if {plan.key(self.c, index)} in map{index}:",
                    "    raise table.violation(row)",
                    indent=2,
                )
        self.bring_back()
        self.note("k", "None")
        self.change(
            [*self.main_order("k"), "rows[k] = row"],
            self.all_others(lambda i: self.add_to(i, plan.key(self.c, i), "k")),
        )
        self.put("return row", "", indent=2)

    def write_insert_many(self) -> None:
        """Write the insert of many rows: all of them or, when one is refused, none."""
        plan = self.plan
        definition = plan.definition
        simple = not (
            plan.others or definition.auto_inc_columns or plan.has_float or definition.schedule
        )
        self.put(
            "def insert_many(new):",
            f"    if new.__class__ is {self.row_class}:",
            "        table.refuse_single()",
            "    new = list(new)",
        )
        if not simple:
            self.put("    return table.insert_each(new)", "")
            return
        fields = plan.shape.fields
        checks = " and ".join(
            f"({check_expression(self.c, f.shape, f'c{p}')})" for p, f in enumerate(fields)
        )
        reads = [f"        c{p} = row.{f.attribute}" for p, f in enumerate(fields)]
        self.put(
            f"if state.thread != {self.get_ident}():",
            "    table.refuse_write()",
            "fresh = {}",
            "for row in new:",
            f"    if row.__class__ is not {self.row_class}:",
            "        return table.insert_each(new)",
            *(read[4:] for read in reads),
            f"    if not ({checks or 'True'}):",
            "        return table.insert_each(new)",
            f"    fresh[{self.main_key()}] = row",
            "if len(fresh) != len(new) or not rows.keys().isdisjoint(fresh):",
            "    return table.insert_each(new)",
            "if fresh:",
            "    if scans:",
            "        scans.detach()",
            "    if not before:",
            "        touched.append(table)",
            "        before.update(dict.fromkeys(fresh))",
            "    else:",
            "        for k in fresh:",
            "            before.setdefault(k)",
            indent=2,
        )
        if plan.main is not None and plan.definition.indexes[plan.main].algorithm != "hash":
            self.put(
                f"if indexes[{plan.main}].ordered:",
                f"    noted[{plan.main}].update(fresh)",
                indent=3,
            )
        self.put("rows.update(fresh)", indent=3)
        self.put("return len(fresh)", "", indent=2)

    def write_remove(self) -> None:
        """Write ``remove(k, old)``: take away the row ``old``, which lies under ``k``."""
        self.put("def remove(k, old):")
        self.note("k", "old")
        self.change(
            [*self.main_order("k"), "del rows[k]"],
            self.all_others(lambda i: self.drop_from(i, "k")),
        )
        self.put("", indent=0)

    def write_delete(self) -> None:
        self.put(
            "def delete(row):",
            f"    if row.__class__ is not {self.row_class}:",
            "        row = table.take(row, {})",
        )
        self.admit()
        self.put(
            f"k = {self.main_key()}",
            "old = rows.get(k)",
            "if old is None or old != row:",
            "    return False",
            "remove(k, old)",
            "return True",
            "",
            indent=2,
        )

    def write_update(self, index: int) -> None:
        """Write the update through a unique index.

        A column that still holds the very object of the old row was checked when that came in.
        """
        plan = self.plan
        is_main = index == plan.main
        columns = range(len(plan.shape.fields))
        later = [p for p in columns if self.is_kept_cheaper(p, index)]
        self.put(
            f"def update_{index}(row):",
            f"    if row.__class__ is not {self.row_class}:",
            "        row = table.take(row, {})",
        )
        self.check_thread()
        self.read_columns()
        self.check_columns([self.check(p) for p in columns if p not in later])
        self.check_delay()
        self.generate_values()
        self.put(f"k = {self.main_key()}", indent=2)
        if is_main:
            self.put("old = rows.get(k)", indent=2)
        else:
            self.put(f"old = map{index}.get({plan.key(self.c, index)})", indent=2)
        self.check_columns(
            [
                f"(old is not None and c{p} is old.{plan.shape.fields[p].attribute}) "
                f"or ({self.check(p)})"
                for p in later
            ]
        )
        self.put("if old is None:", f"    raise table.not_found({index}, row)", indent=2)
        if plan.has_float:
            self.put("if old == row:", "    return old", indent=2)
        for other in plan.others:
            if plan.unique[other] and other != index:
                self.put(
                    f"held = map{other}.get({plan.key(self.c, other)})",
                    "if held is not None and held is not old:",
                    "    raise table.violation(row, old)",
                    indent=2,
                )
        self.bring_back()
        if not is_main:
            self.put(
                f"ko = {self.held_main_key('old')}",
                "if ko != k:",
                "    if k in rows:",
                "        raise table.violation(row, old)",
                "    return table.move(ko, old, row)",
                indent=2,
            )
        self.note("k", "old")
        self.change(["rows[k] = row"], self.all_others(lambda i: self.swap_in(i, "k")))
        self.put("return row", "", indent=2)

    def write_add(self) -> None:
        """Write ``add(row)``: put a checked row under keys that are free."""
        plan = self.plan
        key = "row" if plan.main is None else plan.key_of_row(self.c, plan.main, "row")
        self.put("def add(row):", f"    k = {key}")
        self.note("k", "None")
        self.change(
            [*self.main_order("k"), "rows[k] = row"],
            self.all_others(lambda i: self.add_to(i, plan.key_of_row(self.c, i, "row"), "k")),
        )
        self.put("", indent=0)

    def write_key_functions(self) -> None:
        plan = self.plan
        key = "row" if plan.main is None else plan.key_of_row(self.c, plan.main, "row")
        self.put("def main_key_of(row):", f"    return {key}", "")
        self.put("def by_main_key(rows):", f"    return {{{key}: row for row in rows}}", "")
        for index in range(len(plan.unique)):
            key = plan.key_of_row(self.c, index, "row")
            self.put(f"def key_of_{index}(row):", f"    return {key}", "")

    def write_lookups(self, index: int) -> None:
        """Write ``key_from``: look-up values -> key; and for a unique index ``find``."""
        columns = self.plan.definition.indexes[index].columns
        fields = self.plan.shape.fields
        names = [f"v{p}" for p in columns]
        checks = " and ".join(
            f"({check_expression(self.c, fields[p].shape, f'v{p}')})" for p in columns
        )
        mend = f"{', '.join(names)}, = table.mend_key({index}, ({', '.join(names)},))"
        key = self.plan.key(self.c, index, "v")
        if len(names) == 1:
            self.put(f"def key_from_{index}({names[0]}):")
        else:
            self.put(
                f"def key_from_{index}(*values):",
                f"    if len(values) != {len(names)}:",
                f"        table.refuse_key({index}, values)",
                f"    {', '.join(names)} = values",
            )
        self.put(f"    if not ({checks}):", f"        {mend}", f"    return {key}", "")
        if not self.plan.unique[index]:
            return
        if self.plan.finds_by_value(index):
            # The key is the value itself: its type matters only when nothing is found.
            self.put(
                f"find_{index} = maps[{index}].__getitem__",
                "",
            )
        else:
            self.put(
                f"def find_{index}(*values):",
                f"    return get{index}(key_from_{index}(*values))",
                "",
            )

    def write(self) -> tuple[Code, dict[str, Any]]:
        plan = self.plan
        self.write_key_functions()
        self.write_insert()
        self.write_remove()
        self.write_add()
        self.write_delete()
        self.write_insert_many()
        unique = [i for i, is_unique in enumerate(plan.unique) if is_unique]
        for index in unique:
            self.write_update(index)
        for index in range(len(plan.unique)):
            self.write_lookups(index)
        made = ["main_key_of", "by_main_key", "insert", "remove", "add", "delete", "insert_many"]
        made += [f"key_of_{i}" for i in range(len(plan.unique))]
        made += [f"key_from_{i}" for i in range(len(plan.unique))]
        made += [f"{function}_{i}" for i in unique for function in ("update", "find")]
        for index in filter(plan.finds_by_value, unique):
            # Outside `make`: it must not know the table (see `UniqueMap`).
            check = self.check(plan.definition.indexes[index].columns[0], "v")
            self.c.add([f"def fits_{index}(v):", f"    return {check}", ""])
        maps = [f"    map{i} = maps[{i}]" for i in plan.others]
        maps += [f"    get{i} = maps[{i}].get" for i in unique]
        returned = ", ".join(f"'{name}': {name}" for name in made)
        self.c.add(
            [f"def make({', '.join(BOUND)}):", *maps, *self.lines, f"    return {{{returned}}}"]
        )
        return self.c.code(f"table {plan.definition.name}"), self.c.names


class TableCode:
    """The compiled functions of a table, to be bound to any number of tables of that definition."""

    __slots__ = ("_make", "code", "decode", "encode", "fits", "plan")

    def __init__(self, definition: TableDef, shape: Record) -> None:
        self.plan = Plan(definition, shape)
        self.code, names = _Writer(self.plan).write()
        scope = self.code.run(names)
        self._make = scope["make"]
        #: Position of an index whose map finds by value -> whether a value is one of its column's.
        self.fits: dict[int, Callable[[Any], bool]] = {
            i: scope[f"fits_{i}"]
            for i in range(len(self.plan.unique))
            if self.plan.finds_by_value(i)
        }
        self.encode = _lazily(lambda: make_encoder(shape))
        self.decode = _lazily(lambda: make_decoder(shape))

    def bind(self, **bound: Any) -> dict[str, Any]:
        """Return the functions over one table's own dicts; `bound` has every name of `BOUND`."""
        functions: dict[str, Any] = self._make(**bound)
        return functions


def _lazily(make: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
    """Return a function that is made at its first call: tables seldom need every codec."""
    made: list[Callable[..., Any]] = []

    def call(*arguments: Any) -> Any:
        if not made:
            made.append(make())
        return made[0](*arguments)

    return call
