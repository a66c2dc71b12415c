"""Floats as text: the shortest digits that read back as the same float, and their layout.

Python's ``repr`` finds the digits of 64 bits; those of 32 bits are found here. Where the point
stands, and from where on there is an exponent, is as SpacetimeDB writes it, which differs from
Python for small and for large numbers. NaN and the infinities are the caller's business.

Source: Adams, "Ryū: fast float-to-string conversion" (PLDI 2018), for what shortest means.
"""

from __future__ import annotations

import math
from typing import Final

#: The least positive float of 32 bits that is not subnormal.
_F32_NORMAL_MIN: Final = 2.0**-126
#: Significant decimal digits that 32 bits always keep, and that always suffice.
_F32_DIGITS_KEPT: Final = 6
_F32_DIGITS_MAX: Final = 9


def f64_text(value: float) -> str:
    """Return the text of a finite float, as in ``1.0``, ``0.00001``, ``1e-6``, ``1.5e300``."""
    text = repr(value)
    # Without an exponent, Python's layout is the one wanted.
    return _from_python(text, 16, -5) if "e" in text else text


def f32_text(value: float) -> str:
    """Return the text of a finite float that 32 bits hold, with the digits that 32 bits need."""
    text = repr(value)
    # What needs at most six digits in 64 bits needs the same ones in 32. The text has a point,
    # perhaps a sign, perhaps a zero before the point.
    if len(text) <= _F32_DIGITS_KEPT + 1 and "e" not in text:
        return text
    digits, exponent = _shortest_f32(abs(value))
    sign = "-" if value < 0 else ""
    return sign + _lay_out(digits, exponent + 1, 13, -6)


def _from_python(text: str, point_max: int, point_min: int) -> str:
    """Return the layout of what Python wrote with an exponent."""
    sign = "-" if text[0] == "-" else ""
    mantissa, _, exponent = text.lstrip("-").partition("e")
    return sign + _lay_out(mantissa.replace(".", ""), int(exponent) + 1, point_max, point_min)


def _lay_out(digits: str, point: int, point_max: int, point_min: int) -> str:
    """Write ``0.digits`` times ten to the power of `point`.

    The point stands within the digits or zeros while ``point_min < point <= point_max``.
    """
    if len(digits) <= point <= point_max:
        return f"{digits:0<{point}}.0"
    if 0 < point <= point_max:
        return f"{digits[:point]}.{digits[point:]}"
    if point_min < point <= 0:
        return f"0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{fraction}e{point - 1}"


def _shortest_f32(value: float) -> tuple[str, int]:
    """Return the digits of a positive float of 32 bits, and the power of ten of the first one."""
    fraction, exponent = math.frexp(value)
    if value < _F32_NORMAL_MIN or fraction == 0.5:
        # The neighbours of a power of two are not equally near; a subnormal has fewer digits.
        return _shortest_f32_exactly(value)
    half_gap = math.ldexp(1.0, exponent - 25)
    for count in range(_F32_DIGITS_KEPT, _F32_DIGITS_MAX + 1):
        text = f"{value:.{count - 1}e}"
        # The difference is exact (Sterbenz), and a decimal that lies on one side of the midpoint
        # to the next float does so when rounded to 64 bits, or falls on the midpoint itself.
        distance = abs(float(text) - value)
        if distance < half_gap:
            return _split(text)
        if distance == half_gap:
            break
    return _shortest_f32_exactly(value)


def _split(text: str) -> tuple[str, int]:
    mantissa, _, exponent = text.partition("e")
    return mantissa.replace(".", "").rstrip("0") or "0", int(exponent)


def _shortest_f32_exactly(value: float) -> tuple[str, int]:
    """Do the same with integers alone: slow, and right in every case."""
    if value == 0:
        return "0", 0
    _, exponent = math.frexp(value)
    exponent = max(exponent, -125) - 24
    mantissa = int(math.ldexp(value, -exponent))
    inclusive = mantissa % 2 == 0
    # All of what follows is in units of a quarter of the gap above, times `scale`.
    middle, above = 4 * mantissa, 4 * mantissa + 2
    is_boundary = mantissa == 1 << 23 and exponent > -149
    below = middle - (1 if is_boundary else 2)
    ten = math.floor(math.log10(value))
    for count in range(1, _F32_DIGITS_MAX + 1):
        # A candidate is n * 10**power; compare n * unit with value * scale.
        power = ten - count + 1
        unit, scale = 1, 1
        if power >= 0:
            unit *= 10**power
        else:
            scale *= 10**-power
        if exponent - 2 >= 0:
            scale <<= exponent - 2
        else:
            unit <<= 2 - exponent
        floor, rest = divmod(middle * scale, unit)
        # The nearer one first; of two equally near ones the even one.
        first = floor + (2 * rest > unit or (2 * rest == unit and floor % 2))
        for n in (first, 2 * floor + 1 - first):
            low, high = n * unit - below * scale, above * scale - n * unit
            if (low > 0 or (low == 0 and inclusive)) and (high > 0 or (high == 0 and inclusive)):
                digits = str(n)
                return digits.rstrip("0"), power + len(digits) - 1
    raise AssertionError(f"nine digits always suffice for {value!r}")
