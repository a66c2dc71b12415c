"""Two versions of a module in few words, and the ways from one to the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from tests.helpers.compiled import compiled

import stdb
from stdb.types.bsatn_decode import make_decoder
from stdb.types.bsatn_encode import make_encoder

Refused = TypeVar("Refused", bound=stdb.PublishError)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: How a module takes the place of another: in a database in memory; in one on a disk, which is
#: then opened again; when one on a disk is opened. And the same for modules in WebAssembly.
WAYS = ("in memory", "on disk", "when opened", "wasm in memory", "wasm on disk", "wasm when opened")
#: Those in which a client can be connected meanwhile.
LIVE = tuple(way for way in WAYS if not way.endswith("when opened"))


def table(name: str = "thing", /, **more: Any) -> Callable[[stdb.Module], type[Any]]:
    """Return what declares a table; columns are annotations or pairs ``(annotation, marker)``.

    ``public``, ``event`` and ``scheduled`` are of the table, an index is a marker alone.
    """
    options = {key: more.pop(key) for key in ("public", "event", "scheduled") if key in more}
    body: dict[str, Any] = {"__annotations__": {}, "__module__": __name__}
    for column, said in more.items():
        if isinstance(said, tuple):
            body["__annotations__"][column], body[column] = said
        elif type(said).__name__ == "Marker":
            body[column] = said
        else:
            body["__annotations__"][column] = said
    cls = type(name.title().replace("_", ""), (stdb.Row,), body)
    return lambda module: module.table(name, **options)(cls)


def module(*tables: Callable[[stdb.Module], Any]) -> stdb.Module:
    """Return a module of these tables."""
    made = stdb.Module("app")
    for declare in tables:
        declare(made)
    return made


class Migration:
    """A database, and its way from one module to another."""

    def __init__(self, way: str, path: Path) -> None:
        self.is_compiled = way.startswith("wasm ")
        self.way = way.removeprefix("wasm ")
        self.path = None if self.way == "in memory" else path / "app"
        self.db: stdb.Database
        #: For each module that was published whether that broke clients; how many were refused.
        self.breaks: list[bool] = []
        self.refusals = 0
        self.module: stdb.Module
        self._directory = path

    def given(self, module: stdb.Module) -> Any:
        """Return what is published: the module itself, or its file."""
        if not self.is_compiled:
            return module
        return compiled(module, self._directory / f"{id(module)}.wasm")

    def begin(self, before: stdb.Module, **rows: list[dict[str, Any]]) -> stdb.Database:
        """Start with a module and the rows of its tables."""
        self.db = stdb.Database(self.given(before), path=self.path)
        self.module = before
        for name, each in rows.items():
            for row in each:
                self.insert(name, **row)
        return self.db

    def insert(self, name: str, /, **columns: Any) -> Any:
        """Insert a row, made with the class of the module, and return it as it is stored."""
        shape = self.module.freeze().shapes[name]
        encoded = make_encoder(shape)(shape.cls(**columns))
        with self.db.transaction() as tx:
            return tx.db[name].insert(self.db._store[name].decode(encoded, 0)[0])

    def plan(self, after: stdb.Module) -> stdb.MigrationPlan:
        """Return what publishing another module would do."""
        return self.db.plan(self.given(after))

    def publish(self, after: stdb.Module, *, connected: bool = False) -> stdb.Database:
        """Go on with another module. If clients are `connected`, the database stays open."""
        given = self.given(after)
        self.breaks.append(self.db.plan(given).breaks_clients)
        if self.way == "when opened":
            self.db.close()
            self.db = stdb.Database(given, path=self.path)
        else:
            self.db.publish(given)
        self.db.check()
        self.module = after
        if self.way == "on disk" and not connected:
            shown = self.stored_rows()
            self.db.close()
            self.db = stdb.Database(given, path=self.path)
            assert self.stored_rows() == shown
            self.db.check()
        return self.db

    def refuse(self, after: stdb.Module, kind: type[Refused] = stdb.MigrationError) -> Refused:  # type: ignore[assignment]
        """Return the error for another module; nothing has changed then, on the disk neither."""
        shown, before = self.stored_rows(), self.system_rows()
        given = self.given(after)
        error: Refused | None = None
        if self.way == "when opened":
            self.db.close()
            try:
                stdb.Database(given, path=self.path)
            except kind as raised:
                error = raised
            self.db = stdb.Database.open(self.path)  # type: ignore[arg-type]
        else:
            try:
                self.db.publish(given)
            except kind as raised:
                error = raised
        assert error is not None, "it was published"
        self.refusals += 1
        self.db.check()
        assert self.stored_rows() == shown
        assert self.system_rows() == before
        if self.way == "when opened":
            self.db.close()
            self.db = stdb.Database(self.given(self.module), path=self.path)
        return error

    def rows(self, name: str | None = None) -> Any:
        """Return the rows of a table as plain tuples, or those of all tables by name.

        The values in them are of the classes that the module has.
        """
        if name is not None:
            table = self.db._store[name]
            decode = make_decoder(self.module.freeze().shapes[name])
            rows = [decode(table.encode(row), 0)[0] for row in table.rows.values()]
            return sorted((tuple(row) for row in rows), key=repr)
        return {name: self.rows(name) for name in self.db.tables}

    def stored_rows(self) -> dict[str, list[bytes]]:
        """Return the rows of all tables as bytes, whatever their classes are now."""
        tables = [table for table in self.db._store if not table.definition.is_system]
        return {table.name: sorted(map(table.encode, table.rows.values())) for table in tables}

    def system_rows(self) -> dict[str, list[Any]]:
        """Return what the system tables say, by table."""
        names = ("st_table", "st_column", "st_index", "st_constraint", "st_sequence", "st_module",
                 "st_scheduled", "st_row_level_security", "st_event_table", "st_table_accessor",
                 "st_index_accessor", "st_column_accessor")  # fmt: skip
        return {name: sorted(map(repr, self.db.tables[name])) for name in names}

    def close(self) -> None:
        """End."""
        self.db.close()


def kinds(error: stdb.MigrationError) -> list[str]:
    """Return the kinds of the reasons."""
    return sorted(reason.kind for reason in error.reasons)
