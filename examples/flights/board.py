"""The final board: what the tables know at the end of the year, read in one transaction."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from module import (
    LATE_MINUTES,
    Airborne,
    Airline,
    AirlineStats,
    Airport,
    Flight,
    Plane,
    RouteStats,
    SkyStats,
)
from play import Refusals
from screen import Screen

import stdb

NEW_YORK = ZoneInfo("America/New_York")
ROUTES_SHOWN = 10
DEPARTURES_SHOWN = 10


def show(screen: Screen, db: stdb.Database, now: stdb.Timestamp, refusals: Refusals) -> None:
    """Print the board, as of `now`."""
    with db.transaction(readonly=True) as tx:
        show_routes(screen, tx)
        show_airlines(screen, tx, now)
        show_skies(screen, tx)
        show_departures(screen, tx, now)
    show_refusals(screen, refusals)


def show_routes(screen: Screen, tx: stdb.Transaction) -> None:
    """Print the routes with the most flights."""
    airports = {airport.code: airport.name for airport in tx.db[Airport]}
    busiest = sorted(tx.db[RouteStats], key=lambda route: -route.scheduled)[:ROUTES_SHOWN]
    rows = []
    for route in busiest:
        flights = tx.db[Flight].by_route.filter(route.origin, route.dest)
        rows.append(
            (
                f"{route.origin}-{route.dest}",
                airports[route.dest],
                len({flight.carrier for flight in flights}),
                route.scheduled,
                route.cancelled,
                route.arrival_delay / max(route.landed, 1),
            )
        )
    columns = ("route", "to", "airlines", "flights", "cancelled", "delay")
    screen.table("Busiest routes (delays are minutes)", columns, rows)


def show_airlines(screen: Screen, tx: stdb.Transaction, now: stdb.Timestamp) -> None:
    """Print the airlines, the latest first."""
    airlines = {airline.carrier: airline.name for airline in tx.db[Airline]}
    week = f"{now.to_datetime().astimezone(NEW_YORK) - timedelta(days=6):%Y-%m-%d}"
    rows = []
    for stats in tx.db[AirlineStats]:
        of_week = tx.db[Flight].by_carrier_day.filter(stats.carrier, ge=week)
        landed = max(stats.landed, 1)
        rows.append(
            (
                airlines[stats.carrier],
                stats.scheduled,
                sum(1 for _ in of_week),
                stats.cancelled,
                stats.diverted + stats.lost,
                stats.departure_delay / max(stats.departed, 1),
                stats.arrival_delay / landed,
                100 * stats.late / landed,
            )
        )
    rows.sort(key=lambda row: -row[-2])
    columns = (
        "airline",
        "flights",
        "in week",
        "cancelled",
        "astray",
        "left",
        "came",
        f"% > {LATE_MINUTES}",
    )
    screen.table("Airlines, and how many minutes late they left and came", columns, rows)


def show_skies(screen: Screen, tx: stdb.Transaction) -> None:
    """Print what the weather does to departures."""
    rows = [
        (stats.sky.value, stats.departed, stats.departure_delay / stats.departed)
        for stats in tx.db[SkyStats]
    ]
    rows.sort(key=lambda row: -row[-1])
    screen.table(
        "Departures, by the weather (delays are minutes)", ("weather", "flights", "delay"), rows
    )


def show_departures(screen: Screen, tx: stdb.Transaction, now: stdb.Timestamp) -> None:
    """Print the last departures."""
    since = stdb.Timestamp.from_micros(now.micros - 2 * 86_400_000_000)
    left = [
        (flight.departed, flight.id, flight)
        for flight in tx.db[Flight].departs.filter(ge=since)
        if flight.departed is not None
    ]
    rows = []
    for departed, _, flight in sorted(left, reverse=True)[:DEPARTURES_SHOWN]:
        plane = tx.db[Plane].tailnum.find(flight.tailnum)
        rows.append(
            (
                f"{departed.to_datetime().astimezone(NEW_YORK):%b %d %H:%M}",
                f"{flight.carrier} {flight.number}",
                f"{flight.origin}-{flight.dest}",
                flight.tailnum or "",
                "(unregistered)" if plane is None else f"{plane.manufacturer} {plane.model}",
                flight.departure_delay or 0,
                flight.status.value,
            )
        )
    columns = ("left", "flight", "route", "tail", "plane", "delay", "now")
    screen.table("Last departures (New York time, delays are minutes)", columns, rows)
    screen.say(f"{len(tx.db[Airborne])} planes never told of a landing and still count as flying")


def show_refusals(screen: Screen, refusals: Refusals) -> None:
    """Print what was refused and why, with the text of the first refusal of each kind."""
    rows = [
        (reducer, reason, count, refusals.examples[reducer, reason])
        for (reducer, reason), count in refusals.counts.most_common()
    ]
    columns = ("reducer", "reason", "times", "the first of them")
    screen.table("Refused, and nothing changed", columns, rows)
