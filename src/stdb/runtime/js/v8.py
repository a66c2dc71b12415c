"""V8 in this process: the C interface of the library inside the ``mini-racer`` package.

The package's own Python interface is asynchronous; a module needs calls that go in and come back
many times in a microsecond's time. So isolates are driven through its C functions, and most of the
traffic goes through memory that both sides see (see `channel`). What is used of the library is
checked when it is loaded.

Source: the documentation of mini-racer (PyMiniRacer), 0.14.
"""

from __future__ import annotations

import ctypes
from functools import cache
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ...errors import InternalError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

#: The versions of mini-racer whose C interface this module knows.
_VERSION: Final = (0, 14)
#: What a value may be, as the library numbers it; from 200 on it is what went wrong instead.
_NULL, _BOOL, _INTEGER, _DOUBLE, _TEXT, _UNDEFINED = 1, 2, 3, 4, 5, 11
_FIRST_FAILURE = 200


class ScriptError(Exception):
    """A script threw, or was ended; the text says what V8 says."""


class _Library(NamedTuple):
    """The library, the types of its callbacks and values, and what is called all the time.

    Attributes
    ----------
    c : CDLL
        Its functions; the interpreter's lock is free while one runs.
    callback, handle : type
        The types of its callbacks and of the handles of its values.
    free : callable
        Its ``mr_free_value``, which takes a handle as a number, and keeps the interpreter's lock:
        at every callback, letting it go would cost more than the freeing.
    """

    c: Any
    callback: Any
    handle: Any
    free: Callable[[int, int], None]


#: A callback as the library declares it, but for the handle, which comes as a number: a pointer to
#: a value would cost half a microsecond, and most are not looked at.
_Callback: Final = ctypes.CFUNCTYPE(None, ctypes.c_uint64, ctypes.c_void_p)


@cache
def _library() -> _Library:
    """Load V8, once in a process, and check that it is the library that this module knows."""
    try:
        from py_mini_racer import _dll
    except ImportError:
        raise UsageError(
            'a module in JavaScript runs on V8, which is not installed: pip install "stdb[js]"'
        ) from None
    from importlib.metadata import version

    found = version("mini-racer")
    if tuple(map(int, found.split(".")[:2])) != _VERSION:
        raise UsageError(
            f"stdb runs JavaScript with mini-racer {_VERSION[0]}.{_VERSION[1]}, and {found} is "
            'installed: pip install "stdb[js]"'
        )
    layout = [getattr(_dll._RawValue, name).offset for name in ("value", "len", "type")]
    if layout != [0, 8, 16]:
        raise InternalError(f"mini-racer {found} lays out its values in an unknown way: {layout}")
    c = _dll.init_mini_racer(ignore_duplicate_init=True)
    free = ctypes.PyDLL(c._name).mr_free_value
    free.argtypes, free.restype = [ctypes.c_uint64, ctypes.c_void_p], None
    return _Library(c, _dll.MR_CALLBACK, _dll.RawValueHandle, free)


class Isolate:
    """One V8 isolate with one context, which run on a thread of their own.

    It is for one thread at a time; any thread may close it.

    Attributes
    ----------
    patience_s : float or None
        How long a script may take, in seconds. It goes on: close the isolate.
    """

    def __init__(self) -> None:
        library = _library()
        self._c, self._handle, self._free_number = library.c, library.handle, library.free
        self._results: SimpleQueue[Any] = SimpleQueue()
        self._functions: dict[int, Callable[[], None]] = {}
        self._has_thread_state = False
        self._callback = _Callback(self._called)
        self._context = self._c.mr_init_context(ctypes.cast(self._callback, library.callback))
        self._kept: list[Any] = []
        self._closed = False
        self.patience_s: float | None = None
        self._undefined = self._keep(self._run("undefined"))
        self._nothing = self._keep(self._run("[]"))

    # -- running -------------------------------------------------------------------------------

    def evaluate(self, source: str) -> Any:
        """Run a script, and return its value, or a handle of what Python has no value for.

        Raises
        ------
        ScriptError
            It threw, or was ended.
        """
        return self._value(self._run(source))

    def call(self, function: Any, *arguments: Any) -> Any:
        """Call a function with handles of values; what it returns is as from `evaluate`."""
        self.start(function, *arguments)
        return self._value(self._wait())

    def start(self, function: Any, *arguments: Any) -> None:
        """Begin a call, and do not wait; `forget_results` drops what it returns."""
        given = self._nothing
        if arguments:
            given = self._run("[]")
        for argument in arguments:
            self._free(self._c.mr_array_push(self._context, given, argument))
        self._c.mr_call_function(self._context, function, self._undefined, given, 0)
        if arguments:
            self._free(given)

    def forget_results(self) -> None:
        """Drop what was returned by calls that were started and not waited for."""
        while not self._results.empty():
            self._free(self._results.get())

    def _run(self, source: str) -> Any:
        text = source.encode("utf-8", "surrogatepass")
        handle = self._c.mr_alloc_string_val(self._context, text, len(text), _TEXT)
        self._c.mr_eval(self._context, handle, 0)
        self._free(handle)
        return self._wait()

    def _wait(self) -> Any:
        try:
            return self._results.get(timeout=self.patience_s)
        except Empty:
            raise ScriptError(f"it took longer than {self.patience_s:g} s") from None

    def _called(self, number: int, handle: int) -> None:
        """Take a result, or run a function of ours for the script that waits for it."""
        if not self._has_thread_state:
            # Python makes a state for a foreign thread at each call and drops it unless it is held:
            # 10 µs.
            self._has_thread_state = True
            ctypes.pythonapi.PyGILState_Ensure()
        if number == 0:
            self._results.put(ctypes.cast(handle, self._handle))
            return
        self._functions[number]()
        self._free_number(self._context, handle)

    # -- values --------------------------------------------------------------------------------

    def item(self, handle: Any, name: str) -> Any:
        """Return a property of an object."""
        text = name.encode()
        key = self._c.mr_alloc_string_val(self._context, text, len(text), _TEXT)
        result = self._c.mr_get_object_item(self._context, handle, key)
        self._free(key)
        return self._value(result)

    def number(self, value: int) -> Any:
        """Return a handle of a number."""
        return self._keep(self._c.mr_alloc_int_val(self._context, value, _INTEGER))

    def function(self, run: Callable[[], None]) -> Any:
        """Return a handle of a function that runs `run` on the isolate's thread, and waits."""
        number = len(self._functions) + 1
        self._functions[number] = run
        return self._keep(self._c.mr_make_js_callback(self._context, number))

    def memory(self, handle: Any) -> memoryview:
        """Return the memory of an ``ArrayBuffer``; good as long as the isolate."""
        value = handle.contents
        address = ctypes.cast(value.value.value_ptr, ctypes.c_void_p).value or 0
        return memoryview((ctypes.c_char * value.len).from_address(address)).cast("B")

    def _value(self, handle: Any) -> Any:
        raw = handle.contents
        kind: int = raw.type
        if kind >= _FIRST_FAILURE:
            text = ctypes.string_at(raw.value.bytes_val, raw.len).decode(errors="replace")
            self._free(handle)
            raise ScriptError(text)
        value: Any
        if kind == _TEXT:
            value = ctypes.string_at(raw.value.bytes_val, raw.len).decode(errors="replace")
        elif kind == _INTEGER:
            value = raw.value.int_val
        elif kind == _BOOL:
            value = raw.value.int_val == 1
        elif kind == _DOUBLE:
            value = raw.value.double_val
        elif kind in (_NULL, _UNDEFINED):
            value = None
        else:
            return self._keep(handle)
        self._free(handle)
        return value

    def _keep(self, handle: Any) -> Any:
        self._kept.append(handle)
        return handle

    def _free(self, handle: Any) -> None:
        self._c.mr_free_value(self._context, handle)

    # -- memory and the end ----------------------------------------------------------------------

    def limit_memory(self, size: int) -> None:
        """End whatever makes the heap larger than `size` bytes."""
        self._c.mr_set_hard_memory_limit(self._context, size)

    @property
    def is_out_of_memory(self) -> bool:
        """Whether a script was ended for the size of its heap."""
        return bool(self._c.mr_hard_memory_limit_reached(self._context))

    def close(self) -> None:
        """End the isolate by force, whatever runs in it. Its memory is gone: touch no view of it.

        Closing again does nothing. Handles go with the isolate.
        """
        if not self._closed:
            self._closed = True
            self._c.mr_free_context(self._context)
            self._kept.clear()
            self._functions.clear()
