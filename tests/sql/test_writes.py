"""INSERT, UPDATE, DELETE, SET and SHOW."""

import pytest
from tests.helpers.watching import watch_everything
from tests.sql.people import make_database

import stdb

INSERT = (
    "INSERT INTO person (name, age, flag, signed, big, score, single, zero, blob, ident, conn, at,"
    " uid) VALUES ('dan', 1, TRUE, -1, 1e3, 2.5, 1, 0, 0xff, '"
    + "0" * 64
    + "', 0x"
    + "0" * 32
    + ","
    " '2025-02-10 15:45:30+02:00', '00000000-0000-0000-0000-000000000009')"
)


@pytest.fixture
def database() -> stdb.Database:
    return make_database()


def test_insert_honours_names_defaults_and_quoted_values(database: stdb.Database) -> None:
    result = database.sql(INSERT)
    assert (result.inserted, result.updated, result.deleted, len(result)) == (1, 0, 0, 0)
    row = database.sql("SELECT * FROM person WHERE name = 'dan'")[0]
    assert (row.id, row.big, row.blob, row.email, row.tags) == (4, 1000, b"\xff", None, ())
    assert str(row.at) == "2025-02-10T13:45:30+00:00"
    assert database.sql("INSERT INTO pair (b, a) VALUES (1, 2)").inserted == 1
    assert database.sql("SELECT b FROM pair WHERE a = 2 AND b = 1").scalar() == 1
    database.check()


def test_strict_insert_does_not_look_at_names(database: stdb.Database) -> None:
    assert database.sql("INSERT INTO pair (b, whatever) VALUES (5, 6)", strict=True).inserted == 1
    assert database.sql("SELECT b FROM pair WHERE a = 5").scalar() == 6


def test_insert_is_set_like_and_whole(database: stdb.Database) -> None:
    assert database.sql("INSERT INTO pair (a, b) VALUES (1, 10), (1, 11), (1, 11)").inserted == 1
    before = database.sql("SELECT COUNT(*) AS n FROM secret").scalar()
    with pytest.raises(stdb.UniqueConstraintViolation, match="unique"):
        database.sql("INSERT INTO secret (id, note) VALUES (8, ''), (7, 'x')")
    with pytest.raises(stdb.UniqueConstraintViolation, match="unique"):
        database.sql("UPDATE person SET id = 1")
    assert database.sql("SELECT COUNT(*) AS n FROM secret").scalar() == before
    assert len(database.sql("SELECT * FROM person")) == 3
    database.check()


@pytest.mark.parametrize(
    ("sql", "keyword"),
    [
        ("INSERT INTO pair (a) VALUES (1)", "fields"),
        ("INSERT INTO pair (a, x) VALUES (1, 2)", "field"),
        ("INSERT INTO pair (a, a) VALUES (1, 2)", "duplicate"),
        ("INSERT INTO pair (a, b) VALUES (1, NULL)", "unexpected type"),
        ("INSERT INTO pair (a, b) VALUES (1, b)", "unsupported"),
        ("UPDATE person SET age = age * 100", "unexpected type"),
        ("UPDATE person SET age = email", "unexpected type"),
        ("DELETE FROM st_table", "not authorized"),
    ],
)
def test_refused(database: stdb.Database, sql: str, keyword: str) -> None:
    with pytest.raises(stdb.SqlError) as caught:
        database.sql(sql)
    assert keyword in caught.value.message
    database.check()


def test_update_may_swap_keys(database: stdb.Database) -> None:
    database.sql("UPDATE person SET id = 4 - id")
    names = [tuple(r) for r in database.sql("SELECT id, name FROM person ORDER BY id")]
    assert names == [(1, "5"), (2, "bob"), (3, "ann")]
    database.check()


def test_update_counts_hits_even_when_rows_collapse(database: stdb.Database) -> None:
    database.sql("INSERT INTO words VALUES (2,1,2,3,4,5,6,7,8,9)")
    assert database.sql('UPDATE words SET "order" = 7').updated == 2
    assert len(database.sql("SELECT * FROM words")) == 1
    database.check()


def test_a_view_is_not_written(database: stdb.Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even by those who may not write: what it is comes before who asks."""
    monkeypatch.setattr("stdb.storage.table.Table.is_view", True)
    for sql in (
        "INSERT INTO pair (a, b, c) VALUES (1)",
        "UPDATE pair SET nope = 1",
        "DELETE FROM pair WHERE nope = 1",
    ):
        for options in ({}, {"strict": True}, {"sender": stdb.Identity(9)}):
            with pytest.raises(stdb.SqlError, match="is a view"):
                database.sql(sql, **options)


def test_old_statements_make_room(database: stdb.Database) -> None:
    """However long they are: a program that formats values into its statements has many."""
    first = "SELECT * FROM person WHERE name = 'first'"
    database.sql(first)
    queries = database._queries
    assert queries is not None
    kept = queries._prepared
    assert [sql for sql, _, _ in kept] == [first]
    for i in range(5):
        database.sql(f"SELECT * FROM person WHERE name = '{i}{'x' * 600_000}'")
    assert 0 < len(kept) <= 3
    assert queries._kept_chars == sum(len(sql) for sql, _, _ in kept)
    for i in range(1100):
        database.sql(f"SELECT * FROM person WHERE id = {i}")
    assert len(kept) == 1024


def test_a_sender_is_an_identity(database: stdb.Database) -> None:
    for call in (
        database.sql,
        database.explain,
        lambda *a, **k: database.sql_stream(*a, **k).__enter__(),
    ):
        with pytest.raises(stdb.TypeMismatch, match="sender is an Identity, not str"):
            call("SELECT * FROM person", sender="00ff")
    with database.transaction() as tx, pytest.raises(stdb.TypeMismatch):
        tx.sql("SELECT * FROM person", sender=5)


def test_update_takes_the_first_of_two_values(database: stdb.Database) -> None:
    database.sql("UPDATE pair SET b = 1, b = 2 WHERE a = 1", strict=True)
    assert database.sql("SELECT b FROM pair WHERE a = 1").scalar() == 1


def test_update_with_expressions_and_parameters(database: stdb.Database) -> None:
    sql = "UPDATE person SET age = age + ?, email = ? WHERE id = :i"
    assert database.sql(sql, 5, None, i=2).updated == 1
    row = database.sql("SELECT age, email FROM person WHERE id = 2")[0]
    assert tuple(row) == (25, None)
    assert database.sql("UPDATE person SET email = 'x' WHERE id > 99").updated == 0
    database.check()


def test_delete(database: stdb.Database) -> None:
    assert database.sql("DELETE FROM person WHERE age < 35 AND person.flag").deleted == 1
    assert database.sql("DELETE FROM person").deleted == 2
    assert database.sql("DELETE FROM person").deleted == 0
    database.check()


def test_failed_statement_changes_nothing_in_a_longer_transaction(
    database: stdb.Database,
) -> None:
    with database.transaction() as tx:
        assert tx.sql("INSERT INTO pair (a, b) VALUES (7, 7)").inserted == 1
        assert tx.sql("SELECT b FROM pair WHERE a = 7").scalar() == 7
        for sql in (
            "UPDATE person SET id = 9",
            "UPDATE person SET age = age + 220",
            "INSERT INTO secret (id, note) VALUES (8, ''), (7, 'x'), (9, '')",
            "UPDATE pair SET a = 3, b = 3 WHERE a < 7",
        ):
            try:
                tx.sql(sql)
            except stdb.Error:
                continue
    assert database.sql("SELECT b FROM pair WHERE a = 7").scalar() == 7
    assert sorted(r.id for r in database.sql("SELECT id FROM person")) == [1, 2, 3]
    assert max(r.age for r in database.sql("SELECT age FROM person")) == 40
    assert len(database.sql("SELECT * FROM secret")) == 1
    database.check()


def test_readonly_transaction_refuses_writes(database: stdb.Database) -> None:
    with database.transaction(readonly=True) as tx:
        assert len(tx.sql("SELECT * FROM person")) == 3
        with pytest.raises(stdb.TransactionError):
            tx.sql("DELETE FROM person")


def test_sql_inside_a_transaction_of_the_thread_is_refused(database: stdb.Database) -> None:
    for readonly in (True, False):
        with database.transaction(readonly=readonly):
            with pytest.raises(stdb.TransactionError):
                database.sql("SELECT * FROM person")
            with pytest.raises(stdb.TransactionError):
                database.sql("DELETE FROM person")


def test_closed_database(database: stdb.Database) -> None:
    database.sql("SELECT * FROM person")
    database.close()
    with pytest.raises(stdb.DatabaseClosed):
        database.sql("SELECT * FROM person")


def test_row_limit_is_set_shown_and_held(database: stdb.Database) -> None:
    client = stdb.Identity.from_hex("1" * 64)
    assert len(database.sql("SHOW row_limit")) == 0
    assert database.sql("SET row_limit = 2", strict=True).inserted == 1
    assert database.sql("SHOW row_limit", strict=True).scalar().value == 2
    assert database.sql("SET row_limit TO 2").inserted == 0
    with pytest.raises(stdb.UniqueConstraintViolation, match="unique"):
        database.sql("SET row_limit = 3")
    assert len(database.sql("SELECT * FROM person")) == 3
    with pytest.raises(stdb.SqlError, match="cardinality"):
        database.sql("SELECT * FROM person", sender=client)
    assert len(database.sql("SELECT * FROM person WHERE id = 1", sender=client)) == 1
    assert len(database.sql("SELECT * FROM person LIMIT 2", sender=client)) == 2
    with pytest.raises(stdb.SqlError, match="cardinality"):
        database.sql("SELECT * FROM person LIMIT 3", sender=client)
    assert database.sql("DELETE FROM st_var WHERE name = 'row_limit'").deleted == 1
    assert len(database.sql("SELECT * FROM person", sender=client)) == 3


def test_clients_may_not_write_and_see_public_tables_only(database: stdb.Database) -> None:
    client = stdb.Identity.from_hex("1" * 64)
    with pytest.raises(stdb.SqlError, match="not authorized"):
        database.sql("DELETE FROM person", sender=client)
    with pytest.raises(stdb.SqlError, match="not authorized"):
        database.sql("SET row_limit = 1", sender=client)
    with pytest.raises(stdb.SqlError, match="scope"):
        database.sql("DELETE FROM person WHERE nope = 1", sender=client)
    for sql in ("SELECT * FROM secret", "DELETE FROM secret"):
        with pytest.raises(stdb.SqlError, match="no such table") as private:
            database.sql(sql, sender=client)
        with pytest.raises(stdb.SqlError) as absent:
            database.sql(sql.replace("secret", "sicret"), sender=client)
        assert private.value.message == absent.value.message.replace("sicret", "secret")
    assert len(database.sql("SELECT * FROM secret", sender=database.owner)) == 1
    with pytest.raises(stdb.SqlError, match="no such table"):
        database.sql("SELECT * FROM st_connection_credentials", sender=client)


def test_listeners_see_what_sql_writes(database: stdb.Database) -> None:
    seen: list[object] = []
    watch_everything(database, seen.append)
    database.sql("UPDATE pair SET b = 99 WHERE a = 1")
    database.sql("SELECT * FROM pair")
    assert len(seen) == 1


def test_statements_are_compiled_anew_for_a_fork(database: stdb.Database) -> None:
    database.sql("SELECT * FROM pair")
    fork = database.fork()
    fork.sql("DELETE FROM pair")
    assert len(fork.sql("SELECT * FROM pair")) == 0
    assert len(database.sql("SELECT * FROM pair")) == 3


@pytest.mark.parametrize(
    "sql",
    ["UPDATE pair SET a = a + 5", "UPDATE person SET age = 1", "DELETE FROM person WHERE id < 9"],
)
def test_an_interrupted_statement_leaves_nothing(database: stdb.Database, sql: str) -> None:
    """Ctrl-C at the second row of a statement, caught: the transaction can only be undone."""
    before = {name: sorted(map(repr, database.tables[name])) for name in ("pair", "person")}
    table = database._store["pair" if "pair" in sql else "person"]
    calls = 0

    def interrupted(row: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return original(row)

    with database.transaction() as tx:
        tx.sql(sql)  # compiled now
        original, table.main_key_of = table.main_key_of, interrupted
        try:
            tx.sql(sql)
        except KeyboardInterrupt:
            assert calls == 2
        finally:
            table.main_key_of = original
        tx.rollback()
    assert {n: sorted(map(repr, database.tables[n])) for n in ("pair", "person")} == before
    database.check()
