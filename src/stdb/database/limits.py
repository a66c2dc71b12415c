"""Running a procedure for a limited time.

Python cannot end a thread, but it can have it raise an exception at its next instruction. So a
procedure with a limit runs on a thread of its own; when its time is over, the caller gets its error
at once, and the thread is told to stop: by its context, which does nothing more for it, and by an
exception, which passes through every ``except Exception`` and undoes the open transaction. Only a
call into C that does not come back, such as ``time.sleep``, keeps the thread until it returns.
"""

from __future__ import annotations

import contextvars
import sys
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final

from ..errors import ProcedureTimeout
from ..runtime.waiting import Stopped, stop_thread

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from ..runtime.waiting import Deadline

#: How long a thread that was told to stop is waited for.
_GRACE_S: Final = 1.0


def run_limited(work: Callable[[], Any], deadline: Deadline) -> Any:
    """Return what `work` returns, or raise `ProcedureTimeout` when that takes too long."""
    outcome: list[tuple[Any, BaseException | None]] = []
    done = Event()

    def run() -> None:
        try:
            outcome.append((work(), None))
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            outcome.append((None, error))
        finally:
            done.set()

    context = contextvars.copy_context()
    thread = Thread(target=context.run, args=(run,), name="stdb procedure", daemon=True)
    thread.start()
    try:
        done.wait(deadline.left())
    except ProcedureTimeout:
        pass
    except BaseException:
        stop_thread(thread)
        raise
    if outcome:
        value, error = outcome[0]
        if error is None:
            return value
        if not isinstance(error, Stopped):
            raise error
    place = _place(sys._current_frames().get(thread.ident or 0))
    deadline.expire()
    stop_thread(thread)
    done.wait(_GRACE_S)
    raise ProcedureTimeout(f"{deadline.message}{place}")


def _place(frame: FrameType | None) -> str:
    """Return where a thread is, leaving out what is inside stdb and Python's own library."""
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        root = name.partition(".")[0]
        if root != "stdb" and root not in sys.stdlib_module_names:
            code = frame.f_code
            return f"; it was at line {frame.f_lineno} of {code.co_filename}, in {code.co_name}"
        frame = frame.f_back
    return ""
