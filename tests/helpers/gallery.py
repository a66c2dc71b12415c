"""A compiled module with every kind of type and a namespace, and a program that uses its bindings.

The program is read by type checkers, and run.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING

from tests.helpers.bodies import adds, answers, shows
from tests.helpers.compiled import compiled

import stdb
from stdb import Module, Row, column, f64, index, primary_key, sum_type, u8, u32, u64, unique

if TYPE_CHECKING:
    from pathlib import Path


class Color(enum.Enum):
    RED = 1
    BLUE = 2


@dataclasses.dataclass(frozen=True)
class Point:
    x: f64
    y: f64


@sum_type
class Shape:
    Circle: f64
    Polygon: list[Point]
    Labelled: stdb.Ok[str] | stdb.Err[u32]
    Nothing: None


def gallery() -> Module:
    """Return the module."""
    made = Module("gallery")

    @made.table(public=True)
    class Drawing(Row):
        id: u64 = primary_key(auto_inc=True)
        shape: Shape
        color: Color = index()
        tags: list[str]
        inside: Shape | None
        by_color_and_id = unique("color", "id")

    @made.table()
    class Secret(Row):
        text: str

    @made.table(public=True)
    class Odd(Row):
        """What Python, rows and handles have names for themselves."""

        int: u8 = index()
        replace: u32 = column()
        stdb: u32 | None
        where: Shape

    columns = {"id": u64, "shape": Shape, "color": Color, "tags": list[str],
               "inside": Shape | None}  # fmt: skip
    made.reducer(name="draw")(adds("drawing", **columns))
    made.reducer(name="be_odd")(adds("odd", int=u8, replace=u32, stdb=u32 | None, where=Shape))
    made.reducer(name="whisper", public=False)(adds("secret", text=str))
    made.reducer(name="import")(adds("secret", text=str))
    made.procedure(name="count")(answers(7))

    artists = Module("artists")

    @sum_type
    class Mark:
        Name: str
        Cross: None

    @artists.table(public=True)
    class Artist(Row):
        id: u64 = primary_key()
        age: u32
        mark: Mark

    @artists.table(public=True)
    class Age(Row):
        id: u64 = primary_key()
        age: u32

    artists.reducer(name="join")(adds("artist", id=u64, age=u32, mark=Mark))
    artists.reducer(name="age")(adds("age", id=u64, age=u32))
    artists.view(public=True, name="ages")(shows(Age, "age", context=stdb.AnonymousViewContext))
    artists.procedure(name="count")(answers(8))
    made.include(artists, namespace="artists")
    return made


def written(directory: Path) -> Path:
    """Write the module and return its file."""
    return compiled(gallery(), directory / "gallery.wasm")


PROGRAM = """\
from __future__ import annotations

import asyncio
import sys
from typing import assert_never, reveal_type

import gallery
import stdb
from gallery import AnyShape, ArtistsMark, Color, Point, Shape


def said(shape: AnyShape) -> str:
    match shape:
        case Shape.Circle(radius):
            reveal_type(radius)  # -> float
            return f"circle {radius}"
        case Shape.Polygon(points):
            reveal_type(points)  # -> tuple[Point, ...]
            return f"polygon of {len(points)}, from {points[0].x}"
        case Shape.Labelled(stdb.Ok(text)):
            reveal_type(text)  # -> str
            return f"labelled {text}"
        case Shape.Labelled(stdb.Err(number)):
            reveal_type(number)  # -> int
            return f"error {number}"
        case Shape.Labelled():
            return "a label"
        case Shape.Nothing:
            return "nothing"
        case _:
            assert_never(shape)


def main(path: str) -> None:
    db = stdb.Database(path)
    with gallery.connect(db) as conn:
        reveal_type(conn)  # -> Connection
        conn.subscribe("SELECT * FROM drawing", gallery.Odd, gallery.ArtistsArtist)
        conn.subscribe("SELECT * FROM artists.ages")

        @conn.db.drawing.on_insert
        def show(event: stdb.Event, row: gallery.Drawing) -> None:
            print(row.id, said(row.shape), row.color.name, row.tags, row.inside)

        @conn.db.artists.artist.on_insert
        def welcome(event: stdb.Event, row: gallery.ArtistsArtist) -> None:
            match row.mark:
                case ArtistsMark.Name(name):
                    print("welcome", name)
                case ArtistsMark.Cross:
                    print("welcome, whoever you are")

        reducers = conn.reducers
        reducers.draw(0, Shape.Circle(1.5), Color.RED, ["a", "b"], None)
        reducers.draw(0, Shape.Nothing, Color.BLUE, [], Shape.Nothing)
        reducers.draw(
            id=0,
            shape=Shape.Polygon((Point(1.0, 2.0), Point(x=3.0, y=4.0))),
            color=Color.BLUE,
            tags=(),
            inside=Shape.Labelled(stdb.Ok("x")),
        )
        reducers.draw(0, Shape.Labelled(stdb.Err(7)), Color.RED, [], None)
        reducers.be_odd(1, 2, 3, Shape.Circle(4.0))
        reducers.artists.join(1, 40, ArtistsMark.Name("Ann"))
        reducers.artists.join(2, 50, ArtistsMark.Cross)
        reducers.artists.age(1, 40)

        found = conn.db.drawing.id.find(2)
        reveal_type(found)  # -> Drawing | None
        if found is not None:
            print(found == gallery.Drawing(
                id=2, shape=Shape.Nothing, color=Color.BLUE, tags=(), inside=Shape.Nothing
            ))
            print(type(found) is gallery.Drawing, isinstance(found.shape, Shape))
        print(sorted(row.id for row in conn.db.drawing.color.filter(Color.BLUE)))
        print([row.id for row in conn.db[gallery.Drawing].by_color_and_id.filter(Color.RED, ge=2)])
        odd = next(iter(conn.db.odd))
        reveal_type(odd.replace)  # -> int
        reveal_type(odd.where)  # -> Circle | Polygon | Labelled | Literal[Nothing]
        print(odd.int, odd.replace, odd.stdb, said(odd.where))
        print(next(iter(conn.db.artists.ages)).age)
        print(conn.procedures.count(), conn.procedures.artists.count())
        try:
            reducers.draw(0, 1.5, Color.RED, [], None)  # error: mypy[arg-type] pyright[reportArgumentType]
        except stdb.TypeMismatch as error:
            print(type(error).__name__)
    asyncio.run(again(db))


async def again(db: stdb.Database) -> None:
    async with gallery.connect(db) as conn:
        reveal_type(conn)  # -> AsyncConnection
        await conn.subscribe(gallery.Drawing)
        await conn.reducers.draw(0, Shape.Circle(9.0), Color.RED, [], None)
        print(len(conn.db.drawing), await conn.procedures.artists.count())


def never(conn: gallery.AsyncConnection, other: gallery.Connection) -> None:
    other.db.nothing  # error: mypy[attr-defined] pyright[reportAttributeAccessIssue, reportUnknownMemberType]
    other.reducers.artists.draw()  # error: mypy[attr-defined] pyright[reportAttributeAccessIssue, reportUnknownMemberType]
    other.db.drawing.id.find("x")  # error: mypy[arg-type] pyright[reportArgumentType]
    if len(other.db.odd):
        conn.reducers.draw("x")  # error: mypy[call-arg, arg-type, unused-coroutine] pyright[reportCallIssue]


if __name__ == "__main__":
    main(sys.argv[1])
"""
#: What the program prints.
PRINTED = """\
1 circle 1.5 RED ('a', 'b') None
2 nothing BLUE () Shape.Nothing
3 polygon of 2, from 1.0 BLUE () Shape.Labelled(Ok(value='x'))
4 error 7 RED () None
welcome Ann
welcome, whoever you are
True
True True
[2, 3]
[4]
1 2 3 circle 4.0
40
7 8
TypeMismatch
5 8
"""
