"""The same statements on the same rows give the same answers as sqlite3, and as DuckDB.

Schemas, rows and statements are generated, from what the dialects have in common and mean alike:

* integers so small that nothing overflows, and floats that are multiples of 1/4, so that a sum is
  exact in any order; no NaN, which sqlite has not;
* ``+ - *`` only: a division of integers rounds differently everywhere;
* columns are compared with literals of their own type, and with columns of it or other numbers;
* text without NUL; both compare its bytes, and sqlite is told to mind the case in LIKE;
* booleans are compared as 0 and 1, which they are in sqlite; -0.0 is 0.0;
* none is NULL. It is not ordered by: where it stands differs;
* ``LIMIT`` only after an ``ORDER BY`` of every output column, which leaves nothing open;
* rows have a primary key of their own, since a table here is a set and there it is not.
"""

import sqlite3
from collections import Counter
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

import stdb

try:
    import duckdb
except ImportError:  # pragma: no cover - it has no wheel for this machine
    duckdb = None  # type: ignore[assignment]

TYPES: dict[str, tuple[Any, str]] = {
    "int": (stdb.i64, "BIGINT"),
    "byte": (stdb.u8, "SMALLINT"),
    "real": (stdb.f64, "DOUBLE"),
    "text": (str, "VARCHAR"),
    "bool": (bool, "BOOLEAN"),
}
NUMBERS = {"int", "byte", "real"}
COMPARISONS = ("=", "<>", "!=", "<", "<=", ">", ">=")
TEXTS = ("", "a", "A", "ab", "aB", "b", "ba", "é", "ß", "%", "_", "x'y", '"', "日本", "😀", "a b")
PATTERNS = ("%", "a%", "%b", "_", "a_", "%B%", "_%_", "é%", "", "%'%", "日_", "%a%b%")
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int": st.integers(-9, 9) | st.integers(-1000, 1000),
    "byte": st.integers(0, 4) | st.integers(0, 255),
    "real": st.integers(-12, 12).map(lambda n: n / 4),
    "text": st.sampled_from(TEXTS),
    "bool": st.booleans(),
}


class Column(NamedTuple):
    name: str
    kind: str
    nullable: bool = False
    indexed: bool = False


class Schema(NamedTuple):
    name: str
    columns: tuple[Column, ...]


class Source(NamedTuple):
    """A column as a statement names it."""

    text: str
    kind: str
    nullable: bool


class Statement(NamedTuple):
    text: str
    parameters: tuple[Any, ...]
    ordered: bool = False


# ------------------------------------------------------------------------------ schemas and rows


def schema(name: str) -> st.SearchStrategy[Schema]:
    """A table with a primary key and one to four other columns, some with an index."""

    def build(parts: list[tuple[str, bool, bool]]) -> Schema:
        others = (
            Column(f"c{i}", kind, nullable, indexed)
            for i, (kind, nullable, indexed) in enumerate(parts)
        )
        return Schema(name, (Column("id", "int"), *others))

    parts = st.tuples(st.sampled_from(sorted(TYPES)), st.booleans(), st.booleans())
    return st.lists(parts, min_size=1, max_size=4).map(build)


def rows(schema: Schema) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    """Up to twelve rows, numbered from 1."""
    values = [VALUES[c.kind] | st.none() if c.nullable else VALUES[c.kind] for c in schema.columns]
    return st.lists(st.tuples(*values[1:]), max_size=12).map(
        lambda found: [(number, *row) for number, row in enumerate(found, start=1)]
    )


# ------------------------------------------------------------------------------------- statements


def literal(value: Any) -> str:
    """A value as every dialect writes it."""
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return {True: "TRUE", False: "FALSE"}[value] if isinstance(value, bool) else str(value)


class Writer:
    """Draws the parts of one statement, and keeps its parameters."""

    def __init__(self, draw: st.DrawFn, sources: list[Source]) -> None:
        self.draw = draw
        self.sources = sources
        self.parameters: list[Any] = []

    def chance(self, one_in: int = 2) -> bool:
        return self.draw(st.integers(1, one_in)) == 1

    def pick(self, options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def value(self, kind: str) -> str:
        """A value: mostly a literal, now and then a parameter."""
        value = self.draw(VALUES[kind])
        if self.chance(5):
            self.parameters.append(value)
            return "?"
        return literal(value)

    def operand(self, kind: str) -> str:
        """What a column is compared with: a value, now and then a computed one."""
        if kind in ("int", "real") and self.chance(8):
            left, right = (literal(self.draw(VALUES[kind])) for _ in range(2))
            return f"({left} {self.pick('+-*')} {right})"
        return self.value(kind)

    def source(self, *kinds: str) -> Source | None:
        found = [s for s in self.sources if not kinds or s.kind in kinds]
        return self.pick(found) if found else None

    def number(self, source: Source) -> str:
        """A column of integers, perhaps with arithmetic around it."""
        if not self.chance(3):
            return source.text
        other = self.source("int")
        right = other.text if other and self.chance() else literal(self.draw(VALUES["int"]))
        return f"({source.text} {self.pick('+-*')} {right})"

    def predicate(self, depth: int = 2) -> str:
        if depth and self.chance():
            left, right = self.predicate(depth - 1), self.predicate(depth - 1)
            return f"({left}) {self.pick(('AND', 'OR'))} ({right})"
        if depth and self.chance(8):
            return self.pairs()
        if depth and self.chance(6):
            return f"NOT ({self.predicate(depth - 1)})"
        return self.comparison()

    def pairs(self) -> str:
        """What one writes for want of ``(a, b) IN (…)``."""
        sources = [self.pick(self.sources) for _ in range(2)]
        rows = [
            [f"{s.text} = {literal(self.draw(VALUES[s.kind]))}" for s in sources]
            for _ in range(self.pick((2, 3)))
        ]
        return " OR ".join(f"({' AND '.join(row[:: self.pick((1, -1))])})" for row in rows)

    def comparison(self) -> str:
        source: Source = self.pick(self.sources)
        text = self.number(source) if source.kind == "int" else source.text
        what = self.draw(st.integers(0, 9))
        if what == 0:
            return (
                f"{source.text} IS {self.pick(('', 'NOT '))}NULL"
                if source.nullable
                else text + (f" = {self.operand(source.kind)}")
            )
        if what == 1:
            values = ", ".join(self.operand(source.kind) for _ in range(self.pick((1, 2, 3))))
            return f"{text} {self.pick(('', 'NOT '))}IN ({values})"
        if what == 2 and source.kind != "bool":
            low, high = self.operand(source.kind), self.operand(source.kind)
            return f"{text} {self.pick(('', 'NOT '))}BETWEEN {low} AND {high}"
        if what == 3 and source.kind == "text":
            pattern = literal(self.pick(PATTERNS))
            return f"{text} {self.pick(('', 'NOT '))}LIKE {pattern}"
        if what == 4 and source.kind == "bool":
            return text
        if what == 5:
            alike = NUMBERS if source.kind in NUMBERS else (source.kind,)
            others = [s for s in self.sources if s.kind in alike]
            return f"{source.text} {self.pick(COMPARISONS)} {self.pick(others).text}"
        if what == 6:
            return f"{self.operand(source.kind)} {self.pick(COMPARISONS)} {source.text}"
        return f"{text} {self.pick(COMPARISONS)} {self.operand(source.kind)}"

    def where(self) -> str:
        return f" WHERE {self.predicate()}" if self.chance() else ""


def _from(first: Writer, schemas: tuple[Schema, Schema]) -> tuple[str, list[Source], list[str]]:
    """FROM with one to three tables; the columns that it gives, and the tables never missing."""
    count = first.pick((1, 1, 1, 2, 2, 3))
    table = first.pick(schemas)
    if count == 1 and first.chance():  # without an alias, and columns without their table
        sources = [Source(c.name, c.kind, c.nullable) for c in table.columns]
        return f" FROM {table.name}", sources, ["*"]
    clause = f" FROM {table.name} a"
    sources = [Source(f"a.{c.name}", c.kind, c.nullable) for c in table.columns]
    whole = ["a.*"]
    for alias in ("b", "c")[: count - 1]:
        table = first.pick(schemas)
        how = first.pick(("", "", "INNER ", "LEFT ", "LEFT OUTER ", "CROSS "))
        outer = how.startswith("LEFT")
        others = [Source(f"{alias}.{c.name}", c.kind, c.nullable or outer) for c in table.columns]
        clause += f" {how}JOIN {table.name} {alias}"
        if how != "CROSS ":
            clause += f" ON {_on(first, sources, others)}"
        sources += others
        if not outer:
            whole.append(f"{alias}.*")
    return clause, sources, whole if count > 1 else [*whole, "*"]


def _on(writer: Writer, before: list[Source], others: list[Source]) -> str:
    """What joins a table to those before it: mostly equations, at times any condition."""
    alike = [
        (s, o) for s in before for o in others if s.kind == o.kind or {s.kind, o.kind} <= NUMBERS
    ]
    pairs = [(s.text, o.text) for s, o in alike]
    chosen = [writer.pick(pairs) for _ in range(writer.pick((1, 1, 1, 2)))]
    terms = [" = ".join(pair[:: writer.pick((1, -1))]) for pair in chosen]
    if writer.chance(3):
        writer.sources = before + others
        terms.append(f"({writer.predicate(1)})")
    return " AND ".join(terms[writer.chance(8) :] or terms)


@st.composite
def selects(draw: st.DrawFn, schemas: tuple[Schema, Schema]) -> Statement:
    """A query of one table, or of a join."""
    first = Writer(draw, [])
    clause, sources, whole = _from(first, schemas)
    writer = Writer(draw, sources)
    writer.parameters = first.parameters
    kind = writer.pick(("rows", "rows", "columns", "columns", "distinct", "count", "group"))
    if kind == "rows":
        text = f"SELECT {writer.pick(whole)}{clause}{writer.where()}"
        return Statement(text, tuple(writer.parameters))
    if kind == "count":
        text = f"SELECT COUNT(*) AS n{clause}{writer.where()}"
        return Statement(text, tuple(writer.parameters))
    if kind == "group":
        return _group(writer, clause)
    chosen = [writer.pick(sources) for _ in range(writer.pick((1, 2, 3)))]
    items = [writer.number(s) if s.kind == "int" else s.text for s in chosen]
    listed = ", ".join(f"{item} AS x{i}" for i, item in enumerate(items))
    distinct = "DISTINCT " if kind == "distinct" else ""
    text = f"SELECT {distinct}{listed}{clause}{writer.where()}"
    ordered = not any(s.nullable for s in _mentioned(writer, items)) and writer.chance()
    if ordered:
        # With DISTINCT, an order goes by columns of the list, not by other expressions.
        named = [f"x{i}" for i in range(len(items))]
        keys = named if distinct or writer.chance() else items
        by = ", ".join(f"{key}{writer.pick(('', ' ASC', ' DESC'))}" for key in keys)
        text += f" ORDER BY {by}"
        if writer.chance():
            text += f" LIMIT {draw(st.integers(0, 5))}"
            text += f" OFFSET {draw(st.integers(0, 3))}" if writer.chance() else ""
    return Statement(text, tuple(writer.parameters), ordered)


def _mentioned(writer: Writer, items: list[str]) -> list[Source]:
    return [s for s in writer.sources if any(s.text in item for item in items)]


def _group(writer: Writer, clause: str) -> Statement:
    """Aggregates, over groups or over everything."""
    keys = [writer.pick(writer.sources) for _ in range(writer.pick((0, 1, 1, 2)))]
    items = [f"{key.text} AS k{i}" for i, key in enumerate(keys)]
    for i in range(writer.pick((1, 2))):
        source: Source = writer.pick(writer.sources)
        functions = ["COUNT", "COUNT DISTINCT", "MIN", "MAX"]
        if source.kind == "bool":  # DuckDB has no MIN of booleans that sqlite has
            functions = ["COUNT", "COUNT DISTINCT"]
        if source.kind in ("int", "byte", "real"):
            functions += ["SUM", "SUM DISTINCT", "AVG", "AVG DISTINCT"]
        function, _, distinct = writer.pick(functions).partition(" ")
        items.append(f"{function}({distinct + ' ' if distinct else ''}{source.text}) AS v{i}")
    text = f"SELECT {', '.join(items)}{clause}{writer.where()}"
    if keys:
        named = [key.text if writer.chance() else f"k{i}" for i, key in enumerate(keys)]
        text += f" GROUP BY {', '.join(named)}"
        if writer.chance(3):
            text += f" HAVING COUNT(*) {writer.pick(COMPARISONS)} {writer.pick((1, 2, 3))}"
    return Statement(text, tuple(writer.parameters))


@st.composite
def changes(draw: st.DrawFn, schema: Schema, number: int) -> Statement:
    """An INSERT of new rows, an UPDATE of columns other than the primary key, or a DELETE."""
    sources = [Source(c.name, c.kind, c.nullable) for c in schema.columns]
    writer = Writer(draw, sources)
    kind = writer.pick(("insert", "update", "update", "delete"))
    if kind == "insert":
        made = []
        for i in range(writer.pick((1, 2, 3))):
            values = [writer.value(c.kind) for c in schema.columns[1:]]
            made.append(f"({', '.join([str(1000 + number * 10 + i), *values])})")
        columns = ", ".join(c.name for c in schema.columns)
        text = f"INSERT INTO {schema.name} ({columns}) VALUES {', '.join(made)}"
    elif kind == "update":
        changed = draw(st.lists(st.sampled_from(schema.columns[1:]), min_size=1, unique=True))
        parts = []
        for column in changed:
            whole = [s for s in sources if s.kind == "int" and not s.nullable]
            if column.kind == "int" and writer.chance():
                parts.append(f"{column.name} = {writer.pick(whole).text} + {draw(VALUES['int'])}")
            else:
                parts.append(f"{column.name} = {writer.value(column.kind)}")
        text = f"UPDATE {schema.name} SET {', '.join(parts)}{writer.where()}"
    else:
        text = f"DELETE FROM {schema.name}{writer.where()}"
    return Statement(text, tuple(writer.parameters))


# -------------------------------------------------------------------------------------- databases


def open_stdb(schemas: tuple[Schema, ...]) -> stdb.Database:
    module = stdb.Module("differential")
    for schema in schemas:
        annotations: dict[str, Any] = {}
        body: dict[str, Any] = {"__annotations__": annotations, "__module__": __name__}
        for column in schema.columns:
            python = TYPES[column.kind][0]
            annotations[column.name] = python | None if column.nullable else python
            if column.indexed:
                body[column.name] = stdb.index()
        body["id"] = stdb.primary_key()
        module.table(name=schema.name)(type(schema.name.title(), (stdb.Row,), body))
    return stdb.Database(module)


def create(connection: Any, schemas: tuple[Schema, ...]) -> None:
    """Make the tables in the other databases."""
    for schema in schemas:
        columns = [
            f"{c.name} {TYPES[c.kind][1]}{'' if c.nullable else ' NOT NULL'}"
            for c in schema.columns
        ]
        connection.execute(f"DROP TABLE IF EXISTS {schema.name}")
        connection.execute(f"CREATE TABLE {schema.name} ({', '.join(columns)}, PRIMARY KEY (id))")


def plain(rows: Any) -> list[tuple[Any, ...]]:
    """Rows as tuples of what all of them have: -0.0 is 0.0 and a boolean a number."""
    return [tuple(v + 0 if isinstance(v, bool | int | float) else v for v in row) for row in rows]


@pytest.fixture(scope="module")
def duck() -> Any:
    """One DuckDB for all examples: opening one takes longer than an example."""
    if duckdb is None:
        return None
    connection = duckdb.connect(":memory:")
    connection.execute("SET threads = 1")
    return connection


@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_statements_mean_what_they_mean_elsewhere(data: st.DataObject, duck: Any) -> None:
    schemas = (data.draw(schema("s")), data.draw(schema("t")))
    db = open_stdb(schemas)
    lite = sqlite3.connect(":memory:", isolation_level=None)
    lite.execute("PRAGMA case_sensitive_like = ON")
    others = {"sqlite3": lite} | ({"duckdb": duck} if duck is not None else {})
    for connection in others.values():
        create(connection, schemas)
    for each in schemas:
        held = data.draw(rows(each))
        with db.transaction() as tx:
            handle = tx.db[each.name]
            names = [column.name for column in each.columns]
            for row in held:
                handle.insert(**dict(zip(names, row, strict=True)))
        marks = ", ".join("?" * len(each.columns))
        for connection in others.values():
            if held:
                connection.executemany(f"INSERT INTO {each.name} VALUES ({marks})", held)
    for number in range(6):
        if number in (2, 4):
            changed = data.draw(st.sampled_from(schemas))
            statement = data.draw(changes(changed, number))
            note(f"{statement.text} -- {statement.parameters}")
            result = db.sql(statement.text, *statement.parameters)
            done = lite.execute(statement.text, statement.parameters)
            assert result.inserted + result.updated + result.deleted == done.rowcount
            if duck is not None:
                duck.execute(statement.text, statement.parameters)
            statement = Statement(f"SELECT * FROM {changed.name}", ())
        else:
            statement = data.draw(selects(schemas))
        note(f"{statement.text} -- {statement.parameters}")
        agree(db, others, statement)
    db.check()
    lite.close()


def agree(db: stdb.Database, others: dict[str, Any], statement: Statement) -> None:
    """The same rows everywhere: as lists where an order is asked for, else as bags."""
    ours = plain(db.sql(statement.text, *statement.parameters))
    with db.sql_stream(statement.text, *statement.parameters) as streamed:
        assert Counter(plain(streamed)) == Counter(ours)
    for name, connection in others.items():
        cursor = connection.execute(statement.text, statement.parameters)
        theirs = plain(cursor.fetchall())
        if statement.ordered:
            assert ours == theirs, name
        else:
            assert Counter(ours) == Counter(theirs), name


@pytest.mark.parametrize(
    "text",
    [
        "SELECT a.id, b.id AS other FROM s a LEFT JOIN s b ON b.c0 = a.c0 AND a.id = b.id",
        "SELECT COUNT(*) AS n FROM s WHERE c1 = 1.5 + 2",
        "SELECT * FROM s WHERE c1 > 0.5 + 1 LIMIT 9",
        "SELECT id FROM s WHERE c1 <= 0.5 * 7.0 ORDER BY id",
    ],
)
def test_a_key_that_must_be_looked_at_first(text: str) -> None:
    """Once generated code that is no Python: the key may be missing, or NaN."""
    columns = (
        Column("id", "int"),
        Column("c0", "text", nullable=True, indexed=True),
        Column("c1", "real", indexed=True),
    )
    db = open_stdb((Schema("s", columns),))
    lite = sqlite3.connect(":memory:", isolation_level=None)
    create(lite, (Schema("s", columns),))
    insert = "INSERT INTO s (id, c0, c1) VALUES (1, 'a', 1.0), (2, NULL, 3.5), (3, 'a', 2.0)"
    db.sql(insert)
    lite.execute(insert)
    agree(db, {"sqlite3": lite}, Statement(text, ()))
    lite.close()


def test_computed_nans_are_one_value() -> None:
    """As they are in rows, though Python makes a new object each time, and sqlite none."""
    schema = Schema("s", (Column("id", "int"), Column("c0", "real")))
    db = open_stdb((schema,))
    db.sql("INSERT INTO s (id, c0) VALUES (1, 1.0), (2, 1.0)")
    endless = "c0 * 1e308 * 10.0"
    nan = f"{endless} - {endless}"
    assert len(db.sql(f"SELECT DISTINCT {nan} AS x FROM s")) == 1
    assert len(db.sql(f"SELECT {nan} AS x, COUNT(*) AS n FROM s GROUP BY {nan}")) == 1
