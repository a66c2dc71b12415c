"""The numbers with which the host answers a module that asks for something it cannot have.

Source: SpacetimeDB's ABI for modules, version 10.5.
"""

from __future__ import annotations

from typing import Final

HOST_CALL_FAILURE: Final = 1
NOT_IN_TRANSACTION: Final = 2
BSATN_DECODE_ERROR: Final = 3
NO_SUCH_TABLE: Final = 4
NO_SUCH_INDEX: Final = 5
NO_SUCH_ITER: Final = 6
NO_SUCH_CONSOLE_TIMER: Final = 7
NO_SUCH_BYTES: Final = 8
NO_SPACE: Final = 9
WRONG_INDEX_ALGO: Final = 10
BUFFER_TOO_SMALL: Final = 11
UNIQUE_ALREADY_EXISTS: Final = 12
SCHEDULE_AT_DELAY_TOO_LONG: Final = 13
INDEX_NOT_UNIQUE: Final = 14
NO_SUCH_ROW: Final = 15
AUTO_INC_OVERFLOW: Final = 16
WOULD_BLOCK_TRANSACTION: Final = 17
TRANSACTION_NOT_ANONYMOUS: Final = 18
TRANSACTION_IS_READ_ONLY: Final = 19
TRANSACTION_IS_MUT: Final = 20
HTTP_ERROR: Final = 21

#: What each means, in the words that JavaScript modules see.
MESSAGES: Final = {
    HOST_CALL_FAILURE: "ABI called by host returned an error",
    NOT_IN_TRANSACTION: "ABI call can only be made while in a transaction",
    BSATN_DECODE_ERROR: "Couldn't decode the BSATN to the expected type",
    NO_SUCH_TABLE: "No such table",
    NO_SUCH_INDEX: "No such index",
    NO_SUCH_ITER: "The provided row iterator is not valid",
    NO_SUCH_CONSOLE_TIMER: "The provided console timer does not exist",
    NO_SUCH_BYTES: "The provided bytes source or sink is not valid",
    NO_SPACE: "The provided sink has no more space left",
    WRONG_INDEX_ALGO: "The Index does not support range scans",
    BUFFER_TOO_SMALL: "The provided buffer is not large enough to store the data",
    UNIQUE_ALREADY_EXISTS: "Value with given unique identifier already exists",
    SCHEDULE_AT_DELAY_TOO_LONG: "Specified delay in scheduling row was too long",
    INDEX_NOT_UNIQUE: "The index was not unique",
    NO_SUCH_ROW: "The row was not found, e.g., in an update call",
    AUTO_INC_OVERFLOW: "The auto-increment sequence overflowed",
    WOULD_BLOCK_TRANSACTION: (
        "Attempted async or blocking op while holding open a transaction"
    ),
    TRANSACTION_NOT_ANONYMOUS: "Not in an anonymous transaction. Called by a reducer?",
    TRANSACTION_IS_READ_ONLY: "ABI call can only be made while within a mutable transaction",
    TRANSACTION_IS_MUT: "ABI call can only be made while within a read-only transaction",
    HTTP_ERROR: "The HTTP request failed",
}  # fmt: skip


class Refused(Exception):  # noqa: N818 - never leaves the library
    """The host answers `errno`; the module goes on."""

    def __init__(self, errno: int) -> None:
        super().__init__(MESSAGES.get(errno, f"error {errno}"))
        self.errno = errno


class Trap(Exception):  # noqa: N818 - never leaves the library
    """The host ends the module's call: what it asked for is a mistake of its code."""
