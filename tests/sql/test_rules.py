"""Row-level security: rules handed in directly, as a client sees the tables."""

from collections import Counter
from typing import Any

import pytest
from tests.sql.people import make_database

import stdb
from stdb.sql import Rights, check_subscription, declare_rule, prepare

DATABASE = make_database()
TABLES = DATABASE._store.by_name
ANN, BOB, OTHER = (stdb.Identity.from_hex(f"{i:064x}") for i in (1, 2, 99))

MINE = "SELECT * FROM person WHERE ident = :sender"
GROWN = "SELECT * FROM person WHERE age >= 30"
PAIRS_OF_MINE = "SELECT pair.* FROM pair JOIN person ON pair.a = person.id"


def ask(sql: str, who: stdb.Identity, rules: dict[str, tuple[str, ...]], **options: Any) -> Any:
    """What a client gets."""
    prepared = prepare(sql, TABLES, Rights(owner=False, rules=rules, sender=who), **options)
    return Counter(tuple(row) for row in prepared.rows((), {}, who))


def names(sql: str, who: stdb.Identity, rules: dict[str, tuple[str, ...]]) -> list[str]:
    return sorted(name for (name,) in ask(sql, who, rules).elements())


def test_a_rule_filters_and_sender_is_the_caller() -> None:
    rules = {"person": (MINE,)}
    assert names("SELECT name FROM person", ANN, rules) == ["ann"]
    assert names("SELECT name FROM person", BOB, rules) == ["bob"]
    assert names("SELECT name FROM person WHERE age > 25", BOB, rules) == []
    assert ask("SELECT COUNT(*) AS n FROM person", ANN, rules) == Counter([(1,)])


def test_rules_add_up_as_bags() -> None:
    rules = {"person": (MINE, GROWN)}
    assert names("SELECT name FROM person", ANN, rules) == ["5", "ann", "ann"]
    assert names("SELECT name FROM person", BOB, rules) == ["5", "ann", "bob"]
    assert ask("SELECT COUNT(*) AS n FROM person", ANN, rules) == Counter([(3,)])
    assert names("SELECT DISTINCT name FROM person", ANN, rules) == ["5", "ann"]


def test_every_alias_is_replaced_in_all_combinations() -> None:
    rules = {"person": (MINE, GROWN)}
    sql = "SELECT a.name FROM person a JOIN person b ON a.id = b.id"
    assert names(sql, ANN, rules) == ["5", "ann", "ann", "ann", "ann"]


def test_rules_of_mentioned_tables_hold_too() -> None:
    rules = {"person": (MINE,), "pair": (PAIRS_OF_MINE,)}
    assert ask("SELECT b FROM pair", ANN, rules) == Counter([(10,)])
    assert ask("SELECT b FROM pair", OTHER, rules) == Counter()
    assert ask("SELECT b FROM pair", ANN, {"pair": (PAIRS_OF_MINE,)}) == Counter([(10,), (20,)])


def test_a_rule_may_join_its_own_table() -> None:
    rule = "SELECT b.* FROM person a JOIN person b ON a.flag = b.flag WHERE a.ident = :sender"
    assert names("SELECT name FROM person", ANN, {"person": (rule,)}) == ["5", "ann"]


def test_aliases_in_rules_capture_nothing() -> None:
    rule = "SELECT q.* FROM person p JOIN pair q ON p.id = q.a WHERE p.name = 'ann'"
    sql = "SELECT p.b FROM pair p WHERE p.a < 5"
    assert ask(sql, ANN, {"pair": (rule,)}) == Counter([(10,)])


def test_cycles_are_found_when_asked() -> None:
    rules = {
        "pair": (PAIRS_OF_MINE,),
        "person": ("SELECT person.* FROM person JOIN pair ON person.id = pair.a",),
    }
    with pytest.raises(stdb.SqlError, match="cyclic"):
        ask("SELECT b FROM pair", ANN, rules)


def test_a_rule_that_names_a_private_table_fails_for_clients() -> None:
    rules = {"person": ("SELECT person.* FROM person JOIN secret ON person.id = secret.id",)}
    with pytest.raises(stdb.SqlError, match="no such table"):
        ask("SELECT name FROM person", ANN, rules)


def test_limit_in_strict_counts_in_each_bare_variant() -> None:
    rules = {"pair": ("SELECT * FROM pair", "SELECT pair.* FROM pair")}
    sql = "SELECT * FROM pair LIMIT 2"
    assert ask(sql, ANN, rules, strict=True).total() == 4
    assert ask(sql, ANN, rules).total() == 2
    assert ask("SELECT b FROM pair LIMIT 2", ANN, rules, strict=True).total() == 2


def test_groups_sorting_and_streams_see_all_variants() -> None:
    rules = {"person": (MINE, GROWN)}
    sql = "SELECT flag, COUNT(*) AS n FROM person GROUP BY flag"
    assert ask(sql, ANN, rules) == Counter([(True, 3)])
    rights = Rights(owner=False, rules=rules)
    ordered = prepare("SELECT name FROM person ORDER BY name DESC LIMIT 2", TABLES, rights)
    assert [tuple(row) for row in ordered.rows((), {}, ANN)] == [("ann",), ("ann",)]
    plain = prepare("SELECT name FROM person LIMIT 9", TABLES, rights)
    assert len(list(plain.stream((), {}, ANN))) == 3  # type: ignore[union-attr]


def test_the_owner_is_not_bound() -> None:
    rights = Rights(owner=True, rules={"person": (MINE,)})
    assert len(prepare("SELECT * FROM person", TABLES, rights).rows((), {}, OTHER)) == 3  # type: ignore[union-attr]


OWNER = Rights()


def test_subscriptions_are_whole_rows_of_one_table() -> None:
    (query,) = check_subscription("  SELECT * FROM person WHERE age > 20;; ", TABLES, OWNER)
    assert query.whole == 0
    assert not query.uses_sender
    (query,) = check_subscription("SELECT * FROM person WHERE ident = :sender", TABLES, OWNER)
    assert query.uses_sender
    (query,) = check_subscription(
        "SELECT pair.* FROM pair JOIN person ON pair.a = person.id WHERE person.name = 'ann'",
        TABLES,
        OWNER,
    )
    assert query.fragments[0].sources[query.whole or 0].alias == "pair"


def test_subscription_to_everything() -> None:
    client = Rights(owner=False)
    everything = check_subscription(" select*from * ", TABLES, client)
    assert [q.fragments[0].sources[0].alias for q in everything] == ["pair", "person", "words"]
    assert len(check_subscription("SELECT * FROM *", TABLES, OWNER)) == 4


@pytest.mark.parametrize(
    ("sql", "keyword"),
    [
        ("SELECT name FROM person", "subscription"),
        ("SELECT COUNT(*) AS n FROM person", "subscription"),
        ("SELECT * FROM person LIMIT 1", "unsupported"),
        ("SELECT * FROM person ORDER BY name", "unsupported"),
        ("SELECT DISTINCT * FROM person", "unsupported"),
        ("DELETE FROM person", "unsupported"),
        ("SHOW row_limit", "unsupported"),
        ("SELECT * FROM person WHERE id IN (1)", "unsupported"),
        ("SELECT * FROM person WHERE id = ?", "unsupported"),
        (
            "SELECT a.* FROM person a JOIN person b ON a.id = b.id JOIN person c ON b.id = c.id",
            "number of tables",
        ),
        ("SELECT a.* FROM person a CROSS JOIN pair b", "index"),
        ("SELECT a.* FROM person a JOIN pair b WHERE a.id > b.a", "index"),
        ("SELECT a.* FROM person a JOIN pair b WHERE a.id = b.a", "index"),
        ("SELECT a.* FROM pair a JOIN pair b ON a.a = a.b", "position"),
        ("SELECT a.b FROM pair a JOIN pair b ON a.a = a.b", "subscription"),
        ("SELECT a.* FROM person a JOIN pair b ON a.id = b.b", "index"),
        ("SELECT a.* FROM person a JOIN noise b ON a.id = b.person_id", "event"),
        ("SELECT * FROM nobody", "no such table"),
    ],
)
def test_subscriptions_that_are_refused(sql: str, keyword: str) -> None:
    with pytest.raises(stdb.SqlError) as caught:
        check_subscription(sql, TABLES, OWNER)
    assert keyword in caught.value.message


def test_the_side_without_a_filter_is_looked_up() -> None:
    """The left side is, where only the right one is filtered: then its index counts."""
    sql = "SELECT b.* FROM person a JOIN pair b ON a.id = b.b WHERE b.a > 1"
    check_subscription(sql, TABLES, OWNER)
    check_subscription(sql.replace("> 1", "= 1 AND a.age = 3"), TABLES, OWNER)
    with pytest.raises(stdb.SqlError, match="index"):
        check_subscription(sql + " AND a.age = 3", TABLES, OWNER)


def test_only_a_constant_narrows_a_side() -> None:
    """Neither an OR of equations nor a comparison of its own columns does."""
    sql = "SELECT b.* FROM person a JOIN pair b ON a.id = b.b WHERE "
    for condition in ("(b.a = 1 OR b.a = 2)", "b.a = b.b"):
        with pytest.raises(stdb.SqlError, match="index"):
            check_subscription(sql + condition, TABLES, OWNER)
    check_subscription(sql + "1 = b.a", TABLES, OWNER)


def test_the_sides_of_a_rule_stay_as_they_are_written() -> None:
    """`pair` has no index on b, so it may be the outer side only, wherever the rule returns it."""
    by_b = "SELECT pair.* FROM {} JOIN {} ON pair.b = person.id"
    rights = Rights(owner=False, rules={"pair": (by_b.format("pair", "person"),)})
    check_subscription("SELECT * FROM pair", TABLES, rights)
    rights = Rights(owner=False, rules={"pair": (by_b.format("person", "pair"),)})
    with pytest.raises(stdb.SqlError, match="index"):
        check_subscription("SELECT * FROM pair", TABLES, rights)


def test_a_rule_is_checked_when_it_is_declared() -> None:
    assert declare_rule(PAIRS_OF_MINE, TABLES) == "pair"
    assert declare_rule("SELECT a.* FROM pair a CROSS JOIN secret", TABLES) == "pair"
    for sql, keyword in (
        ("SELECT * FROM secret", "private"),
        ("SELECT name FROM person", "subscription"),
        ("SELECT * FROM person WHERE nope = 1", "scope"),
        ("SELECT * FROM person ORDER BY id", "unsupported"),
        ("DELETE FROM person", "unsupported"),
    ):
        with pytest.raises(stdb.SqlError, match=keyword):
            declare_rule(sql, TABLES)


def test_rules_count_into_the_number_of_tables() -> None:
    client = Rights(owner=False, rules={"pair": (PAIRS_OF_MINE,)})
    check_subscription("SELECT * FROM pair", TABLES, client)
    with pytest.raises(stdb.SqlError, match="number of tables"):
        check_subscription("SELECT p.* FROM pair p JOIN person w ON p.a = w.id", TABLES, client)
