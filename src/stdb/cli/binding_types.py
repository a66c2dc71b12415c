"""Types of a module as Python source: classes, and annotations that refer to them.

What is written here only type checkers see. When the program runs, the names stand for the classes
that `Bindings` has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..module.bindings import RESERVED
from ..types import shapes as sh
from ..types.generated import attribute_names

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from ..types.shapes import Shape

#: What a line of generated code may be long: the width that formatters keep by default.
WIDTH = 88
_PLAIN = {"bool": "bool", "str": "str", "bytes": "bytes"}
#: Methods of `Row`, which a column of that name would hide.
_ROW_METHODS = frozenset({"replace", "where"})

_INDEX_NAMES = ("_Found", "_Index", "_Key", "_Row", "_UniqueIndex")


class Names:
    """The names at the top of a generated module, each for one thing."""

    def __init__(self, classes: Mapping[str, Shape]) -> None:
        self.taken = {*RESERVED, "_module", *_INDEX_NAMES, *classes}
        self.of_shape = {id(shape): name for name, shape in classes.items()}
        #: Name of a sum with payloads -> what stands for any of its variants.
        self.of_any = {
            name: self.new(f"Any{name}")
            for name, shape in classes.items()
            if isinstance(shape, sh.Tagged)
        }
        #: Names that some class body hides -> what is written there instead.
        self.aliases: dict[str, str] = {}
        #: What is used of other modules: ``"UUID"``, ``"enum"``.
        self.used: set[str] = set()

    def new(self, name: str) -> str:
        """Return a name that nothing else has: this one, or with underscores behind it."""
        (chosen,) = attribute_names([name], self.taken)
        self.taken.add(chosen)
        return chosen

    def alias(self, name: str) -> str:
        """Return another name for what `name` means at the top."""
        if name not in self.aliases:
            self.aliases[name] = self.new(f"_{name.removeprefix('_')}")
        return self.aliases[name]


class Annotations:
    """Writes annotations in the body of a class.

    Parameters
    ----------
    names : Names
    hidden : collection of str
        The attributes of the class: there they mean something else than at the top.
    """

    def __init__(self, names: Names, hidden: Collection[str] = ()) -> None:
        self._names = names
        self._hidden = hidden

    def name(self, name: str) -> str:
        """Return how the body refers to what has this name at the top."""
        first, dot, rest = name.partition(".")
        self._names.used.add(first)
        return (self._names.alias(first) if first in self._hidden else first) + dot + rest

    def of(self, shape: Shape) -> str:
        """Return the annotation for values of a shape."""
        match shape:
            case sh.Int():
                return self.name("int")
            case sh.Float():
                return self.name("float")
            case sh.Record() | sh.PlainEnum():
                return self.name(self._names.of_shape[id(shape)])
            case sh.Tagged():
                return self.name(self._names.of_any[self._names.of_shape[id(shape)]])
            case sh.Sequence(element=element):
                return f"{self.name('tuple')}[{self.of(element)}, ...]"
            case sh.Option(some=some):
                inner = f"{self.name('stdb.Some')}[{self.of(some)}]" if shape.wraps else ""
                return f"{inner or self.of(some)} | None"
            case sh.Result(ok=ok, err=err):
                good = f"{self.name('stdb.Ok')}[{self.of(ok)}]"
                return f"{good} | {self.name('stdb.Err')}[{self.of(err)}]"
            case sh.Wrapped(cls=cls):
                name = cls.__name__
                return self.name("UUID" if name == "UUID" else f"stdb.{name}")
            case sh.Schedule():
                return self.name("stdb.ScheduleAt")
            case sh.Unit():
                return "None"
        return self.name(_PLAIN[str(shape)])

    def of_argument(self, shape: Shape) -> str:
        """Return the annotation for what may be given for a shape: any sequence for an array."""
        if isinstance(shape, sh.Sequence):
            return f"{self.name('Sequence')}[{self.of(shape.element)}]"
        return self.of(shape)


def enum_class(names: Names, name: str, shape: sh.PlainEnum) -> list[str]:
    """Return the class of a sum whose variants carry nothing."""
    names.used.add("enum")
    members = [f"    {member.name} = {member.value}" for member in shape.members]
    return [f"class {name}(enum.Enum):", *members]


def sum_class(names: Names, name: str, shape: sh.Tagged) -> list[list[str]]:
    """Return the classes of a sum, and what stands for any of its variants.

    A variant that carries nothing is a value: for a checker, the member of an enum.
    """
    names.used |= {"TypeAlias", "stdb"}
    variants = [
        (cls.__name__, payload)
        for cls, (_, payload) in zip(shape.classes, shape.variants, strict=True)
    ]
    units = [variant for variant, payload in variants if isinstance(payload, sh.Unit)]
    parts: list[list[str]] = []
    unit = ""
    if units:
        names.used |= {"enum", "Final", "Literal"}
        unit = names.new(f"_{name}Unit")
        members = [f"    {member} = {number}" for number, member in enumerate(units)]
        parts.append([f"class {unit}(enum.Enum):", *members])
    inside = Annotations(names, ("value",))
    bodies, of_any = [], []
    for variant, payload in variants:
        if isinstance(payload, sh.Unit):
            bodies.append([f"    {variant}: Final = {unit}.{variant}"])
            of_any.append(f"Literal[{unit}.{variant}]")
        else:
            names.used.add("final")
            bodies.append(
                [
                    "    @final",
                    f"    class {variant}(stdb.Variant):",
                    f"        value: {inside.of(payload)}",
                ]
            )
            of_any.append(f"{name}.{variant}")
    parts.append([f"class {name}:", *_apart(bodies)])
    parts.append(_union(f"{names.of_any[name]}: TypeAlias", of_any))
    return parts


def record_class(
    names: Names, name: str, shape: sh.Record, counted: Collection[int], *, is_row: bool
) -> list[str]:
    """Return the class of a product: of rows, or of a part of them."""
    attributes = [field.attribute for field in shape.fields]
    inside = Annotations(names, attributes)
    lines = []
    for position, field in enumerate(shape.fields):
        default = " = 0" if position in counted else ""
        lines.append(f"    {field.attribute}: {inside.of(field.shape)}{default}")
    if is_row and not _ROW_METHODS.intersection(attributes):
        names.used.add("stdb")
        return [f"class {name}(stdb.Row):", *(lines or ["    pass"])]
    names.used.add("dataclass")
    options = "frozen=True, kw_only=True" if is_row else "frozen=True"
    return [f"@dataclass({options})", f"class {name}:", *(lines or ["    pass"])]


def _apart(bodies: Iterable[list[str]]) -> list[str]:
    """Return the parts of a class, with an empty line around each class in it."""
    lines: list[str] = []
    was_class = False
    for body in bodies:
        is_class = len(body) > 1
        if lines and (is_class or was_class):
            lines.append("")
        lines += body
        was_class = is_class
    return lines


def _union(head: str, parts: list[str], indent: int = 4) -> list[str]:
    """Return an assignment of a union; on several lines where one is too short."""
    joined = " | ".join(parts)
    if len(head) + len(joined) + 3 + indent <= WIDTH:
        return [f"{head} = {joined}"]
    if len(joined) + 4 + indent <= WIDTH:
        return [f"{head} = (", f"    {joined}", ")"]
    return [f"{head} = (", f"    {parts[0]}", *(f"    | {part}" for part in parts[1:]), ")"]


def call_lines(function: str, first: str, given: list[str], back: str, indent: int) -> list[str]:
    """Return a method without a body; a parameter on each line where one line is too short.

    `function` is its name, with what stands before that.
    """
    line = f"{function}({', '.join([first, *given])}) -> {back}: ..."
    if len(line) + indent <= WIDTH:
        return [line]
    joined = ", ".join([first, *given])
    if len(joined) + 4 + indent <= WIDTH:
        return [f"{function}(", f"    {joined}", f") -> {back}: ..."]
    return [f"{function}(", *(f"    {each}," for each in (first, *given)), f") -> {back}: ..."]


def described(parts: Iterable[Any]) -> list[str]:
    """Return parts of an indented block, with an empty line between them."""
    lines: list[str] = []
    for part in parts:
        if lines:
            lines.append("")
        lines += [f"    {line}" if line else "" for line in part]
    return lines
