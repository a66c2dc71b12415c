"""The memory that a module in V8 and this process talk through, and the waiting at it.

One buffer, seen by both sides. JavaScript asks by setting a word and waits until it is 0 again;
the thread that made the call looks at the word, does what is asked, and clears it. So all Python
runs on the calling thread, inside its transaction, and the interpreter lock does not change hands::

    control   the number of the last call that was handed over, whether the loop in JavaScript runs,
              whether to ask by callback instead, the number of the call that it is not to take;
              by callback: 1 from JavaScript, a call has ended; 1 to it, there is one;
              whether a sender or a connection comes with the call that JavaScript has not seen yet;
              whether what promises have to do is done at the end of each call
    people    these two
    wide      64-bit values
    request   what JavaScript asks: 0 nothing, 1 or 2 the call has ended, else a syscall
              how that went: 0, an error number of SpacetimeDB, or one of the negative ones below
              arguments, and how many bytes lie in the data area
              how many bytes lie there as the answer, and other results
    data      arguments and results of syscalls, and the result of the call
    job       the call: header, time, arguments

What a side writes lies together, and begins where a cache line does: between two processors it is
lines that travel. Of the answer JavaScript sets what is usual before it asks (all went well, no
bytes), so that the host writes only what is not.

A call that is longer than its area goes over in pieces. ``shim/`` is the other side.
"""

from __future__ import annotations

import struct
from typing import Final

#: Of the words of 32 bits.
JOB_NUMBER, RUNNING, BY_CALLBACK, AFTER, JOB_STATE, NEW_SENDER, NEW_CONNECTION, SETTLES = range(8)
SENDER_BYTES: Final = 64
CONNECTION_BYTES: Final = SENDER_BYTES + 32
#: Of the words of 64 bits.
WIDE: Final = 16
REQUEST: Final = 48
(
    STATUS, A0, A1, A2, A3, A4, LENGTH,
    ANSWER_LENGTH, R0, R1,
) = range(REQUEST + 1, REQUEST + 11)  # fmt: skip
DATA: Final = 4 * REQUEST + 48
DATA_SIZE: Final = 512 * 1024 - 48
JOB: Final = DATA + DATA_SIZE
JOB_SIZE: Final = 256 * 1024
#: In the word `RUNNING`; JavaScript sets 2 when it does.
ASKED_TO_RUN: Final = 1

#: Requests that are no syscalls; the first two end the call, `DONE` with nothing to tell.
DONE, ENDED, PUSH, FETCH, GIVE_UP = 1, 2, 3, 30, 29

#: Answers beside error numbers. A call that is doomed fails, whatever it catches.
DOOMED, TYPE_ERROR, RANGE_ERROR, TOO_SMALL, FAILED, STOP = -1, -2, -3, -4, -5, -6

#: The header of a call: kind, id, sender, connection, size of the arguments, where they are split,
#: and the time.
HEADER: Final = struct.Struct("<6iq")
ARGS: Final = JOB + HEADER.size
ARGS_MAX: Final = JOB_SIZE - HEADER.size
