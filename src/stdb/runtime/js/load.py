"""From a bundle to a program, and to the executor that runs it on a database."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

from ...errors import DecodeError, PublishError
from ...module import JAVASCRIPT, Program
from ...schema import decode_module_def, validate
from ..guest.limits import Limits
from ..guest.program import unbound_program
from .bundle import Bundle
from .executor import JavaScriptExecutor
from .worker import Worker

if TYPE_CHECKING:
    from ...schema import ModuleDef

#: How many bundles are remembered: to describe itself, a bundle has to be loaded once more.
_KEPT_MAX: Final = 16


@lru_cache(maxsize=_KEPT_MAX)
def read_javascript(program: bytes) -> Program:
    """Return the program of a bundle; the same one again for the same bundle.

    Raises
    ------
    PublishError
        It is none that can run here: the message says why.
    DefinitionError
        It is not JavaScript, or what it describes itself to be is not valid.
    """
    bundle = Bundle(program)
    worker = Worker(bundle, None, Limits())
    try:
        description = worker.describe()
    finally:
        worker.close()
    return unbound_program(
        _definition(description),
        description,
        program,
        JAVASCRIPT,
        partial(JavaScriptExecutor, bundle),
    )


def _definition(description: bytes) -> ModuleDef:
    try:
        raw = decode_module_def(description)
    except DecodeError as error:
        raise PublishError(
            f"error decoding the module's description of itself ({len(description)} bytes): {error}"
        ) from error
    return validate(raw)
