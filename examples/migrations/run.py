"""A game through four versions, its players never lost: ``python examples/migrations/run.py``.

The versions are in the directory beside this file, as they would follow each other in a repository.
Each is published to the same database, in a directory of databases.
"""

import sys
import tempfile
from pathlib import Path

import stdb

VERSIONS = Path(__file__).parent / "versions"


def publish(host: stdb.Host, version: str) -> None:
    """Publish a version of the game, and show what that changes."""
    module = VERSIONS / f"{version}.py"
    plan = host.plan("my-game", module)
    print(f"\n=== version {version} ===\n")
    if plan is not None:
        print(plan.text(colored=sys.stdout.isatty()))
    host.publish("my-game", module)


def show(host: stdb.Host, table: str) -> None:
    """Show a table."""
    print(f"\n{table}:")
    print(host["my-game"].sql(f"SELECT * FROM {table} ORDER BY id"))  # noqa: S608 - its own name


def main(directory: str) -> None:
    """Play, and publish, and play."""
    with stdb.Host(directory) as host:
        publish(host, "one")
        game = host["my-game"]
        for name in ("ann", "bob", "cid"):
            game.call("join", name)
        for _ in range(5):
            game.call("win", 1)
        show(host, "player")

        publish(host, "two")
        game.call("win", 2)
        show(host, "player")
        try:
            game.call("join", "ann")
        except stdb.UniqueConstraintViolation as error:
            print(f"\nnames are unique now: {error}")

        print("\nWhat cannot be: version four at once, while the old table holds players.")
        try:
            host.publish("my-game", VERSIONS / "four.py")
        except stdb.MigrationError as error:
            print(error)

        publish(host, "three")
        game.call("win", 1)  # ann moves; bob and cid have not been needed yet
        show(host, "player")
        show(host, "ranked_player")
        game.call("move_everybody")

        publish(host, "four")
        for _ in range(15):
            game.call("win", 1)
        show(host, "ranked_player")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(temporary)
