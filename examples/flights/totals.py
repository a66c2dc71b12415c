"""The totals of a run, in the shape in which the module and the check are compared."""

from dataclasses import dataclass, field

from module import (
    Airborne,
    AirlineStats,
    Flight,
    RouteStats,
    SkyStats,
    UnregisteredPlane,
)

import stdb


@dataclass
class Totals:
    """What the module's tables and an independent computation must agree on."""

    airlines: dict[str, dict[str, int]] = field(default_factory=dict)
    routes: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    skies: dict[str, dict[str, int]] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    airborne: dict[str, int] = field(default_factory=dict)
    unregistered: dict[str, int] = field(default_factory=dict)
    refused: dict[tuple[str, str], int] = field(default_factory=dict)

    def count(self) -> int:
        """How many figures that is."""
        groups = (*self.airlines.values(), *self.routes.values(), *self.skies.values())
        singles = (self.statuses, self.airborne, self.unregistered, self.refused)
        return sum(len(group) for group in groups) + sum(len(single) for single in singles)

    def differences(self, other: "Totals") -> list[str]:
        """Where the two do not agree, a line each, our figures first."""
        lines: list[str] = []
        for name, ours in vars(self).items():
            theirs = getattr(other, name)
            lines += [
                f"{name}[{key!r}]: {ours.get(key)} here, {theirs.get(key)} there"
                for key in sorted(ours.keys() | theirs.keys())
                if ours.get(key) != theirs.get(key)
            ]
        return lines


def gather(db: stdb.Database, refused: dict[tuple[str, str], int]) -> Totals:
    """Read the totals out of the module's tables, with the refusals that its callers saw."""
    totals = Totals(refused=dict(refused))
    with db.transaction(readonly=True) as tx:
        for airline in tx.db[AirlineStats]:
            totals.airlines[airline.carrier] = {
                "scheduled": airline.scheduled,
                "departed": airline.departed,
                "landed": airline.landed,
                "diverted": airline.diverted,
                "cancelled": airline.cancelled,
                "lost": airline.lost,
                "late": airline.late,
                "departure_delay": airline.departure_delay,
                "arrival_delay": airline.arrival_delay,
            }
        for route in tx.db[RouteStats]:
            totals.routes[route.origin, route.dest] = {
                "scheduled": route.scheduled,
                "departed": route.departed,
                "landed": route.landed,
                "cancelled": route.cancelled,
                "arrival_delay": route.arrival_delay,
            }
        for stats in tx.db[SkyStats]:
            totals.skies[stats.sky.value] = {
                "departed": stats.departed,
                "departure_delay": stats.departure_delay,
            }
        for flight in tx.db[Flight]:
            status = flight.status.value
            totals.statuses[status] = totals.statuses.get(status, 0) + 1
        totals.airborne = {plane.tailnum: 1 for plane in tx.db[Airborne]}
        totals.unregistered = {
            plane.tailnum: plane.departures for plane in tx.db[UnregisteredPlane]
        }
    return totals
