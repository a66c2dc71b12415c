"""A module takes the place of another, compiled or not, and the data stays."""

from pathlib import Path

import pytest
from tests.helpers.wasm_modules import built

import stdb
from stdb import Module, ReducerContext, Row, primary_key, u64


def version(number: int) -> Path:
    return built("versions.c", f"-DVERSION={number}")


def items(db: stdb.Database) -> list[tuple[object, ...]]:
    return sorted(tuple(row) for row in db.tables.item)


def test_another_version_of_a_compiled_module() -> None:
    db = stdb.Database(version(1))
    db.call("add", "one")
    plan = db.publish(version(2))
    assert "stars" in plan.text()
    assert items(db) == [(1, "one", 5)]
    db.call("add", "two")
    assert items(db) == [(1, "one", 5), (2, "two", 1)]
    assert sorted(db.sql("SELECT stars FROM items").rows) == [(1,), (5,)]
    assert db.module_bytes == version(2).read_bytes()
    db.check()


def test_a_version_that_cannot_follow_changes_nothing() -> None:
    db = stdb.Database(version(1))
    db.call("add", "one")
    with pytest.raises(stdb.MigrationError, match="name"):
        db.publish(version(3))
    db.call("add", "two")
    assert items(db) == [(1, "one"), (2, "two")]


def test_a_file_that_is_no_module_changes_nothing(tmp_path: Path) -> None:
    db = stdb.Database(version(1))
    file = tmp_path / "broken.wasm"
    file.write_bytes(b"\0asm")
    with pytest.raises(stdb.PublishError):
        db.publish(file)
    db.call("add", "one")
    assert items(db) == [(1, "one")]


def test_opening_with_another_version_migrates(tmp_path: Path) -> None:
    place = tmp_path / "items.stdb"
    with stdb.Database(version(1), place) as db:
        db.call("add", "one")
    with stdb.Database(version(2), place) as db:
        db.call("add", "two")
        assert items(db) == [(1, "one", 5), (4097, "two", 1)]
    with stdb.Database.open(place) as db:
        db.call("add", "three")
        assert [row[2] for row in items(db)] == [5, 1, 1]


def test_from_python_to_webassembly_and_back() -> None:
    module = Module("items")

    @module.table(public=True)
    class Item(Row):
        id: u64 = primary_key(auto_inc=True)
        name: str

    @module.reducer
    def add(ctx: ReducerContext, name: str) -> None:
        ctx.db.item.insert(name=name + "!")

    @module.view(public=True)
    def items_view(ctx: stdb.AnonymousViewContext) -> list[Item]:
        return list(ctx.db.item)

    db = stdb.Database(module)
    db.call("add", "one")
    db.publish(version(1))
    db.call("add", "two")
    assert items(db) == [(1, "one!"), (2, "two")]
    db.publish(module)
    db.call("add", "three")
    assert items(db) == [(1, "one!"), (2, "two"), (3, "three!")]
    assert {type(row) for row in db.tables.item} == {Item}


def test_a_host_keeps_compiled_modules(tmp_path: Path) -> None:
    with stdb.Host(tmp_path) as host:
        host.publish("shop", version(1))
        host["shop"].call("add", "one")
    with stdb.Host(tmp_path) as host:
        host["shop"].call("add", "two")
        assert [row[1] for row in items(host["shop"])] == ["one", "two"]
        host.publish("shop", version(2))
        assert [row[2] for row in items(host["shop"])] == [5, 5]
