"""Named databases in a directory: publishing, names, deleting, two processes, crashes."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.helpers.migrating import module, table

import stdb
from stdb import Host, Identity, MigrationError, UsageError, u8, u64
from stdb.host import check_name, default_directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

V1 = module(table(id=u64, name=str))
V2 = module(table(id=u64, name=str, stars=(u8, 3)))
OTHER = module(table(id=str))
STRANGER = Identity.from_hex("22" * 32)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with Host(tmp_path / "host") as made:
        yield made


def add(database: stdb.Database, *ids: int) -> None:
    with database.transaction() as tx:
        for id_ in ids:
            tx.db.thing.insert(id=id_, name=str(id_))


# -- publishing --------------------------------------------------------------------------------


def test_a_database_is_made_and_updated(host: Host) -> None:
    made = host.publish("my-game", V1)
    assert (made.name, made.op, made.plan) == ("my-game", "created", None)
    add(host["my-game"], 1)
    updated = host.publish("my-game", V2)
    assert (updated.identity, updated.op) == (made.identity, "updated")
    assert updated.plan is not None
    assert updated.plan.breaks_clients
    assert [tuple(row) for row in host["my-game"].tables.thing] == [(1, "1", 3)]
    assert host["my-game"].identity == made.identity
    assert host["my-game"].owner == host.owner


def test_what_was_published_is_there_for_the_next_process(tmp_path: Path) -> None:
    with Host(tmp_path) as host:
        made = host.publish("my-game", V1)
        add(host["my-game"], 1, 2)
        owner = host.owner
    with Host(tmp_path) as host:
        assert host.owner == owner
        assert [about.names for about in host.list()] == [("my-game",)]
        assert len(host["my-game"].tables.thing) == 2
        assert host[made.identity].name == "my-game"
        assert host[made.identity.hex()] is host["MY-GAME"]


def test_a_database_without_a_name_goes_by_its_identity(host: Host) -> None:
    made = host.publish(None, V1)
    assert made.name is None
    assert host.find(made.identity.hex()).names == ()
    wanted = Identity.from_hex("c2" * 32)
    assert host.publish(wanted, V1).identity == wanted
    assert host[wanted].identity == wanted


def test_a_module_that_cannot_be_leaves_no_database(host: Host) -> None:
    failing = module(table(id=u64))

    @failing.init
    def init(ctx: stdb.ReducerContext) -> None:
        raise stdb.ReducerError("not today")

    with pytest.raises(stdb.ReducerError, match="not today"):
        host.publish("my-game", failing)
    assert host.list() == []
    assert "my-game" not in host
    assert host.publish("my-game", V1).op == "created"
    assert not list(host.directory.glob("databases/*.new"))


def test_a_module_that_the_tables_cannot_follow_changes_nothing(host: Host) -> None:
    host.publish("my-game", V1)
    add(host["my-game"], 1)
    with pytest.raises(MigrationError):
        host.publish("my-game", OTHER)
    host["my-game"].close()
    with pytest.raises(MigrationError):
        host.publish("my-game", OTHER)
    assert len(host["my-game"].tables.thing) == 1


def test_plan_says_what_publish_would_do(host: Host) -> None:
    assert host.plan("my-game", V1) is None
    host.publish("my-game", V1)
    assert host.plan("my-game", V1).is_empty
    opened = host["my-game"]
    assert host.plan("my-game", V2) == opened.plan(V2)
    with pytest.raises(MigrationError):
        host.plan("my-game", OTHER)


def test_clients_need_not_break(host: Host) -> None:
    host.publish("my-game", V1)
    with pytest.raises(MigrationError, match="breaks clients"):
        host.publish("my-game", V2, break_clients=False)


@pytest.mark.parametrize("is_open", [False, True])
@pytest.mark.parametrize("delete_data", [True, "always", "on-conflict"])
def test_data_is_deleted_when_asked_for(host: Host, delete_data: Any, is_open: bool) -> None:
    made = host.publish("my-game", V1)
    add(host["my-game"], 1)
    if not is_open:
        host["my-game"].close()
    reset = host.publish("my-game", OTHER, delete_data=delete_data)
    assert (reset.identity, reset.op, reset.plan) == (made.identity, "updated", None)
    assert list(host["my-game"].tables.thing.columns) == ["id"]
    assert host["my-game"].identity == made.identity
    assert [path.name for path in host.directory.glob("databases/*")] == [made.identity.hex()]


def test_data_is_kept_where_there_is_no_conflict(host: Host) -> None:
    host.publish("my-game", V1)
    add(host["my-game"], 1)
    host.publish("my-game", V2, delete_data="on-conflict")
    assert len(host["my-game"].tables.thing) == 1
    host.publish("my-game", V2, delete_data=True)
    assert len(host["my-game"].tables.thing) == 0


def test_data_is_kept_when_the_new_module_fails_to_begin(host: Host) -> None:
    host.publish("my-game", V1)
    add(host["my-game"], 1)
    failing = module(table(id=str))

    @failing.init
    def init(ctx: stdb.ReducerContext) -> None:
        raise stdb.ReducerError("not today")

    with pytest.raises(stdb.ReducerError):
        host.publish("my-game", failing, delete_data=True)
    assert len(host["my-game"].tables.thing) == 1


# -- names -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", "my-game", "2048", "a-1-b"])
def test_names(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "is not empty"),
        ("My_Game", "as in 'my-game'"),
        ("-a", "a hyphen stands between"),
        ("a-", "a hyphen stands between"),
        ("a--b", "a hyphen stands between"),
        ("ab" * 32, "is an identity"),
        (5, "is a str"),
    ],
)
def test_names_that_cannot_be(host: Host, name: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_name(name)
    if not isinstance(name, str) or len(name) != 64:
        with pytest.raises(UsageError):
            host.publish(name, V1)
    assert host.list() == []


def test_an_unknown_name_is_told_with_the_nearest(host: Host) -> None:
    host.publish("my-game", V1)
    with pytest.raises(stdb.DatabaseNotFound, match="did you mean 'my-game'"):
        host["my-gane"]


def test_a_database_gets_other_names(host: Host) -> None:
    made = host.publish("my-game", V1)
    host.publish("chess", V1)
    host.rename("my-game", "go", "baduk")
    assert host.find("go").names == ("go", "baduk")
    assert host["baduk"].identity == made.identity
    assert list(host) == ["chess", "go", "baduk"]
    with pytest.raises(stdb.DatabaseNotFound):
        host["my-game"]
    with pytest.raises(UsageError, match="another database is called 'chess'"):
        host.rename("go", "weiqi", "chess")
    assert host.find("go").names == ("go", "baduk")


def test_a_deleted_database_comes_back_under_its_identity(host: Host) -> None:
    made = host.publish("my-game", V1)
    add(host["my-game"], 1)
    host.delete("my-game")
    assert host.list() == []
    with pytest.raises(stdb.DatabaseNotFound):
        host["my-game"]
    with pytest.raises(stdb.DatabaseNotFound):
        host.delete("my-game")
    assert not list(host.directory.glob("databases/*"))
    again = host.publish("my-game", V1)
    assert (again.op, again.identity) == ("created", made.identity)
    assert len(host["my-game"].tables.thing) == 0


# -- rights ------------------------------------------------------------------------------------


def test_only_the_owner_changes_a_database(host: Host) -> None:
    host.publish("my-game", V1)
    with Host(host.directory, owner=STRANGER) as other:
        for command in (
            lambda: other.publish("my-game", V2),
            lambda: other.publish("my-game", V2, delete_data=True),
            lambda: other.delete("my-game"),
            lambda: other.rename("my-game", "mine"),
            lambda: other.lock("my-game"),
        ):
            with pytest.raises(stdb.PermissionDenied, match="belongs to"):
                command()
        assert other.publish("yours", V1).op == "created"
        assert other.find("yours").owner == STRANGER


def test_a_locked_database_keeps_its_data(host: Host) -> None:
    host.publish("my-game", V1)
    host.lock("my-game")
    assert host.find("my-game").is_locked
    with pytest.raises(stdb.PermissionDenied, match="unlock it first"):
        host.delete("my-game")
    with pytest.raises(stdb.PermissionDenied, match="unlock it first"):
        host.publish("my-game", V1, delete_data=True)
    host.publish("my-game", V2)
    host.unlock("my-game")
    host.delete("my-game")


# -- the directory -----------------------------------------------------------------------------


def test_two_hosts_see_the_same_databases_and_one_of_them_writes(host: Host) -> None:
    host.publish("my-game", V1)
    add(host["my-game"], 1)
    host["my-game"].flush()
    with Host(host.directory) as other:
        assert list(other) == ["my-game"]
        with pytest.raises(stdb.DatabaseLocked):
            other["my-game"]
        with pytest.raises(stdb.DatabaseLocked):
            other.publish("my-game", V2)
        with pytest.raises(stdb.DatabaseLocked):
            other.delete("my-game")
        with pytest.raises(stdb.DatabaseLocked):
            other.publish("my-game", OTHER, delete_data=True)
        assert other.plan("my-game", V2) is not None
        with other.open("my-game", readonly=True) as reading:
            assert len(reading.tables.thing) == 1
        host["my-game"].close()
        assert other.publish("my-game", V2).op == "updated"
    assert len(host["my-game"].tables.thing) == 1


def test_many_processes_publish_at_once(tmp_path: Path) -> None:
    code = (
        "import stdb, sys\n"
        "m = stdb.Module('m')\n"
        "@m.table()\n"
        "class T(stdb.Row):\n"
        "    a: int\n"
        "with stdb.Host(sys.argv[1]) as host:\n"
        "    host.publish(sys.argv[2], m)\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "host"), f"db-{n}"])
        for n in range(4)
    ]
    assert [process.wait(timeout=60) for process in running] == [0] * 4
    with Host(tmp_path / "host") as host:
        assert sorted(host) == ["db-0", "db-1", "db-2", "db-3"]
        assert {about.owner for about in host.list()} == {host.owner}


def test_a_damaged_catalog_is_said(tmp_path: Path) -> None:
    Host(tmp_path).close()
    (tmp_path / "host.json").write_text("{}")
    with pytest.raises(stdb.CorruptLogError, match=r"host\.json"):
        Host(tmp_path)


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="a host is a directory"):
        Host(tmp_path / "file")


def test_a_database_is_no_host(host: Host) -> None:
    host.publish("my-game", V1)
    with pytest.raises(UsageError, match="is a database"):
        Host(host.find("my-game").path)


def test_a_name_comes_first(host: Host) -> None:
    with pytest.raises(UsageError, match="a name and then a module"):
        host.publish(V1, "my-game")  # type: ignore[arg-type]


def test_the_directory_where_databases_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STDB_DIR", str(tmp_path))
    assert default_directory() == tmp_path
    with Host() as host:
        assert host.directory == tmp_path
    monkeypatch.delenv("STDB_DIR")
    assert default_directory().name == "stdb"


@pytest.mark.parametrize("moment", ["before", "between", "after"])
def test_a_crash_while_data_is_deleted_leaves_one_or_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    from pathlib import Path as PathClass

    host = Host(tmp_path)
    made = host.publish("my-game", V1)
    add(host["my-game"], 1)
    replace = PathClass.replace
    calls: list[str] = []

    def crash(self: Path, target: Path) -> Path:
        if self.suffix == ".new" and self.parent.name == "databases":
            calls.append("new")
            if moment == "between":
                raise KeyboardInterrupt
        if str(target).endswith(".old") and moment == "before":
            raise KeyboardInterrupt
        moved = replace(self, target)
        if calls and moment == "after":
            raise KeyboardInterrupt
        return moved

    monkeypatch.setattr(PathClass, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        host.publish("my-game", OTHER, delete_data=True)
    monkeypatch.undo()
    host.close()
    with Host(tmp_path) as host:
        columns = list(host["my-game"].tables.thing.columns)
        assert columns == (["id", "name"] if moment == "before" else ["id"])
        assert host["my-game"].identity == made.identity
        assert not list(tmp_path.glob("databases/*.old"))


def test_a_closed_host_is_closed(host: Host) -> None:
    host.publish("my-game", V1)
    opened = host["my-game"]
    host.close()
    assert opened._closed
    with pytest.raises(stdb.DatabaseClosed):
        host["my-game"]
