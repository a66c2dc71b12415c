"""The memory that a module in V8 and this process talk through, and the waiting at it.

One buffer, seen by both sides. JavaScript asks by setting a word and waits until it is 0 again;
the thread that made the call looks at the word, does what is asked, and clears it. So all Python
runs on the calling thread, inside its transaction, and the interpreter lock does not change hands::

    words   0  what JavaScript asks: 0 nothing, 1 the call has ended, else a syscall
            1  how that went: 0, an error number of SpacetimeDB, or one of the negative ones below
            2… arguments          9  how many bytes lie in the data area          10… results
           16  the number of the last call that was handed over
           17  whether the loop in JavaScript runs        18  whether to ask by callback instead
           19  the number of the call that it is not to take
           20  by callback: 1 from JavaScript, a call has ended; 1 to it, there is one
           24… 64-bit values
    data    arguments and results of syscalls, and the result of the call
    job     the call: header, time, sender, connection, arguments

A call that is longer than its area goes over in pieces. ``shim.js`` is the other side.
"""

from __future__ import annotations

from typing import Final

WORDS_SIZE: Final = 256
DATA_SIZE: Final = 512 * 1024
JOB_SIZE: Final = 256 * 1024
DATA: Final = WORDS_SIZE
JOB: Final = DATA + DATA_SIZE

REQUEST, STATUS, A0, A1, A2, A3, A4 = range(7)
LENGTH, R0, R1 = 9, 10, 11
JOB_NUMBER, RUNNING, BY_CALLBACK, AFTER, JOB_STATE = 16, 17, 18, 19, 20
WIDE: Final = 24
#: In the word `RUNNING`; JavaScript sets 2 when it does.
ASKED_TO_RUN: Final = 1

#: Requests that are no syscalls.
DONE, PUSH, FETCH, GIVE_UP = 1, 2, 3, 29

#: Answers beside error numbers. A call that is doomed fails, whatever it catches.
DOOMED, TYPE_ERROR, RANGE_ERROR, TOO_SMALL, FAILED, STOP = -1, -2, -3, -4, -5, -6

HEADER: Final = JOB // 4
KIND, ID, SENDER, CONNECTION, SIZE, NEW_SENDER, NEW_CONNECTION, SPLIT = range(HEADER, HEADER + 8)
TIME: Final = (JOB + 32) // 8
SENDER_BYTES: Final = JOB + 40
CONNECTION_BYTES: Final = SENDER_BYTES + 32
ARGS: Final = CONNECTION_BYTES + 16
ARGS_MAX: Final = JOB_SIZE - (ARGS - JOB)
