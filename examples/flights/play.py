"""Plays the year: fills the tables of reference, then calls the reducers in the feed's order."""

from collections import Counter
from collections.abc import Callable, Iterable

import data
from module import Airline, Airport, Plane, Weather

import stdb

REPORT_EVERY = 5_000


class Refusals:
    """Counts what the module refused, by reducer and reason, and keeps the first text of each."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.examples: dict[tuple[str, str], str] = {}

    def add(self, reducer: str, error: stdb.Error) -> None:
        """Count one refusal."""
        if isinstance(error, stdb.UniqueConstraintViolation):
            reason = f"unique {error.table}({', '.join(error.columns)})"
        else:
            reason = str(error).partition(":")[0]
        self.counts[reducer, reason] += 1
        self.examples.setdefault((reducer, reason), str(error))


def load_reference(db: stdb.Database) -> None:
    """Fill in the airlines, airports, planes and the weather, in one transaction."""
    with db.transaction() as tx:
        tx.db[Airline].insert_many(
            Airline(carrier=str(line["carrier"]), name=str(line["name"]))
            for line in data.read_table("airlines")
        )
        tx.db[Airport].insert_many(
            Airport(code=str(line["faa"]), name=str(line["name"]))
            for line in data.read_table("airports")
        )
        tx.db[Plane].insert_many(
            Plane(
                tailnum=str(line["tailnum"]),
                manufacturer=str(line["manufacturer"]),
                model=str(line["model"]),
                seats=int(line["seats"] or 0),
            )
            for line in data.read_table("planes")
        )
        tx.db[Weather].insert_many(
            Weather(
                origin=hour.origin,
                hour=data.to_timestamp(hour.hour),
                visibility_miles=hour.visibility,
                precipitation_inches=hour.precipitation,
                wind_mph=hour.wind_speed,
            )
            for hour in data.read_weather()
        )


def play(
    db: stdb.Database,
    clock: stdb.ManualClock,
    events: Iterable[data.Event],
    report: Callable[[int, int], None],
) -> Refusals:
    """Call a reducer for each event, with the clock at the event's minute.

    A refusal is counted and the feed goes on; anything else that goes wrong is a bug and is raised.
    `report` is told how many calls are done, and the minute, now and then.
    """
    refusals = Refusals()
    call = db.call
    now = clock.micros() // data.MICROS_A_MINUTE
    done = 0
    for minute, reducer, arguments in events:
        if minute != now:
            clock.advance((minute - now) * 60)
            now = minute
        try:
            call(reducer, *arguments)
        except stdb.ModuleError:
            raise  # The reducer's code broke: that is no refusal.
        except (stdb.ReducerError, stdb.ConstraintViolation) as error:
            refusals.add(reducer, error)
        done += 1
        if done % REPORT_EVERY == 0:
            report(done, minute)
    report(done, now)
    return refusals
