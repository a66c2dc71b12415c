"""The same totals once more, by other means: pandas over the files, a column at a time.

This shares no code with the module nor with the feed (only the shape of the result), so that a
mistake in one shows as a difference. It knows the rules only as sentences: a flight is filed if
its airport is known and no flight of that number was filed for that day before; a plane cannot
leave while it is in the air, unless it has been there for 14 hours; and so on, as `reducers.py` and
`data.py` tell.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
from totals import Totals

ATLANTIC = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")


def recompute(files: Path, limit: int | None = None) -> Totals:
    """The totals of the first `limit` flights of the files in this directory."""
    flights = pd.read_csv(files / "flights.csv.zip", nrows=limit)
    airports = pd.read_csv(files / "airports.csv")
    planes = pd.read_csv(files / "planes.csv")
    weather = pd.read_csv(files / "weather.csv")
    put_on_one_clock(flights, airports)

    known = flights["dest"].isin(airports["faa"]) & flights["origin"].isin(airports["faa"])
    by_filing = flights[known].sort_values("sched", kind="stable")
    repeated = by_filing.duplicated(["carrier", "flight", "year", "month", "day"])
    flights["filed"] = False
    flights.loc[by_filing.index[~repeated], "filed"] = True
    flights["left"] = flights["dep"].notna()
    flights["ended"] = flights["arr"].notna()
    follow_planes(flights)

    filed, gone, ok = flights["filed"], flights["left"], flights["departed"]
    flights["landed"] = ok & flights["ended"] & ~flights["lost"] & flights["arr_delay"].notna()
    flights["diverted"] = ok & flights["ended"] & ~flights["lost"] & flights["arr_delay"].isna()
    flights["cancelled"] = filed & ~gone
    flights["late"] = flights["landed"] & (flights["arr_delay"] > 15)
    flights["flying"] = ok & ~flights["lost"] & ~flights["ended"]
    flights["departure_delay"] = flights["dep_delay"].where(ok, 0)
    flights["arrival_delay"] = flights["arr_delay"].where(flights["landed"], 0)
    flights["scheduled"] = filed

    on_file = flights[filed]
    departed = flights[ok]
    refused = {
        ("schedule", "unknown airport"): (~known).sum(),
        ("schedule", "unique flight(carrier, number, day)"): repeated.sum(),
        ("depart", "not on file"): (gone & ~filed).sum(),
        ("depart", "unique airborne(tailnum)"): (gone & filed & ~ok).sum(),
        ("land", "not on file"): (flights["ended"] & ~filed).sum(),
        ("land", "not in the air"): (flights["ended"] & filed & (~ok | flights["lost"])).sum(),
        ("cancel", "not on file"): (~gone & ~filed).sum(),
    }
    statuses = {
        "airborne": flights["flying"].sum(),
        "cancelled": flights["cancelled"].sum(),
        "diverted": flights["diverted"].sum(),
        "landed": flights["landed"].sum(),
        "lost": flights["lost"].sum(),
        "scheduled": (filed & gone & ~ok).sum(),
    }
    airline_columns = ["scheduled", "departed", "landed", "diverted", "cancelled", "lost", "late"]
    route_columns = ["scheduled", "departed", "landed", "cancelled", "arrival_delay"]
    skies = departed.assign(sky=sky_at(departed, weather))
    unregistered = departed.loc[~departed["tailnum"].isin(planes["tailnum"]), "tailnum"]
    return Totals(
        airlines=sums(on_file, "carrier", [*airline_columns, "departure_delay", "arrival_delay"]),
        routes=sums(on_file, ["origin", "dest"], route_columns),
        skies=sums(skies, "sky", ["departed", "departure_delay"]),
        statuses={status: int(count) for status, count in statuses.items() if count},
        airborne=dict.fromkeys(flights.loc[flights["flying"], "tailnum"], 1),
        unregistered=dict(Counter(unregistered)),
        refused={reason: int(count) for reason, count in refused.items() if count},
    )


def put_on_one_clock(flights: pd.DataFrame, airports: pd.DataFrame) -> None:
    """Add `sched`, `dep` and `arr`: when a flight should leave, left and landed, in UTC."""
    hour = pd.to_datetime(flights["time_hour"], utc=True)
    flights["sched"] = hour + pd.to_timedelta(flights["minute"], unit="min")
    flights["dep"] = flights["sched"] + pd.to_timedelta(flights["dep_delay"], unit="min")
    zones = dict(zip(airports["faa"], airports["tzone"], strict=True)) | ATLANTIC
    parts = []
    for zone, group in flights.dropna(subset=["arr_time"]).groupby(flights["dest"].map(zones)):
        left = group["dep"].dt.tz_convert(zone).dt.tz_localize(None)
        clock = group["arr_time"].astype(int)
        minutes = clock // 100 % 24 * 60 + clock % 100
        shown = left.dt.normalize() + pd.to_timedelta(minutes, unit="min")
        shown += pd.to_timedelta((shown < left).astype(int), unit="D")
        local = shown.dt.tz_localize(zone, ambiguous=True, nonexistent=pd.Timedelta(hours=1))
        parts.append(local.dt.tz_convert("UTC"))
    flights["arr"] = pd.concat(parts)


def follow_planes(flights: pd.DataFrame) -> None:
    """Add `departed` (it could: its plane was not in the air) and `lost` (it was given up)."""
    departures = flights[flights["filed"] & flights["left"]].sort_values("dep", kind="stable")
    departed: set[int] = set()
    lost: set[int] = set()
    last: dict[str, tuple[int, pd.Timestamp, pd.Timestamp]] = {}
    columns = [departures[name] for name in ("tailnum", "dep", "arr")]
    for flight, tailnum, left, landed in zip(departures.index, *columns, strict=True):
        if tailnum in last:
            before, since, until = last[tailnum]
            if pd.isna(until) or until > left:
                if left - since < pd.Timedelta(hours=14):
                    continue
                lost.add(before)
        departed.add(flight)
        last[tailnum] = (flight, left, landed)
    flights["departed"] = flights.index.isin(departed)
    flights["lost"] = flights.index.isin(lost)


def sky_at(departures: pd.DataFrame, weather: pd.DataFrame) -> pd.Series:
    """The sky under which each of these flights left."""
    weather = weather.assign(hour=pd.to_datetime(weather["time_hour"], utc=True), sky="fair")
    weather.loc[weather["wind_speed"] >= 25, "sky"] = "wind (25 mph or more)"
    weather.loc[weather["precip"] > 0, "sky"] = "rain or snow"
    weather.loc[weather["visib"] < 2, "sky"] = "fog (visibility under 2 miles)"
    sky = weather.set_index(["origin", "hour"])["sky"]
    keys = pd.MultiIndex.from_arrays([departures["origin"], departures["dep"].dt.floor("h")])
    return pd.Series(sky.reindex(keys).fillna("not recorded").to_numpy(), index=departures.index)


def sums(frame: pd.DataFrame, by: str | list[str], columns: list[str]) -> dict[Any, dict[str, int]]:
    """`{group: {column: sum}}`, in plain integers."""
    table = frame.groupby(by)[columns].sum().astype(int)
    return {
        group: dict(zip(columns, values, strict=True))
        for group, values in zip(table.index, table.to_numpy().tolist(), strict=True)
    }
