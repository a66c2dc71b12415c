"""What the checkers know of compiled modules. tests/typing/test_typing.py reads this."""

from pathlib import Path
from typing import reveal_type

import stdb

limits = stdb.Limits(time_s=0.5, memory_bytes=1 << 20, fuel=None)
reveal_type(limits.fuel)  # -> int | None
db = stdb.Database("game.wasm", Path("game.stdb"), limits=limits)
reveal_type(db)  # -> Database
reveal_type(db.module_bytes)  # -> bytes | None
stdb.Database(stdb.Module.from_file("game.wasm"))
stdb.Database.open("game.stdb", "game.wasm", limits=limits)
stdb.Database("game.wasm", limits=5)  # error: mypy[arg-type] pyright[reportArgumentType]
