"""The reducers: what may happen to a flight.

`schedule`, `depart`, `land` and `cancel` are the life of a flight. Each refuses what cannot be, and
then nothing of the call remains; otherwise it moves the flight on and keeps the statistics.

What is refused
---------------
* a flight to or from an airport that the table `airport` does not have (a foreign key, by hand);
* a second flight of the same number on the same day (`Flight.by_number`, a unique constraint of
  three columns: the engine's refusal);
* a departure of a plane that is in the air (the primary key of `airborne`, again the engine's: by
  then the reducer has changed the flight already, and that is taken back);
* whatever happens to a flight that is not on file, or a landing of one that is not in the air.

A refusal's text begins with its reason, up to the colon.
"""

from module import (
    LATE_MINUTES,
    Airborne,
    AirlineStats,
    Flight,
    RouteStats,
    Sky,
    SkyStats,
    Status,
    UnregisteredPlane,
    Weather,
    air_traffic,
)

from stdb import ReducerContext, ReducerError, Timestamp, i16, u16

__all__ = ["air_traffic", "cancel", "depart", "land", "schedule"]

# A plane whose landing was not told this long after its departure may depart again: longer than any
# flight from New York that reached its destination (the longest, to Honolulu, took some 12 hours).
LOST_AFTER_MICROS = 14 * 3_600_000_000
HOUR_MICROS = 3_600_000_000


@air_traffic.reducer
def schedule(
    ctx: ReducerContext,
    carrier: str,
    number: u16,
    day: str,
    origin: str,
    dest: str,
    departs: Timestamp,
) -> None:
    """Put a flight on file."""
    if ctx.db.airline.carrier.find(carrier) is None:
        raise ReducerError(f"unknown airline: {carrier} is not in the table airline")
    for code in (origin, dest):
        if ctx.db.airport.code.find(code) is None:
            raise ReducerError(
                f"unknown airport: {code} is not in the table airport"
                f" ({carrier} {number} {origin}-{dest} {day})"
            )
    ctx.db.flight.insert(
        Flight(
            carrier=carrier,
            number=number,
            day=day,
            origin=origin,
            dest=dest,
            departs=departs,
            status=Status.SCHEDULED,
        )
    )
    airline = airline_stats(ctx, carrier)
    ctx.db.airline_stats.carrier.update(airline.replace(scheduled=airline.scheduled + 1))
    route = route_stats(ctx, origin, dest)
    ctx.db.route_stats.id.update(route.replace(scheduled=route.scheduled + 1))


@air_traffic.reducer
def depart(
    ctx: ReducerContext,
    carrier: str,
    number: u16,
    day: str,
    origin: str,
    tailnum: str,
    delay: i16,
) -> None:
    """Send a flight off with this plane, `delay` minutes after its time."""
    flight = flight_on_file(ctx, carrier, number, day, origin)
    if flight.status is not Status.SCHEDULED:
        raise ReducerError(f"not waiting to depart: {flight} is {flight.status.value}")
    ctx.db.flight.id.update(
        flight.replace(
            status=Status.AIRBORNE,
            tailnum=tailnum,
            departed=ctx.timestamp,
            departure_delay=delay,
        )
    )
    give_up_lost(ctx, tailnum)
    ctx.db.airborne.insert(Airborne(tailnum=tailnum, flight_id=flight.id, since=ctx.timestamp))
    if ctx.db.plane.tailnum.find(tailnum) is None:
        plane = ctx.db[UnregisteredPlane].tailnum.find(tailnum)
        departures = 1 if plane is None else plane.departures + 1
        ctx.db.unregistered_plane.tailnum.insert_or_update(
            UnregisteredPlane(tailnum=tailnum, departures=departures)
        )

    airline = airline_stats(ctx, carrier)
    ctx.db.airline_stats.carrier.update(
        airline.replace(
            departed=airline.departed + 1,
            departure_delay=airline.departure_delay + delay,
        )
    )
    route = route_stats(ctx, origin, flight.dest)
    ctx.db.route_stats.id.update(route.replace(departed=route.departed + 1))
    sky = sky_over(ctx, origin)
    under = ctx.db[SkyStats].sky.find(sky) or SkyStats(sky=sky)
    ctx.db.sky_stats.sky.insert_or_update(
        under.replace(
            departed=under.departed + 1,
            departure_delay=under.departure_delay + delay,
        )
    )


@air_traffic.reducer
def land(
    ctx: ReducerContext,
    carrier: str,
    number: u16,
    day: str,
    origin: str,
    delay: i16 | None,
) -> None:
    """End a flight, `delay` minutes after its time; None when it had been diverted on the way."""
    flight = flight_on_file(ctx, carrier, number, day, origin)
    if flight.status is not Status.AIRBORNE:
        raise ReducerError(f"not in the air: {flight} is {flight.status.value}")
    ctx.db.airborne.tailnum.delete(flight.tailnum)
    airline = airline_stats(ctx, carrier)
    if delay is None:
        ctx.db.flight.id.update(flight.replace(status=Status.DIVERTED))
        ctx.db.airline_stats.carrier.update(airline.replace(diverted=airline.diverted + 1))
        return
    ctx.db.flight.id.update(flight.replace(status=Status.LANDED, arrival_delay=delay))
    ctx.db.airline_stats.carrier.update(
        airline.replace(
            landed=airline.landed + 1,
            arrival_delay=airline.arrival_delay + delay,
            late=airline.late + (1 if delay > LATE_MINUTES else 0),
        )
    )
    route = route_stats(ctx, origin, flight.dest)
    ctx.db.route_stats.id.update(
        route.replace(landed=route.landed + 1, arrival_delay=route.arrival_delay + delay)
    )


@air_traffic.reducer
def cancel(ctx: ReducerContext, carrier: str, number: u16, day: str, origin: str) -> None:
    """Give a flight up that has not departed."""
    flight = flight_on_file(ctx, carrier, number, day, origin)
    if flight.status is not Status.SCHEDULED:
        raise ReducerError(f"too late to cancel: {flight} is {flight.status.value}")
    ctx.db.flight.id.update(flight.replace(status=Status.CANCELLED))
    airline = airline_stats(ctx, carrier)
    ctx.db.airline_stats.carrier.update(airline.replace(cancelled=airline.cancelled + 1))
    route = route_stats(ctx, origin, flight.dest)
    ctx.db.route_stats.id.update(route.replace(cancelled=route.cancelled + 1))


def flight_on_file(ctx: ReducerContext, carrier: str, number: int, day: str, origin: str) -> Flight:
    """The flight of that number and day, if it leaves from there; otherwise a refusal."""
    flight = ctx.db[Flight].by_number.find(carrier, number, day)
    if flight is None or flight.origin != origin:
        raise ReducerError(f"not on file: {carrier} {number} from {origin} on {day}")
    return flight


def airline_stats(ctx: ReducerContext, carrier: str) -> AirlineStats:
    """The statistics of an airline; its first flight begins them."""
    table = ctx.db[AirlineStats]
    return table.carrier.find(carrier) or table.insert(AirlineStats(carrier=carrier))


def route_stats(ctx: ReducerContext, origin: str, dest: str) -> RouteStats:
    """The statistics of a route; its first flight begins them."""
    table = ctx.db[RouteStats]
    return table.by_route.find(origin, dest) or table.insert(RouteStats(origin=origin, dest=dest))


def give_up_lost(ctx: ReducerContext, tailnum: str) -> None:
    """Count as lost the flight that this plane left for long ago and whose end was never told."""
    held = ctx.db[Airborne].tailnum.find(tailnum)
    if held is None or ctx.timestamp.micros - held.since.micros < LOST_AFTER_MICROS:
        return
    flight = ctx.db[Flight].id.find(held.flight_id)
    assert flight is not None, "a plane in the air is on a flight"
    ctx.db.airborne.tailnum.delete(tailnum)
    ctx.db.flight.id.update(flight.replace(status=Status.LOST))
    airline = airline_stats(ctx, flight.carrier)
    ctx.db.airline_stats.carrier.update(airline.replace(lost=airline.lost + 1))


def sky_over(ctx: ReducerContext, origin: str) -> Sky:
    """The weather at an airport in the hour of this call."""
    now = ctx.timestamp.micros
    hour = Timestamp.from_micros(now - now % HOUR_MICROS)
    weather = ctx.db[Weather].by_hour.find(origin, hour)
    return Sky.UNKNOWN if weather is None else weather.sky
