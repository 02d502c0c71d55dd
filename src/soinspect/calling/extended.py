"""The long double of x86-64: 80 bits, of which one is the sign, 15 the exponent, and 64 the whole mantissa.

Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, 4.2.2 "Floating-Point Data Types".
"""

from __future__ import annotations

import struct
from contextlib import suppress
from decimal import Context, Decimal
from fractions import Fraction

SIZE = 16  # bytes in memory, the last six of which mean nothing
_MANTISSA_BITS = 64
_BIAS = 16383
_LARGEST_EXPONENT = 0x7FFF  # of infinities and what is no number
_LOWEST = 1 - _BIAS
_DIGITS = 21  # enough to tell all apart
_MOST_DIGITS = 5000  # in front of the point or, in zeros, behind it: such a number is too large, or too near to nothing
_WHOLE = 1 << 63  # the bit of the mantissa that stands in front of the point
_QUIET = 0xC000 << 48


def extended_bytes(text: str) -> bytes:
    """The number nearest to ``text`` (as ``float`` takes it, or an integer in any base), even where two are.

    :raises OverflowError: it is too large.
    """
    try:
        written = Decimal(int(text, 0))
    except ValueError:
        written = Decimal(text)
    sign = 0x8000 if written.is_signed() else 0
    if not written.is_finite():
        return _packed(sign | _LARGEST_EXPONENT, _WHOLE if written.is_infinite() else _QUIET)
    if written.adjusted() > _MOST_DIGITS:
        raise OverflowError
    number = abs(Fraction(written)) if written.adjusted() > -_MOST_DIGITS else Fraction(0)
    if not number:
        return _packed(sign, 0)
    exponent = max(_floor_of_log2(number), _LOWEST)
    mantissa = round(number * Fraction(2) ** (_MANTISSA_BITS - 1 - exponent))
    if mantissa >> _MANTISSA_BITS:  # rounded up to the next power
        mantissa, exponent = mantissa >> 1, exponent + 1
    if exponent > _BIAS:
        raise OverflowError
    return _packed(sign | (exponent + _BIAS if mantissa & _WHOLE else 0), mantissa)


def extended_text(data: bytes) -> str:
    """The number in its shortest form that tells it apart."""
    mantissa, head = struct.unpack_from("<QH", data)
    sign, exponent = "-" if head & 0x8000 else "", head & _LARGEST_EXPONENT
    if exponent == _LARGEST_EXPONENT:
        return f"{sign}inf" if mantissa == _WHOLE else "nan"
    if exponent and not mantissa & _WHOLE:
        return "nan"  # a pattern that the processor does not take for a number
    value = mantissa * Fraction(2) ** (max(exponent, 1) - _BIAS - (_MANTISSA_BITS - 1))
    if value <= Fraction(1e300) and Fraction(float(value)) == value:
        return f"{sign}{float(value)!r}"
    for digits in range(1, _DIGITS + 1):
        rounded = Context(prec=digits).divide(Decimal(value.numerator), Decimal(value.denominator))
        with suppress(OverflowError):  # a few digits of the largest number may be more than that
            if extended_bytes(str(rounded)) == _packed(exponent, mantissa):
                break
    return f"{sign}{rounded}".lower()


def _packed(head: int, mantissa: int) -> bytes:
    return struct.pack("<QH6x", mantissa, head)


def _floor_of_log2(number: Fraction) -> int:
    guess = number.numerator.bit_length() - number.denominator.bit_length()
    return guess if number >= Fraction(2) ** guess else guess - 1
