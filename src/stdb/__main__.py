"""``python -m stdb``: the same as the command ``stdb``."""

from stdb.cli import main

main()
