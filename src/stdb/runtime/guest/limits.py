"""How much a call of a compiled module may use."""

from __future__ import annotations

import msgspec

from ...errors import TypeMismatch


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a compiled module (WebAssembly, JavaScript) may use; a Python module has no limits.

    Parameters
    ----------
    time_s : float or None
        For how long a call may run, in seconds of its own work: time that it waits is not counted.
        None for as long as it likes; Ctrl-C ends it all the same.
    memory_bytes : int
        How large its memory may grow.
    fuel : int or None
        How many instructions a call of a WebAssembly module may take, about one each. Unlike time
        it is the same on every machine. None not to count, which is faster.

    Examples
    --------
    >>> import stdb
    >>> stdb.Limits(time_s=0.5, memory_bytes=64 * 1024**2)
    Limits(time_s=0.5, memory_bytes=67108864, fuel=None)
    """

    time_s: float | None = 60.0
    memory_bytes: int = 1024**3
    fuel: int | None = None

    def __post_init__(self) -> None:
        """Refuse what is no limit."""
        if self.time_s is not None and (
            self.time_s.__class__ not in (int, float) or not self.time_s > 0
        ):
            raise TypeMismatch(
                f"time_s is a number of seconds above 0, or None, not {self.time_s!r}"
            )
        if self.memory_bytes.__class__ is not int or self.memory_bytes < 65_536:
            raise TypeMismatch(
                f"memory_bytes is a number of bytes, 65536 or more, not {self.memory_bytes!r}"
            )
        if self.fuel is not None and (
            self.fuel.__class__ is not int or not 0 < self.fuel < 1 << 63
        ):
            raise TypeMismatch(
                f"fuel is a number of instructions above 0, or None, not {self.fuel!r}"
            )
