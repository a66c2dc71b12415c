"""The same random work through the ABI, on encoded rows, and through Python's handles, on structs.

Two databases of one module: what one refuses the other refuses, and their rows stay equal.
"""

import struct
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.helpers.probing import UNBOUNDED, Op, Probe, bounds, excluded, included
from tests.helpers.wasm_modules import built

import stdb

SMALL = st.integers(0, 4)
TEXT = st.sampled_from(["", "a", "b", "ç"])


def encoded_text(value: str) -> bytes:
    return struct.pack("<I", len(value.encode())) + value.encode()


class Twins(RuleBasedStateMachine):
    """One side is probed, the other handled."""

    @initialize()
    def begin(self) -> None:
        self.probe = Probe(clock=stdb.ManualClock(0))
        self.other = stdb.Database(built("probe.c"))
        self.table = self.probe.table("indexed")

    def index(self, name: str) -> int:
        return self.probe.index(f"indexed_{name}")

    def row(self, columns: dict[str, Any], db: stdb.Database) -> Any:
        shape = db._store["indexed"].shape
        place = shape.fields[8].shape.cls  # type: ignore[attr-defined]
        x, y = columns["place"]
        return shape.cls(**{**columns, "place": place(x=x, y=y)})

    ROWS = st.fixed_dictionaries(
        {
            "id": SMALL, "code": TEXT, "slot": SMALL, "group": SMALL, "team": TEXT,
            "score": st.integers(-2, 2), "mark": SMALL,
            "weight": st.sampled_from([0.0, -0.0, 1.5, float("nan")]),
            "place": st.tuples(st.integers(-1, 1), st.integers(0, 1)), "serial": SMALL,
        }
    )  # fmt: skip

    @rule(columns=ROWS)
    def insert(self, columns: dict[str, Any]) -> None:
        data = self.probe.encode("indexed", self.row(columns, self.probe.db))
        errno = self.probe(Op.INSERT, self.table, data=data).errno
        with self.other.transaction() as tx:
            try:
                tx.db.indexed.insert(self.row(columns, self.other))
            except stdb.ConstraintViolation:
                assert errno == 12
            else:
                assert errno == 0

    @rule(columns=ROWS, by=st.sampled_from(["id", "code", "slot"]))
    def update(self, columns: dict[str, Any], by: str) -> None:
        names = {"id": "id_idx_btree", "code": "code_idx_hash", "slot": "slot_idx_direct"}
        data = self.probe.encode("indexed", self.row(columns, self.probe.db))
        errno = self.probe(Op.UPDATE, self.table, self.index(names[by]), data).errno
        with self.other.transaction() as tx:
            try:
                getattr(tx.db.indexed, by).update(self.row(columns, self.other))
            except stdb.ConstraintViolation:
                assert errno == 12
            except stdb.RowNotFound:
                # A clash with a committed row is told before a key that is not there.
                assert errno in (12, 15)
            else:
                assert errno == 0

    @rule(group=SMALL)
    def delete_point(self, group: int) -> None:
        answer = self.probe(
            Op.DELETE_POINT, self.index("group_idx_btree"), data=struct.pack("<I", group)
        )
        with self.other.transaction() as tx:
            assert answer[:2] == (0, tx.db.indexed.group.delete(group))

    @rule(team=TEXT, low=st.integers(-2, 2), high=st.integers(-2, 2), is_open=st.booleans())
    def delete_range(self, team: str, low: int, high: int, is_open: bool) -> None:
        edge = excluded if is_open else included
        more = bounds(edge(struct.pack("<i", low)), included(struct.pack("<i", high)))
        answer = self.probe(
            Op.DELETE_RANGE, self.index("team_score_idx_btree"), 1, encoded_text(team), more
        )
        bound = {"gt" if is_open else "ge": low, "le": high}
        with self.other.transaction() as tx:
            assert answer[:2] == (0, tx.db.indexed.by_team.delete(team, **bound))

    @rule(weight=st.sampled_from([0.0, 1.5, float("nan")]))
    def range_of_floats(self, weight: float) -> None:
        more = bounds(included(struct.pack("<d", weight)), UNBOUNDED)
        answer = self.probe(Op.RANGE, self.index("weight_idx_btree"), 0, b"", more)
        with self.other.transaction(readonly=True) as tx:
            twin = sorted(row.slot for row in tx.db.indexed.weight.filter(ge=weight))
        assert self.slots(answer.data) == twin

    def slots(self, data: bytes) -> list[int]:
        decode = self.probe.db._store["indexed"].decode
        found, at = [], 0
        while at < len(data):
            row, at = decode(data, at)
            found.append(row.slot)
        return sorted(found)

    @rule()
    def clear(self) -> None:
        with self.other.transaction() as tx:
            assert self.probe(Op.CLEAR, self.table)[:2] == (0, tx.db.indexed.clear())

    @invariant()
    def the_rows_are_equal(self) -> None:
        if not hasattr(self, "probe"):
            return
        encode = self.other._store["indexed"].encode
        twin = sorted(encode(row) for row in self.other._store["indexed"].rows.values())
        probed = self.probe.db._store["indexed"]
        assert sorted(map(probed.encode, probed.rows.values())) == twin
        assert len(self.probe(Op.SCAN, self.table, 1 << 16).data) == sum(map(len, twin))
        self.probe.db.check()


TestTwins = Twins.TestCase
TestTwins.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
