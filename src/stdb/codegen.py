"""Compiles the Python source that the other layers generate.

Generated code is ordinary code: its source is registered with `linecache`, so that tracebacks,
debuggers and ``inspect.getsource`` show it. A generator hands in lines and the values they name;
values never become text, and a name that comes from a user never becomes an identifier unless
`identifier` says that it can.
"""

from __future__ import annotations

import itertools
import keyword
import linecache
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import CodeType

_numbers = itertools.count(1)


class Code:
    """Compiled source, to be run any number of times, each time with names of its own.

    Parameters
    ----------
    subject : str
        What was generated and for whom, as in ``"table message"``; part of the file name.
    lines : iterable of str
        The source.
    """

    __slots__ = ("__weakref__", "code", "filename", "source")

    def __init__(self, subject: str, lines: Iterable[str]) -> None:
        self.source = "\n".join(lines) + "\n"
        self.filename = f"<stdb {subject} {next(_numbers)}>"
        self.code: CodeType = compile(self.source, self.filename, "exec", dont_inherit=True)
        # With no loader and no mtime, linecache.checkcache keeps the entry.
        linecache.cache[self.filename] = (
            len(self.source),
            None,
            self.source.splitlines(keepends=True),
            self.filename,
        )

    def run(self, names: dict[str, Any]) -> dict[str, Any]:
        """Run the source with `names` as its globals, and return all globals it leaves."""
        scope = {"__name__": __name__, **names}
        # The functions made here keep the source alive for their tracebacks.
        scope["__stdb_code__"] = self
        exec(self.code, scope)
        return scope


def _forget(filename: str) -> None:
    linecache.cache.pop(filename, None)


def compile_code(subject: str, lines: Iterable[str]) -> Code:
    """Return the compiled `lines`; linecache forgets them when nobody uses them any more."""
    code = Code(subject, lines)
    weakref.finalize(code, _forget, code.filename).atexit = False
    return code


def make_function(
    subject: str, name: str, lines: Iterable[str], names: dict[str, Any]
) -> Callable[..., Any]:
    """Compile `lines`, run them with `names` as globals, and return the function called `name`."""
    function: Callable[..., Any] = compile_code(subject, lines).run(names)[name]
    return function


def identifier(name: str, fallback: str) -> str:
    """Return `name` where it can stand in source as it is, else `fallback`."""
    if name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("__"):
        return name
    return fallback
