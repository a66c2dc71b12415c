"""Clients of random schemas: what they hold is what their queries give, asked from scratch.

A schema is drawn with its views, rules of row-level security and queries. Clients come, subscribe,
lose track and go while transactions commit and are undone. After every step each cache is what an
evaluator of a page (`random_oracle`) gives for its queries, which is what SQL gives; and the
callbacks seen, replayed, give the same rows.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.helpers.left_behind import check_no_subscription_is_left
from tests.helpers.random_clients import Client
from tests.helpers.random_edits import EDITS, Edit, Editor, Tried, filling
from tests.helpers.random_module import Schema, make_module, schemas
from tests.helpers.random_oracle import Oracle, Values, key_of
from tests.helpers.random_queries import Query
from tests.helpers.random_schema import OWNER, PEOPLE, Table

from stdb import Database, Identity, SqlError, UniqueConstraintViolation

SMALL = st.integers(0, 7)
PICKS = st.lists(SMALL, min_size=1, max_size=3, unique=True)
WATCHED = st.sampled_from(["all", "all", "one", "none"])
#: Edits; who calls a reducer that does them; whether violations are caught, and all is undone.
TRANSACTIONS = st.tuples(
    EDITS, st.none() | SMALL, st.booleans(), st.sampled_from([False] * 3 + [True])
)
CLIENTS = st.tuples(st.sampled_from(PEOPLE), st.booleans(), WATCHED, PICKS)


class RandomSchemas(RuleBasedStateMachine):
    """A database, its clients, and what they should hold."""

    @initialize(
        schema=schemas(),
        seed=st.integers(0, 999),
        clients=st.lists(CLIENTS, min_size=2, max_size=4),
    )
    def make(self, schema: Schema, seed: int, clients: list[Any]) -> None:
        note(str(schema))
        self.schema = schema
        self.editor = Editor(schema.tables)
        self.job: Any = None
        self.db = Database(make_module(schema, self._work), owner=OWNER)
        self.clients: list[Client] = []
        self.steps = 0
        self._transact(filling(seed), by=None, catches=True, undo=False)
        for who, is_manual, watched, picks in clients:
            self.connect(who, is_manual, watched, picks)

    def _work(self, handles: Any) -> None:
        self.job(handles)

    # -- clients ---------------------------------------------------------------------------------

    @precondition(lambda self: len(self.clients) < 4)
    @rule(who=st.sampled_from(PEOPLE), is_manual=st.booleans(), watched=WATCHED, picks=PICKS)
    def connect(self, who: Identity, is_manual: bool, watched: str, picks: list[int]) -> None:
        conn = self.db.connect(identity=who, dispatch="manual" if is_manual else "immediate")
        tables = self._readable(who) if watched != "none" else []
        if watched == "one":
            tables = tables[picks[0] % len(tables) :][:1] if tables else []
        self.clients.append(Client(conn, tables, is_manual=is_manual))
        self._subscribe(self.clients[-1], picks)

    def _readable(self, who: Identity) -> list[Table]:
        known = [*self.schema.tables, *(view.shown for view in self.schema.views)]
        return [table for table in known if table.is_public or who == OWNER]

    @precondition(lambda self: self.clients)
    @rule(number=SMALL, picks=PICKS)
    def subscribe(self, number: int, picks: list[int]) -> None:
        self._subscribe(self.clients[number % len(self.clients)], picks)

    def _subscribe(self, client: Client, picks: list[int]) -> None:
        known = self.schema.queries
        queries = [known[pick] for pick in dict.fromkeys(pick % len(known) for pick in picks)]
        who = client.conn.identity
        may = [self.schema.may_subscribe(query, who) for query in queries]
        note(f"{who} subscribes to {'; '.join(map(str, queries))}")
        try:
            handle = client.conn.subscribe(*(query.sql for query in queries))
        except SqlError as error:
            note(f"refused: {error}")
            if all(may):
                raise
            for pick in picks if len(queries) > 1 else ():
                self._subscribe(client, [pick])
            return
        assert False not in may
        client.handles.append((handle, queries))

    @precondition(lambda self: any(client.handles for client in self.clients))
    @rule(number=SMALL, which=SMALL)
    def unsubscribe(self, number: int, which: int) -> None:
        clients = [client for client in self.clients if client.handles]
        client = clients[number % len(clients)]
        handle, _ = client.handles.pop(which % len(client.handles))
        handle.unsubscribe()

    @precondition(lambda self: len(self.clients) > 1)
    @rule(number=SMALL)
    def disconnect(self, number: int) -> None:
        self.clients.pop(number % len(self.clients)).conn.close()

    # -- transactions ----------------------------------------------------------------------------

    @rule(transactions=st.lists(TRANSACTIONS, min_size=1, max_size=4))
    def write(self, transactions: list[Any]) -> None:
        for number, (wanted, by, catches, undo) in enumerate(transactions):
            if number:
                self.caches_are_right()
            self._transact(wanted, by=by, catches=catches, undo=undo)

    def _transact(self, wanted: list[Edit], *, by: int | None, catches: bool, undo: bool) -> None:
        """Do edits in a transaction, or in a reducer that some client calls, or the owner."""
        self.editor.begin()

        def job(handles: Any) -> None:
            self.editor.run(handles, wanted, catches=catches)
            if undo and by is not None:
                raise Tried("enough")

        self.job = job
        try:
            if by is None:
                with self.db.transaction() as tx:
                    job(tx.db)
                    if undo:
                        tx.rollback()
            elif by < len(self.clients):
                self.clients[by].conn.call("run")
            else:
                self.db.call("run")
        except Tried:
            undo = True
        finally:
            note("; ".join(self.editor.said) + (" - undone" if undo else ""))
        if not undo:
            self._committed()

    @rule(wanted=EDITS)
    def write_sql(self, wanted: list[Edit]) -> None:
        for edit in wanted:
            self.editor.begin()
            text, fails = self.editor.statement(edit)
            note(text)
            try:
                self.db.sql(text, strict=True)
            except UniqueConstraintViolation:
                assert fails, "no constraint is violated"
            else:
                assert not fails, "a constraint is violated"
                self._committed()

    def _committed(self) -> None:
        events = self.editor.commit()
        if any(events.values()):
            oracle = Oracle(self.schema, {**self.editor.tables, **events})
            for client in self.clients:
                client.expect_events(oracle)

    # -- what must hold --------------------------------------------------------------------------

    @precondition(lambda self: self.clients)
    @rule(number=SMALL, what=st.sampled_from(["look up", "lose", "ask", "publish"]))
    def disturb(self, number: int, what: str) -> None:
        client = self.clients[number % len(self.clients)]
        if what == "look up":
            client.look_up()
        elif what == "lose":
            client.lose()
        elif what == "ask":
            self._ask(client.conn.identity)
        else:  # the same tables, with other classes for their rows
            self.db.publish(make_module(self.schema, self._work))

    def _ask(self, who: Identity) -> None:
        """Whatever a query is, somebody who may read its tables gets its rows from SQL."""
        oracle = Oracle(self.schema, self.editor.tables)
        for query in self.schema.queries:
            if self.schema.may_ask(query, who):
                assert self._asked(query, who) == oracle.counted(query, who), query.sql
            else:
                with pytest.raises(SqlError, match="no such table"):
                    self._asked(query, who)

    def _asked(self, query: Query, who: Identity) -> Counter[Values]:
        result = self.db.sql(query.sql, sender=who, strict=True)
        return Counter(map(key_of, result.rows))

    @invariant()
    def caches_are_right(self) -> None:
        self.steps += 1
        oracle = Oracle(self.schema, self.editor.tables)
        answers: dict[tuple[str, Identity], Counter[Values]] = {}
        for client in self.clients:
            if client.is_manual and self.steps % 3:
                assert client.cached() == client.held, "it has not ticked"
                continue
            client.catch_up()
            who = client.conn.identity
            wanted: dict[str, Counter[Values]] = {}
            for handle, queries in client.handles:
                assert handle.is_active
                for query in queries:
                    answer = answers.get((query.sql, who))
                    if answer is None:
                        answer = answers[query.sql, who] = oracle.counted(query, who)
                        assert self._asked(query, who) == answer, query.sql
                    wanted.setdefault(query.table.name, Counter()).update(answer)
            client.check(wanted)
        strange = [
            record.message
            for record in self.db.logs()
            if record.function != "run" and record.level != "Info"
        ]
        assert not strange, "\n".join(strange)

    def teardown(self) -> None:
        if not hasattr(self, "db"):
            return
        self.db.check()
        for client in self.clients:
            client.conn.close()
        check_no_subscription_is_left(self.db)
        if self.db._made_views is not None:
            assert not any(each.count for each in self.db._made_views._instances.values())
        self.db.close()


class ManyRandomSchemas(RandomSchemas):
    """The same, at length."""


TestRandomSchemas = RandomSchemas.TestCase
TestRandomSchemas.settings = settings(max_examples=90, stateful_step_count=12, deadline=None)
TestManyRandomSchemas = pytest.mark.slow(ManyRandomSchemas.TestCase)
TestManyRandomSchemas.settings = settings(max_examples=900, stateful_step_count=15, deadline=None)
