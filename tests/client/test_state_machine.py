"""Clients that subscribe, leave and write at random: each cache is what its queries give.

After every step the cache of each client equals the results of its queries, asked anew with SQL,
copy for copy; and the callbacks it saw, replayed, give the same rows.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.helpers.left_behind import check_no_subscription_is_left

from stdb import (
    AnonymousViewContext,
    Connection,
    Database,
    Identity,
    Module,
    ReducerContext,
    Row,
    SqlError,
    ViewContext,
    index,
    primary_key,
    u8,
    u32,
    unique,
)

PEOPLE = [Identity.from_claims("test", name) for name in ("ann", "bob", "cid")]
SMALL = st.integers(0, 4)
KEYS = {"primary": primary_key, "unique": unique, "none": lambda: index("btree")}
INDEXES: dict[str, Any] = {"btree": index, "hash": lambda: index("hash"), "none": None}

RULES = [
    "SELECT * FROM note WHERE owner = :sender",
    "SELECT * FROM note WHERE shade = 1",
    "SELECT note.* FROM note JOIN box ON note.box = box.id WHERE box.flag = true",
    "SELECT * FROM box WHERE owner = :sender",
    "SELECT * FROM box WHERE flag = false",
]
QUERIES = st.one_of(
    st.sampled_from(
        [
            "SELECT * FROM note",
            "SELECT * FROM box",
            "SELECT * FROM note WHERE owner = :sender",
            "SELECT * FROM note WHERE owner = :sender AND weight >= 0.0",
            "SELECT * FROM box WHERE flag = true OR owner = :sender",
            "SELECT note.* FROM note JOIN box ON note.box = box.id",
            "SELECT note.* FROM note JOIN box ON note.box = box.id WHERE box.flag = true",
            "SELECT box.* FROM box JOIN note ON box.id = note.box",
            "SELECT box.* FROM note JOIN box ON note.box = box.id WHERE note.owner = :sender",
            "SELECT x.* FROM note x JOIN note y ON x.box = y.id",
            "SELECT y.* FROM note x JOIN note y ON x.box = y.id WHERE x.shade < y.shade",
            "SELECT * FROM mine",
            "SELECT * FROM flagged WHERE id > 1",
            "SELECT note.* FROM note JOIN flagged ON note.box = flagged.id",
        ]
    ),
    st.builds("SELECT * FROM note WHERE id = {}".format, SMALL),
    st.builds("SELECT * FROM note WHERE box = {} AND shade <> {}".format, SMALL, SMALL),
    st.builds("SELECT * FROM note WHERE shade > {} AND weight < 1.5".format, SMALL),
    st.builds(
        "SELECT note.* FROM note JOIN box ON note.box = box.id WHERE box.id = {}".format, SMALL
    ),
    st.builds(
        "SELECT box.* FROM box JOIN note ON box.id = note.box WHERE box.id = {}".format, SMALL
    ),
    st.builds(
        "SELECT box.* FROM box JOIN note ON box.id = note.box WHERE note.shade = {}".format, SMALL
    ),
)
WEIGHTS = st.sampled_from([0.0, -0.0, 1.0, 2.0, float("nan")])
OWNERS = st.sampled_from(PEOPLE)
NOTES = st.tuples(SMALL, SMALL, SMALL, WEIGHTS, OWNERS)
BOXES = st.tuples(SMALL, st.booleans(), OWNERS)
EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("put note"), NOTES),
        st.tuples(st.just("put box"), BOXES),
        st.tuples(st.just("drop note"), SMALL),
        st.tuples(st.just("drop box"), SMALL),
        st.tuples(st.just("clear"), st.sampled_from(["note", "box"])),
    ),
    min_size=1,
    max_size=6,
)


def marked(column: type, marker: Any) -> Any:
    return column if marker is None else stdb_annotated(column, marker)


def stdb_annotated(column: type, marker: Any) -> Any:
    from typing import Annotated

    return Annotated[column, marker()]


def make_module(keys: dict[str, str], indexes: dict[str, str], rules: list[str]) -> Module:
    module = Module("model")
    note = type(
        "Note",
        (Row,),
        {
            "__module__": __name__,
            "__annotations__": {
                "id": marked(u32, KEYS[keys["note"]]),
                "box": marked(u32, INDEXES[indexes["box"]]),
                "shade": marked(u8, INDEXES[indexes["shade"]]),
                "weight": float,
                "owner": marked(Identity, INDEXES[indexes["owner"]]),
            },
        },
    )
    box = type(
        "Box",
        (Row,),
        {
            "__module__": __name__,
            "__annotations__": {
                "id": marked(u32, KEYS[keys["box"]]),
                "flag": bool,
                "owner": marked(Identity, INDEXES[indexes["owner"]]),
            },
        },
    )
    note = module.table(public=True)(note)
    box = module.table(public=True)(box)

    @module.view(public=True)
    def mine(ctx: ViewContext) -> list[note]:  # type: ignore[valid-type]
        return [row for row in ctx.db.note if row.owner == ctx.sender]

    @module.view(public=True)
    def flagged(ctx: AnonymousViewContext) -> list[box]:  # type: ignore[valid-type]
        return [row for row in ctx.db.box if row.flag]

    for text in rules:
        module.client_visibility_filter(text)

    @module.reducer
    def nothing(ctx: ReducerContext) -> None:
        """Change nothing."""

    return module


def edit(tables: Any, edits: list[tuple[str, Any]]) -> None:
    for what, value in edits:
        if what == "clear":
            tables[value].clear()
            continue
        verb, name = what.split()
        handle = tables[name]
        number = value[0] if verb == "put" else value
        for old in [row for row in handle if row.id == number]:
            if verb == "drop" or handle["id"]._index.unique:
                handle.delete(old)
        if verb == "put" and name == "note":
            id_, box, shade, weight, owner = value
            handle.insert(id=id_, box=box, shade=shade, weight=weight, owner=owner)
        elif verb == "put":
            id_, flag, owner = value
            handle.insert(id=id_, flag=flag, owner=owner)


class Watched:
    """A client and what its callbacks said."""

    def __init__(self, conn: Connection, names: tuple[str, ...], *, manual: bool) -> None:
        self.conn = conn
        self.manual = manual
        self.rows: dict[str, Counter[Any]] = {}
        self.handles: list[Any] = []
        for name in names:
            rows = self.rows[name] = Counter()
            table = conn.db[name]
            table.on_insert(lambda _, row, rows=rows: rows.update([row]))
            table.on_delete(lambda _, row, rows=rows: rows.subtract([row]))
            if table._cache.info.primary_key is not None:
                table.on_update(self.updater(rows))

    @staticmethod
    def updater(rows: Counter[Any]) -> Any:
        def update(_: Any, old: Any, new: Any) -> None:
            assert rows[old] == 1
            rows.subtract([old])
            rows.update([new])

        return update


class Clients(RuleBasedStateMachine):
    """A database, its clients, and what they should hold."""

    @initialize(
        keys=st.fixed_dictionaries({name: st.sampled_from(list(KEYS)) for name in ("note", "box")}),
        indexes=st.fixed_dictionaries(
            {name: st.sampled_from(list(INDEXES)) for name in ("box", "shade", "owner")}
        ),
        rules=st.lists(st.sampled_from(RULES), max_size=3, unique=True),
        first=EDITS,
    )
    def make(
        self,
        keys: dict[str, str],
        indexes: dict[str, str],
        rules: list[str],
        first: list[tuple[str, Any]],
    ) -> None:
        self.db = Database(make_module(keys, indexes, rules), owner=PEOPLE[0])
        self.clients: list[Watched] = []
        self.steps = 0
        with self.db.transaction() as tx:
            edit(tx.db, first)

    @precondition(lambda self: len(self.clients) < 4)
    @rule(
        who=OWNERS,
        manual=st.booleans(),
        names=st.sampled_from([("note", "box", "mine", "flagged"), ("note",), ("box",), ()]),
    )
    def connect(self, who: Identity, manual: bool, names: tuple[str, ...]) -> None:
        conn = self.db.connect(identity=who, dispatch="manual" if manual else "immediate")
        self.clients.append(Watched(conn, names, manual=manual))

    @precondition(lambda self: self.clients)
    @rule(data=st.data(), queries=st.lists(QUERIES, min_size=1, max_size=3))
    def subscribe(self, data: st.DataObject, queries: list[str]) -> None:
        client = data.draw(st.sampled_from(self.clients))
        try:
            handle = client.conn.subscribe(*queries)
        except SqlError:
            return
        client.handles.append(handle)

    @precondition(lambda self: any(client.handles for client in self.clients))
    @rule(data=st.data())
    def unsubscribe(self, data: st.DataObject) -> None:
        client = data.draw(st.sampled_from([c for c in self.clients if c.handles]))
        handle = client.handles.pop(data.draw(st.integers(0, len(client.handles) - 1)))
        handle.unsubscribe()

    @rule(edits=EDITS)
    def commit(self, edits: list[tuple[str, Any]]) -> None:
        with self.db.transaction() as tx:
            edit(tx.db, edits)

    @rule(edits=EDITS)
    def roll_back(self, edits: list[tuple[str, Any]]) -> None:
        with self.db.transaction() as tx:
            edit(tx.db, edits)
            tx.rollback()

    @rule()
    def look_up(self) -> None:
        for client in self.clients:
            for name in list(client.conn._client.caches):
                table = client.conn.db[name]
                for index_name in list(table._cache.index_infos):
                    for row in list(table):
                        found = list(table[index_name].filter(getattr(row, index_name)))
                        assert row in found
                        assert len(found) == len(set(found))

    @precondition(lambda self: self.clients)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        """Something went wrong, and a client has to start anew."""
        data.draw(st.sampled_from(self.clients)).conn._client.lose()

    @precondition(lambda self: self.clients)
    @rule(data=st.data())
    def disconnect(self, data: st.DataObject) -> None:
        client = self.clients.pop(data.draw(st.integers(0, len(self.clients) - 1)))
        client.conn.close()

    @invariant()
    def caches_are_right(self) -> None:
        self.steps += 1
        for client in self.clients:
            if client.manual:
                if self.steps % 3:
                    continue
                client.conn.tick()
            elif client.conn._client.is_torn:
                client.conn._client.port.dispatcher.take_now(client.conn._client)
            names = dict.fromkeys([*client.rows, *client.conn._client.caches])
            wanted: dict[str, Counter[Any]] = {name: Counter() for name in names}
            for handle in client.handles:
                assert handle.is_active
                for sql in handle.queries:
                    result = self.db.sql(sql, sender=client.conn.identity, strict=True)
                    wanted[self.returned(sql)].update(result.rows)
            for name, rows in wanted.items():
                cache = client.conn.db[name]._cache
                held = Counter({row: cache.counts.get(key, 1) for key, row in cache.rows.items()})
                assert held == rows, (name, [handle.queries for handle in client.handles])
                if name in client.rows:
                    assert +client.rows[name] == Counter(dict.fromkeys(rows, 1)), name
        assert not self.db.logs(), "nothing went wrong behind the scenes"

    @staticmethod
    def returned(sql: str) -> str:
        what = sql.split()[1]
        if what == "*":
            return sql.split()[3]
        return {"note.*": "note", "box.*": "box", "x.*": "note", "y.*": "note"}[what]

    def teardown(self) -> None:
        if hasattr(self, "db"):
            for client in self.clients:
                client.conn.close()
            check_no_subscription_is_left(self.db)
            self.db.close()


TestClients = Clients.TestCase
TestClients.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
