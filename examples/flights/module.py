"""The tables: what is known of airlines, airports, planes and the weather, and the flights on file.

The statistics are tables like the others, kept up to date by the reducers (`reducers.py`) with
every call, so that any moment of the year can be asked for them.
"""

import enum

from stdb import (
    Module,
    Row,
    Timestamp,
    column,
    i16,
    i64,
    index,
    primary_key,
    u16,
    u32,
    u64,
    unique,
)

air_traffic = Module("air-traffic")

LATE_MINUTES = 15


class Status(enum.Enum):
    """Where a flight is in its life."""

    SCHEDULED = "scheduled"
    AIRBORNE = "airborne"
    LANDED = "landed"
    DIVERTED = "diverted"
    CANCELLED = "cancelled"
    LOST = "lost"


class Sky(enum.Enum):
    """The weather at a departure, by what is worst about it."""

    FOG = "fog (visibility under 2 miles)"
    RAIN = "rain or snow"
    WIND = "wind (25 mph or more)"
    FAIR = "fair"
    UNKNOWN = "not recorded"


@air_traffic.table(public=True)
class Airline(Row):
    """An airline, by its two-letter code."""

    carrier: str = primary_key()
    name: str


@air_traffic.table(public=True)
class Airport(Row):
    """An airport of the United States, by its FAA code."""

    code: str = primary_key()
    name: str


@air_traffic.table(public=True)
class Plane(Row):
    """A registered plane, by the number on its tail."""

    tailnum: str = primary_key()
    manufacturer: str
    model: str
    seats: u16


@air_traffic.table(public=True)
class Weather(Row):
    """An hour of weather at an airport."""

    id: u32 = primary_key(auto_inc=True)
    origin: str
    hour: Timestamp
    visibility_miles: float
    precipitation_inches: float
    wind_mph: float | None

    by_hour = unique("origin", "hour")

    @property
    def sky(self) -> Sky:
        """The worst that can be said of it."""
        if self.visibility_miles < 2:
            return Sky.FOG
        if self.precipitation_inches > 0:
            return Sky.RAIN
        if self.wind_mph is not None and self.wind_mph >= 25:
            return Sky.WIND
        return Sky.FAIR


@air_traffic.table(public=True)
class Flight(Row):
    """A flight on file; delays are minutes, negative when early."""

    id: u64 = primary_key(auto_inc=True)
    carrier: str
    number: u16
    day: str
    origin: str
    dest: str
    departs: Timestamp = index()
    status: Status
    tailnum: str | None = index("hash", default=None)
    departed: Timestamp | None = None
    departure_delay: i16 | None = None
    arrival_delay: i16 | None = None

    by_number = unique("carrier", "number", "day")
    by_carrier_day = index("carrier", "day")
    by_route = index("origin", "dest", algorithm="hash")

    def __str__(self) -> str:
        """What it is called on a board, as in `UA 1545 EWR-IAH 2013-01-01`."""
        return f"{self.carrier} {self.number} {self.origin}-{self.dest} {self.day}"


@air_traffic.table(public=True)
class Airborne(Row):
    """A plane that is in the air. It can be there once."""

    tailnum: str = primary_key()
    flight_id: u64
    since: Timestamp


@air_traffic.table(public=True)
class UnregisteredPlane(Row):
    """A plane that flies though `plane` does not have it: some airlines tell fleet numbers."""

    tailnum: str = primary_key()
    departures: u32


@air_traffic.table(public=True)
class AirlineStats(Row):
    """The year of an airline so far; delays are sums of minutes, `late` is over 15 on arrival."""

    carrier: str = primary_key()
    scheduled: u32 = column(default=0)
    departed: u32 = column(default=0)
    landed: u32 = column(default=0)
    diverted: u32 = column(default=0)
    cancelled: u32 = column(default=0)
    lost: u32 = column(default=0)
    late: u32 = column(default=0)
    departure_delay: i64 = column(default=0)
    arrival_delay: i64 = column(default=0)


@air_traffic.table(public=True)
class RouteStats(Row):
    """The same of a route."""

    id: u32 = primary_key(auto_inc=True)
    origin: str
    dest: str
    scheduled: u32 = column(default=0)
    departed: u32 = column(default=0)
    landed: u32 = column(default=0)
    cancelled: u32 = column(default=0)
    arrival_delay: i64 = column(default=0)

    by_route = unique("origin", "dest")


@air_traffic.table(public=True)
class SkyStats(Row):
    """How late flights left under which sky."""

    sky: Sky = primary_key()
    departed: u32 = column(default=0)
    departure_delay: i64 = column(default=0)
