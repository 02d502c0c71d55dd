"""Numbers and pointers of a known type: as arguments, and as C would show them."""

from __future__ import annotations

import re
import struct
from difflib import get_close_matches

from soinspect.calling.arguments import INTEGER, NAME, Argument
from soinspect.calling.passing import passes_wide
from soinspect.calling.values import quoted_c_string
from soinspect.calling.worker import protocol
from soinspect.errors import UsageError
from soinspect.model.signature import CType, TypeKind

_WORD = 1 << 64
_DECIMAL = re.compile(r"[+-]?\d+")
_SIGNED = re.compile(r"i\d+:")
_SAYS_ITS_TYPE = re.compile(r"(?:[iuf]\d+|ptr|buf):|@|&")
_NEAR = 3
_WIDE = 16  # bytes


def fit_scalar(argument: Argument, wanted: CType, where: str) -> Argument:
    """The argument in the class of the type ``wanted``: ``2`` becomes a double where one is expected.

    ``where`` tells the user what is being called.

    :raises UsageError: it cannot be of that type.
    """
    if wanted.enumerators and argument.kind == protocol.LITERAL and NAME.fullmatch(argument.text):
        argument = _enumerator(argument.text, wanted, where)
    kind = argument.kind
    if wanted.kind is TypeKind.FLOAT and kind in (protocol.INTEGER, protocol.VECTOR):
        try:
            packed = struct.pack("<f" if wanted.size == 4 else "<d", number_of(argument))
        except OverflowError:
            raise UsageError(f"{argument.text} does not fit into {wanted.text}: {where}") from None
        return Argument(text=argument.text, kind=protocol.VECTOR, value=packed.ljust(8, b"\0"))
    if wanted.kind is TypeKind.POINTER and kind in (protocol.INTEGER, protocol.BYTES, protocol.CALLBACK):
        if wanted.is_typed and _is_text(argument):
            raise UsageError(f"{argument.text} is a text, which {wanted.text} does not lead to: {where}")
        return argument
    if wanted.kind is TypeKind.UNTOLD:
        if not _SAYS_ITS_TYPE.match(argument.text):
            raise UsageError(
                f"{argument.text}: what {wanted.text} is, the mangled name does not tell. --sig can, or an argument "
                f"that says its type: i32:1 for an enumeration, buf:32 for a class that is passed by address: {where}"
            )
        return argument
    is_integer = kind == protocol.INTEGER or INTEGER.fullmatch(argument.text)
    if wanted.kind is TypeKind.EXTENDED and (is_integer or kind == protocol.VECTOR):
        text = str(_integer_of(argument)) if is_integer else argument.text.rpartition(":")[2]
        return Argument(text=argument.text, kind=protocol.ALIGNED, value=_extended(text, wanted, where))
    if wanted.kind in (TypeKind.INTEGER, TypeKind.BOOLEAN) and is_integer:
        number = _integer_of(argument)
        _check_range(argument.text, number, wanted, where)
        if wanted.size == _WIDE:
            wide = (number % (1 << 8 * _WIDE)).to_bytes(_WIDE, "little")
            return Argument(text=argument.text, kind=protocol.WIDE, value=wide)
        return Argument(text=argument.text, kind=protocol.INTEGER, value=number % _WORD)
    raise UsageError(f"{argument.text} cannot be passed as {wanted.text}: {where}")


def _extended(text: str, wanted: CType, where: str) -> bytes:
    """The long double that a text stands for."""
    from soinspect.calling.extended import extended_bytes

    if not passes_wide():
        raise UsageError(f"{wanted.text} is passed on x86-64 only: {where}")
    try:
        return extended_bytes(text)
    except OverflowError:
        raise UsageError(f"{text} does not fit into {wanted.text}: {where}") from None


def _integer_of(argument: Argument) -> int:
    """The integer that is meant, which may have more than 64 bits."""
    if INTEGER.fullmatch(argument.text):
        return int(argument.text, 0)
    assert isinstance(argument.value, int)  # noqa: S101
    return argument.value - _WORD if _SIGNED.match(argument.text) and argument.value >= _WORD >> 1 else argument.value


def _is_text(argument: Argument) -> bool:
    return argument.text.startswith(('"', "str:"))


def _check_range(text: str, number: int, wanted: CType, where: str) -> None:
    """Whether a number fits: one in decimal as the number that it is, any other as a pattern of bits.

    :raises UsageError: it does not.
    """
    bits = 8 * wanted.size
    lowest, highest = -(1 << (bits - 1)), (1 << bits) - 1
    if _DECIMAL.fullmatch(text):
        if wanted.kind is TypeKind.BOOLEAN:
            lowest, highest = 0, 1
        elif wanted.signed:
            highest >>= 1
        elif not wanted.enumerators:  # of which some compilers do not tell whether they are signed
            lowest = 0
    if not lowest <= number <= highest:
        raise UsageError(f"{text} does not fit into {wanted.text} ({lowest} to {highest}): {where}")


def _enumerator(name: str, wanted: CType, where: str) -> Argument:
    """The number that an enumerator stands for.

    :raises UsageError: the type has none of that name.
    """
    values = {it.name: it.value for it in wanted.enumerators}
    own = name.rpartition("::")[2]
    if own not in values:
        by_case = {it.casefold(): it for it in reversed(values)}
        near = [by_case[it] for it in get_close_matches(own.casefold(), by_case, n=_NEAR)] or [*values][:_NEAR]
        raise UsageError(f"{wanted.text} has no {own}; did you mean {' or '.join(near)}? {where}")
    return Argument(text=str(values[own]), kind=protocol.INTEGER, value=values[own] % _WORD)


def scalar_bytes(argument: Argument, wanted: CType, where: str) -> tuple[bytes, protocol.Pointers]:
    """The argument as it lies in memory, and what it points to.

    :raises UsageError: it cannot be of that type, or is a callback, whose address is made for arguments only.
    """
    fitted = fit_scalar(argument, wanted, where)
    value = fitted.value
    if fitted.kind == protocol.CALLBACK:
        raise UsageError(f"{argument.text} cannot be a member, only an argument: {where}")
    if isinstance(value, bytes) and wanted.kind is TypeKind.POINTER:
        return bytes(wanted.size), ((0, value, fitted.pointers),)
    data = value if isinstance(value, bytes) else value.to_bytes(8, "little")
    return data[: wanted.size], ()


def number_of(argument: Argument) -> float:
    """The number that an argument of the integer or the vector class stands for."""
    value = argument.value
    if isinstance(value, int):
        return float(value - _WORD if value >= _WORD >> 1 else value)
    number: float = struct.unpack_from("<f" if argument.text.startswith("f32:") else "<d", value)[0]
    return number


def scalar_text(kind: CType, data: bytes, pointed_to: bytes = b"") -> str | None:
    """The value as C would show it; None where the type has no value, or none that is understood.

    ``data`` holds it in its first bytes, ``pointed_to`` what lies where a pointer leads.
    """
    integer = int.from_bytes(data[: kind.size or 8], "little")
    if kind.kind is TypeKind.BOOLEAN:
        return {0: "false", 1: "true"}.get(integer, f"{integer}, which is neither true nor false")
    if kind.kind is TypeKind.INTEGER:
        return str(integer - (1 << (8 * kind.size)) if kind.signed and integer >> (8 * kind.size - 1) else integer)
    if kind.kind is TypeKind.FLOAT:
        return repr(struct.unpack_from("<f" if kind.size == 4 else "<d", data)[0])
    if kind.kind is TypeKind.EXTENDED and passes_wide():
        from soinspect.calling.extended import extended_text  # few need what it needs

        return extended_text(data)
    if kind.kind is TypeKind.POINTER:
        if not integer:
            return "NULL"
        return quoted_c_string(pointed_to) if kind.is_text and pointed_to else f"{integer:#x}"
    return None
