"""SpacetimeDB's ABI as it stands in a module: what it may import, and what it must export.

Types are written with a letter a value, ``i`` for 32 and ``I`` for 64 bits, results after a colon.

Source: SpacetimeDB's ABI for modules, versions 10.0 to 10.5.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ...errors import PublishError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .module import Export, Import

MAJOR: Final = 10
MINOR: Final = 5

#: Name -> (minor version of the import module it lies in, type).
IMPORTS: Final = {
    "table_id_from_name": (0, "iii:i"),
    "index_id_from_name": (0, "iii:i"),
    "datastore_table_row_count": (0, "ii:i"),
    "datastore_table_scan_bsatn": (0, "ii:i"),
    "datastore_index_scan_range_bsatn": (0, "iiiiiiiii:i"),
    "datastore_btree_scan_bsatn": (0, "iiiiiiiii:i"),
    "row_iter_bsatn_advance": (0, "iii:i"),
    "row_iter_bsatn_close": (0, "i:i"),
    "datastore_insert_bsatn": (0, "iii:i"),
    "datastore_update_bsatn": (0, "iiii:i"),
    "datastore_delete_by_index_scan_range_bsatn": (0, "iiiiiiiii:i"),
    "datastore_delete_by_btree_scan_bsatn": (0, "iiiiiiiii:i"),
    "datastore_delete_all_by_eq_bsatn": (0, "iiii:i"),
    "volatile_nonatomic_schedule_immediate": (0, "iiii:"),
    "bytes_source_read": (0, "iii:i"),
    "bytes_sink_write": (0, "iii:i"),
    "console_log": (0, "iiiiiiii:"),
    "console_timer_start": (0, "ii:i"),
    "console_timer_end": (0, "i:i"),
    "identity": (0, "i:"),
    "bytes_source_remaining_length": (1, "ii:i"),
    "get_jwt": (2, "ii:i"),
    "procedure_sleep_until": (3, "I:I"),
    "procedure_start_mut_tx": (3, "i:i"),
    "procedure_commit_mut_tx": (3, ":i"),
    "procedure_abort_mut_tx": (3, ":i"),
    "procedure_http_request": (3, "iiiii:i"),
    "datastore_index_scan_point_bsatn": (4, "iiii:i"),
    "datastore_delete_by_index_scan_point_bsatn": (4, "iiii:i"),
    "datastore_clear": (5, "ii:i"),
}

_CALL: Final = "iIIIIIIIii:i"
REDUCER: Final = "__call_reducer__"
PROCEDURE: Final = "__call_procedure__"
VIEW: Final = "__call_view__"
ANONYMOUS_VIEW: Final = "__call_view_anon__"
HTTP_HANDLER: Final = "__call_http_handler__"
DESCRIBE: Final = "__describe_module__"
SETUP: Final = "__setup__"
INITIALIZE: Final = "_initialize"
PREINIT: Final = "__preinit__"

_REQUIRED: Final = {DESCRIBE: "i:", REDUCER: _CALL}
_OPTIONAL: Final = {
    SETUP: "i:i",
    PROCEDURE: _CALL,
    VIEW: "iIIIIii:i",
    ANONYMOUS_VIEW: "iii:i",
    HTTP_HANDLER: "iIiiii:i",
}
_VERSION: Final = re.compile(r"spacetime_(\d{1,5})\.(\d{1,5})")


def check_imports(imports: Iterable[Import], provided: dict[tuple[str, str], str]) -> None:
    """Raise `PublishError` unless all that a module imports is `provided`, with its type."""
    imports = list(imports)
    versions = set()
    for wanted in imports:
        if wanted.type is None or not wanted.module.startswith("spacetime_"):
            continue
        match = _VERSION.fullmatch(wanted.module)
        if match is None:
            raise PublishError(
                f"the module imports {wanted.name!r} from {wanted.module!r}: a malformed version "
                "of SpacetimeDB's ABI"
            )
        versions.add((int(match[1]), int(match[2])))
    if not versions:
        raise PublishError(
            "the module imports nothing from SpacetimeDB (spacetime_10.0 and later), so its ABI "
            "cannot be told; is it a SpacetimeDB module?"
        )
    major, minor = max(versions)
    if {major for major, _ in versions} != {MAJOR} or minor > MINOR:
        raise PublishError(
            f"the module needs version {major}.{minor} of SpacetimeDB's ABI, and this is "
            f"{MAJOR}.{MINOR}"
        )
    missing = []
    for wanted in imports:
        given = provided.get((wanted.module, wanted.name))
        shown = f"{wanted.module}.{wanted.name}"
        if wanted.type is None:
            missing.append(f"{shown}, which is no function")
        elif given is None:
            missing.append(shown)
        elif given != wanted.type:
            missing.append(
                f"{shown} of type {shown_type(wanted.type)}, which is {shown_type(given)} here"
            )
    if missing:
        raise PublishError(f"the module needs what is not there: {', '.join(missing)}")


def check_exports(exports: dict[str, Export]) -> None:
    """Raise `PublishError` unless a module exports what the host calls, with its type."""
    problems = []
    memory = exports.get("memory")
    if memory is None or not memory.is_memory:
        problems.append("no memory called 'memory'")
    for name, wanted in _REQUIRED.items():
        if name not in exports:
            problems.append(f"no function {name} {shown_type(wanted)}")
    expected = {**_REQUIRED, **_OPTIONAL}
    for name, export in exports.items():
        wanted_type = ":" if name.startswith(PREINIT) else expected.get(name)
        if wanted_type is not None and export.type != wanted_type:
            shown = "no function" if export.type is None else f"of type {shown_type(export.type)}"
            problems.append(f"{name} is {shown}, and has to be {shown_type(wanted_type)}")
    if problems:
        raise PublishError(f"the module does not export what it must: {'; '.join(problems)}")


def shown_type(type_: str) -> str:
    """Return a type as people write it: ``ii:I`` is ``(i32, i32) -> i64``."""
    words = {"i": "i32", "I": "i64", "f": "f32", "F": "f64"}
    params, results = (
        ", ".join(words.get(letter, "?") for letter in side) for side in type_.split(":")
    )
    return f"({params}) -> {results or '()'}"
