"""Numbers as they lie in a call's values: 64 bits each, signed."""

from __future__ import annotations


def word(number: int, position: int) -> int:
    """Return 64 bits of a long number as a signed one; `position` counts from the least on."""
    part = number >> 64 * position & (1 << 64) - 1
    return part - (1 << 64) if part >> 63 else part


def signed(value: int) -> int:
    """Return the low 32 bits of a value as the signed number that they are."""
    value &= 0xFFFF_FFFF
    return value - (1 << 32) if value >> 31 else value
