"""Python stubs of a module's tables and functions, for editors and type checkers.

The rows of a compiled module are of classes that are made when it is opened. What is written here
describes them: protocols with their columns, and the reducers and procedures with their types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..types import shapes as sh

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..module import Parameter, Program
    from ..types.shapes import Record, Shape

_PLAIN = {"bool": "bool", "str": "str", "bytes": "bytes"}


def bindings(program: Program, *, include_private: bool = False) -> str:
    """Return the source of a Python module that describes `program`.

    Parameters
    ----------
    program : Program
    include_private : bool
        Whether to describe tables that only the owner may read.
    """
    writer = _Writer()
    definition = program.definition
    shown = [
        (name, program.shapes[name])
        for name, table in definition.tables.items()
        if table.is_public or include_private
    ]
    for _, shape in shown:
        writer.define(shape)
    writer.functions("Reducers", _calls(program, "reducers"))
    writer.functions("Procedures", _calls(program, "procedures"))
    tables = ", ".join(f"{name!r}: {shape.cls.__name__!r}" for name, shape in shown)
    return (
        '"""Written by `stdb generate`: what a module has, for editors. Do not change it."""\n\n'
        "from __future__ import annotations\n\n"
        "import uuid\n"
        "from typing import Any, Literal, Protocol\n\n"
        "from stdb import ConnectionId, Err, Identity, Ok, ScheduleAt, Some, TimeDuration, "
        "Timestamp\n\n"
        f"#: Table -> class of its rows.\nTABLES = {{{tables}}}\n" + "".join(writer.parts)
    )


def _calls(program: Program, kind: str) -> list[tuple[str, tuple[Parameter, ...], Shape | None]]:
    """Return (name, parameters, what comes back) of the functions that clients may call."""
    declared = getattr(program, kind)
    if declared:
        return [
            (name, each.parameters, getattr(each, "returns", None))
            for name, each in declared.items()
            if each.public and getattr(each, "lifecycle", None) is None
        ]
    from ..module.generated_rows import DefinitionShapes
    from ..types.generated import attribute_names, class_name

    shapes = DefinitionShapes(program.definition)
    found = []
    functions = (
        program.definition.all_reducers()
        if kind == "reducers"
        else program.definition.all_procedures()
    )
    for name, module, function in functions:
        if function.is_private or getattr(function, "lifecycle", None) is not None:
            continue
        from ..module import Parameter

        names = attribute_names(element.name for element in function.params.elements)
        parameters = tuple(
            Parameter(own, shapes.shape(module, element.type, class_name(name, own)))
            for own, element in zip(names, function.params.elements, strict=True)
        )
        returned = getattr(function, "return_type", None)
        shape = None
        if returned is not None:
            shape = shapes.shape(module, returned, class_name(name, "result"))
        found.append((name, parameters, shape))
    return found


class _Writer:
    """Collects the source, each class once."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._defined: set[str] = set()

    def define(self, shape: Record) -> None:
        """Write the class of a record, and before it those of what it holds."""
        name = shape.cls.__name__
        if name in self._defined:
            return
        self._defined.add(name)
        lines = [
            "    @property\n"
            f"    def {field.attribute}(self) -> {self.annotation(field.shape)}: ...\n"
            for field in shape.fields
        ]
        body = "".join(lines) or "    ...\n"
        self.parts.append(f"\n\nclass {name}(Protocol):\n{body}")

    def _define_enum(self, shape: sh.PlainEnum) -> None:
        """Write the class of a sum whose variants carry nothing."""
        name = shape.cls.__name__
        if name not in self._defined:
            self._defined.add(name)
            names = ", ".join(repr(member.name) for member in shape.members)
            self.parts.append(
                f"\n\nclass {name}(Protocol):\n"
                f"    @property\n    def name(self) -> Literal[{names}]: ...\n"
            )

    def functions(
        self, name: str, calls: Iterable[tuple[str, tuple[Parameter, ...], Shape | None]]
    ) -> None:
        """Write a class whose methods are functions of the module."""
        lines = []
        for function, parameters, returns in calls:
            if not function.isidentifier():
                continue  # of a namespace: reached by its full name only
            given = "".join(f", {p.name}: {self.annotation(p.shape)}" for p in parameters)
            back = "None" if returns is None else self.annotation(returns)
            lines.append(f"    def {function}(self{given}) -> {back}: ...\n")
        if lines:
            self.parts.append(f"\n\nclass {name}(Protocol):\n{''.join(lines)}")

    def annotation(self, shape: Shape) -> str:
        """Return a type as a checker reads it; a class that it names is written, too."""
        match shape:
            case sh.Int():
                return "int"
            case sh.Float():
                return "float"
            case sh.Record():
                self.define(shape)
                return str(shape.cls.__name__)
            case sh.PlainEnum():
                self._define_enum(shape)
                return str(shape.cls.__name__)
            case sh.Sequence(element=element):
                return f"tuple[{self.annotation(element)}, ...]"
            case sh.Option(some=some):
                inner = self.annotation(some)
                return f"Some[{inner}] | None" if shape.wraps else f"{inner} | None"
            case sh.Result(ok=ok, err=err):
                return f"Ok[{self.annotation(ok)}] | Err[{self.annotation(err)}]"
            case sh.Wrapped(cls=cls):
                return "uuid.UUID" if cls.__name__ == "UUID" else str(cls.__name__)
            case sh.Schedule():
                return "ScheduleAt"
            case sh.Unit():
                return "None"
        return _PLAIN.get(str(shape), "Any")
