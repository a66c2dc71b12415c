"""A bundle: the text of a module in JavaScript, and what is known of it before it runs."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Final

from ...errors import PublishError
from .es_module import to_function
from .source_map import SourceMap

_VERSIONS: Final = {"1.0", "1.1", "1.2", "1.3", "2.0", "2.1"}
_SPECIFIER: Final = re.compile(r"spacetime:(?P<name>[^@]*)@(?P<version>.*)")
#: Without one of these words there are no promises, unless a module puts such a word together while
#: it runs; what its promises do is then done when it rests, outside of any call.
_PROMISES: Final = re.compile(r"[Aa]sync|await|Promise|WebAssembly|\bimport\s*\(|\\u")


class Bundle:
    """One ES module.

    Attributes
    ----------
    function : str
        The module as a function (see `es_module`).
    first_column : int
        How far its first line was moved to the right.
    has_promises : bool
        Whether it may use promises, for all that its text says.

    Raises
    ------
    DefinitionError
        It is no module that can be read.
    PublishError
        It imports what this host does not have.
    """

    def __init__(self, program: bytes) -> None:
        try:
            self._text = program.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise PublishError(
                f"a bundle is JavaScript in UTF-8, and byte {error.start} is none"
            ) from None
        module = to_function(self._text)
        for specifier in module.imports:
            check_import(specifier)
        self.function = module.source
        self.first_column = module.first_column
        self.has_promises = _PROMISES.search(self._text) is not None

    @cached_property
    def source_map(self) -> SourceMap | None:
        """Where its text comes from, if it says so."""
        return SourceMap.of(self._text)


def check_import(specifier: str) -> None:
    """Raise `PublishError` unless modules can import `specifier` here."""
    found = _SPECIFIER.fullmatch(specifier)
    if found is None or found["name"] != "sys":
        raise PublishError(
            f'the bundle imports "{specifier}", and a module has only spacetime:sys@…; bundle '
            "its libraries into it"
        )
    if re.fullmatch(r"\d{1,5}\.\d{1,5}", found["version"]) is None:
        raise PublishError(f'Invalid version in module spec "{specifier}"')
    if found["version"] not in _VERSIONS:
        raise PublishError(
            f'the bundle imports "{specifier}", and this stdb knows spacetime:sys up to 2.1: it '
            "was built for a newer version of SpacetimeDB"
        )
