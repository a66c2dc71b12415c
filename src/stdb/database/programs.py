"""What may be given as a module, and the program that it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import TypeMismatch, shorten
from ..module import Module

if TYPE_CHECKING:
    from ..module import Program


def as_program(module: Any) -> Program:
    """Return the program of a module as it is now.

    Raises
    ------
    TypeMismatch
        It is no module.
    DefinitionError
        It is wrong in itself.
    """
    if not isinstance(module, Module):
        raise TypeMismatch(
            f"a module is a stdb.Module, not {type(module).__name__} {shorten(module)}",
            expected="Module",
            got=module,
        )
    return module.freeze()
