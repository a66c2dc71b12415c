"""Composes one piece of source out of what the parts of a shape need.

Each maker (`exact`, `bsatn`, `keys`) turns a shape and the name of a variable into an expression;
what does not fit into an expression becomes a function beside it, made once per shape, so that
shapes that contain themselves work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..codegen import Code, compile_code

if TYPE_CHECKING:
    from collections.abc import Callable

    from .shapes import Shape


class Composer:
    """Collects the functions and named values of one compilation."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {}
        self._lines: list[str] = []
        self._functions: dict[tuple[str, int], str] = {}
        self._shapes: list[Shape] = []
        self._named: dict[int, str] = {}
        self._temporaries = 0

    def name(self, value: object, hint: str) -> str:
        """Return a global name for `value`, the same one for the same object."""
        key = id(value)
        if key not in self._named:
            self._named[key] = name = f"{hint}_{len(self._named)}"
            self.names[name] = value
        return self._named[key]

    def temporary(self) -> str:
        """Return a fresh name for a local variable."""
        self._temporaries += 1
        return f"t{self._temporaries}"

    def function(self, kind: str, shape: Shape, write: Callable[[str], list[str]]) -> str:
        """Return the name of the function of this `kind` for `shape`; `write` gives its lines."""
        key = (kind, id(shape))
        if key not in self._functions:
            self._shapes.append(shape)
            self._functions[key] = name = f"{kind}_{len(self._functions)}"
            self._lines.extend([*write(name), ""])
        return self._functions[key]

    def add(self, lines: list[str]) -> None:
        """Add lines of source."""
        self._lines.extend(lines)

    def code(self, subject: str) -> Code:
        """Compile what was collected."""
        return compile_code(subject, self._lines)

    def run(self, subject: str) -> dict[str, Any]:
        """Compile what was collected and return the globals it leaves."""
        return self.code(subject).run(self.names)
