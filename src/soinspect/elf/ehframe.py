"""How to unwind the stack at an address: the call frame information of ``.eh_frame``.

Sources: LSB Core, "Exception Frames" (``.eh_frame``, ``.eh_frame_hdr``, pointer encodings); DWARF 5, 6.4 "Call Frame
Information". One lookup decodes one FDE: the binary search table of ``.eh_frame_hdr`` finds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from struct import Struct

from soinspect.elf.image import Image
from soinspect.errors import FormatError
from soinspect.model.absence import Absent
from soinspect.model.constants import SegmentType

_MAX_RECORD = 1 << 20
_MAX_INSTRUCTIONS = 100_000
_MAX_REMEMBERED = 64

_FIXED = {
    0x00: Struct("<Q"), 0x02: Struct("<H"), 0x03: Struct("<I"), 0x04: Struct("<Q"),
    0x0A: Struct("<h"), 0x0B: Struct("<i"), 0x0C: Struct("<q"),
}  # fmt: skip
_ULEB, _SLEB = 0x01, 0x09
_FORMAT, _APPLICATION = 0x0F, 0x70
_ABSOLUTE, _PC_RELATIVE, _DATA_RELATIVE = 0x00, 0x10, 0x30
_OMIT = 0xFF
_TABLE_ENCODING = _DATA_RELATIVE | 0x0B  # the one that all linkers write, and the only one that can be searched
_TABLE_ENTRY = Struct("<ii")
_MASK = (1 << 64) - 1


class RuleKind(Enum):
    """How the caller's value of a register is found (DWARF 5, 6.4.1); the values are how readelf writes them."""

    UNDEFINED = "u"
    SAME_VALUE = "s"
    OFFSET = "c"
    VALUE_OFFSET = "v"
    REGISTER = "r"
    EXPRESSION = "exp"
    VALUE_EXPRESSION = "vexp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule and its operand: an offset from the CFA in bytes, a register number, or a DWARF expression."""

    kind: RuleKind
    number: int = 0
    expression: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The rules that hold from ``start`` on, until the next row.

    The canonical frame address is ``cfa_register`` + ``cfa_offset``, or the value of ``cfa_expression`` where that is
    not empty. Registers without a rule keep their value.
    """

    start: int
    cfa_register: int
    cfa_offset: int
    cfa_expression: bytes
    rules: tuple[tuple[int, Rule], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cie:
    code_alignment: int
    data_alignment: int
    return_register: int
    pointer_encoding: int
    has_augmentation: bool
    signal_frame: bool
    instructions: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameDescription:
    """The unwind information of one function: the addresses it covers, and its rows."""

    start: int
    end: int
    return_register: int
    signal_frame: bool
    rows: tuple[Row, ...]

    def row(self, address: int) -> Row | None:
        """The row that holds at ``address``."""
        found = None
        for row in self.rows:
            if row.start > address:
                break
            found = row
        return found


class _Reader:
    """Reads the fields of one record; every read is checked against the record's end."""

    def __init__(self, table: FrameTable, data: bytes, address: int) -> None:
        self._table = table
        self.data = data
        self.address = address
        self.at = 0

    def fail(self, why: str) -> FormatError:
        return self._table.image.error(
            self._table.image.offset_of(self.address) or 0, ".eh_frame", self.address + self.at, why
        )

    def bytes(self, size: int) -> bytes:
        if size < 0 or self.at + size > len(self.data):
            raise self.fail("the record ends inside of a field")
        self.at += size
        return self.data[self.at - size : self.at]

    def u8(self) -> int:
        return self.bytes(1)[0]

    def uleb(self) -> int:
        value = shift = 0
        while True:
            byte = self.u8()
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value
            if shift > 70:
                raise self.fail("a LEB128 number is too long")

    def sleb(self) -> int:
        start = self.at
        value = self.uleb()
        bits = 7 * (self.at - start)
        return value - (1 << bits) if value >> (bits - 1) & 1 else value

    def pointer(self, encoding: int, data_base: int = 0) -> int:
        where = self.address + self.at
        kind = encoding & _FORMAT
        if kind in (_ULEB, _SLEB):
            value = self.uleb() if kind == _ULEB else self.sleb()
        elif kind in _FIXED:
            record = _FIXED[kind]
            (value,) = record.unpack(self.bytes(record.size))
        else:
            raise self.fail(f"pointer encoding {encoding:#x} is not known")
        base = {_ABSOLUTE: 0, _PC_RELATIVE: where, _DATA_RELATIVE: data_base}.get(encoding & _APPLICATION)
        if base is None:
            raise self.fail(f"pointer encoding {encoding:#x} is not known")
        return (base + value) & _MASK


class FrameTable:
    """The unwind tables of a 64-bit little-endian image."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self._cies: dict[int, _Cie] = {}
        self._table = self._locate()

    def _locate(self) -> tuple[int, int, bytes] | Absent:
        """Address of ``.eh_frame_hdr``, address of its search table, and that table."""
        header = next((s for s in self.image.segments if s.type is SegmentType.GNU_EH_FRAME), None)
        if header is None:
            return Absent("no PT_GNU_EH_FRAME")
        available = min(self.image.available(header.vaddr), header.filesz)
        reader = _Reader(self, self.image.read(header.vaddr, available), header.vaddr)
        version, frame_encoding, count_encoding, table_encoding = reader.bytes(4)
        if version != 1 or table_encoding != _TABLE_ENCODING or count_encoding == _OMIT:
            return Absent("its .eh_frame_hdr has no search table")
        reader.pointer(frame_encoding, header.vaddr)
        count = reader.pointer(count_encoding, header.vaddr)
        size = min(count * _TABLE_ENTRY.size, len(reader.data) - reader.at)
        start = header.vaddr + reader.at
        return header.vaddr, start, reader.bytes(size - size % _TABLE_ENTRY.size)

    def __iter__(self) -> Iterator[FrameDescription]:
        """All functions, by address."""
        if isinstance(self._table, Absent):
            return
        base, _, table = self._table
        for _, where in _TABLE_ENTRY.iter_unpack(table):
            yield self._describe(base + where)

    def find(self, address: int) -> FrameDescription | None:
        """The function that covers ``address``, or None.

        :raises FormatError: its record is damaged.
        """
        if isinstance(self._table, Absent):
            return None
        base, _, table = self._table
        low, high = 0, len(table) // _TABLE_ENTRY.size
        while low < high:
            middle = (low + high) // 2
            if base + _TABLE_ENTRY.unpack_from(table, middle * _TABLE_ENTRY.size)[0] <= address:
                low = middle + 1
            else:
                high = middle
        if not low:
            return None
        found = self._describe(base + _TABLE_ENTRY.unpack_from(table, (low - 1) * _TABLE_ENTRY.size)[1])
        return found if found.start <= address < found.end else None

    def _record(self, address: int) -> tuple[_Reader, int]:
        """The record at ``address`` from behind its length on, and its CIE pointer or id."""
        (length,) = self.image.unpack(_FIXED[0x03], address)
        if length > _MAX_RECORD or length < 4:
            raise self.image.error(
                self.image.offset_of(address) or 0, ".eh_frame length", length, "no record has this size"
            )
        reader = _Reader(self, self.image.read(address + 4, length), address + 4)
        return reader, int.from_bytes(reader.bytes(4), "little")

    def _cie(self, address: int) -> _Cie:
        if address not in self._cies:
            self._cies[address] = self._read_cie(address)
        return self._cies[address]

    def _read_cie(self, address: int) -> _Cie:
        reader, identifier = self._record(address)
        if identifier:
            raise reader.fail("a CIE was expected here")
        version = reader.u8()
        end = reader.data.find(b"\0", reader.at)
        if end < 0:
            raise reader.fail("the augmentation has no end")
        augmentation = reader.bytes(end + 1 - reader.at)[:-1]
        code, data = reader.uleb(), reader.sleb()
        return_register = reader.u8() if version == 1 else reader.uleb()
        encoding, has_augmentation, signal_frame = _ABSOLUTE, augmentation.startswith(b"z"), False
        if has_augmentation:
            size = reader.uleb()
            after = reader.at + size
            for letter in augmentation[1:]:
                if letter == ord("R"):
                    encoding = reader.u8()
                elif letter == ord("P"):
                    reader.pointer(reader.u8())
                elif letter == ord("L"):
                    reader.u8()
                elif letter == ord("S"):
                    signal_frame = True
            reader.at = after
        return _Cie(
            code_alignment=code,
            data_alignment=data,
            return_register=return_register,
            pointer_encoding=encoding,
            has_augmentation=has_augmentation,
            signal_frame=signal_frame,
            instructions=reader.data[reader.at :],
        )

    def _describe(self, address: int) -> FrameDescription:
        reader, distance = self._record(address)
        if not distance:
            raise reader.fail("an FDE was expected here")
        cie = self._cie(reader.address - distance)
        start = reader.pointer(cie.pointer_encoding)
        size = reader.pointer(cie.pointer_encoding & _FORMAT)
        if cie.has_augmentation:
            reader.bytes(reader.uleb())
        program = _Program(cie, start)
        initial = _Reader(self, cie.instructions, reader.address)
        program.run(initial)
        program.keep_as_initial()
        program.run(reader)
        return FrameDescription(
            start=start,
            end=start + size,
            return_register=cie.return_register,
            signal_frame=cie.signal_frame,
            rows=tuple(program.finish()),
        )


@dataclass(slots=True)
class _State:
    register: int = 0
    offset: int = 0
    expression: bytes = b""
    rules: dict[int, Rule] = field(default_factory=dict)

    def copy(self) -> _State:
        return _State(self.register, self.offset, self.expression, dict(self.rules))


class _Program:
    """Runs call frame instructions (DWARF 5, 6.4.2 and table 7.29) and collects the rows."""

    def __init__(self, cie: _Cie, start: int) -> None:
        self._cie = cie
        self._location = start
        self._state = _State()
        self._initial: dict[int, Rule] = {}
        self._remembered: list[_State] = []
        self._rows: list[Row] = []

    def keep_as_initial(self) -> None:
        """The rules of the CIE are what DW_CFA_restore goes back to."""
        self._initial = dict(self._state.rules)

    def finish(self) -> list[Row]:
        self._emit()
        return self._rows

    def _emit(self) -> None:
        state = self._state
        row = Row(
            start=self._location,
            cfa_register=state.register,
            cfa_offset=state.offset,
            cfa_expression=state.expression,
            rules=tuple(sorted(state.rules.items(), key=lambda item: item[0])),
        )
        if self._rows and self._rows[-1].start == row.start:
            self._rows.pop()
        self._rows.append(row)

    def _advance(self, steps: int) -> None:
        self._emit()
        self._location += steps * self._cie.code_alignment

    def run(self, reader: _Reader) -> None:
        count = 0
        while reader.at < len(reader.data):
            count += 1
            if count > _MAX_INSTRUCTIONS:
                raise reader.fail("too many instructions")
            byte = reader.u8()
            operand = byte & 0x3F
            if byte >> 6 == 1:  # DW_CFA_advance_loc
                self._advance(operand)
            elif byte >> 6 == 2:  # DW_CFA_offset
                self._saved(operand, reader.uleb() * self._cie.data_alignment)
            elif byte >> 6 == 3:  # DW_CFA_restore
                self._restore(operand)
            elif byte in _LOCATION:
                self._locate(byte, reader)
            elif byte in _CFA:
                self._define_cfa(byte, reader)
            else:
                self._define_rule(byte, reader)

    def _saved(self, register: int, offset: int) -> None:
        self._state.rules[register] = Rule(kind=RuleKind.OFFSET, number=offset)

    def _restore(self, register: int) -> None:
        if register in self._initial:
            self._state.rules[register] = self._initial[register]
        else:
            self._state.rules.pop(register, None)

    def _locate(self, byte: int, reader: _Reader) -> None:
        if byte == 0x01:  # DW_CFA_set_loc
            self._emit()
            self._location = reader.pointer(self._cie.pointer_encoding)
        else:  # DW_CFA_advance_loc1, 2, 4
            self._advance(int.from_bytes(reader.bytes(_LOCATION[byte]), "little"))

    def _define_cfa(self, byte: int, reader: _Reader) -> None:
        state = self._state
        if byte in (0x0C, 0x12):  # DW_CFA_def_cfa, _sf
            state.register = reader.uleb()
        elif byte == 0x0D:  # DW_CFA_def_cfa_register
            state.register = reader.uleb()
            state.expression = b""
            return
        elif byte == 0x0F:  # DW_CFA_def_cfa_expression
            state.expression = reader.bytes(reader.uleb())
            return
        signed = byte in (0x12, 0x13)
        state.offset = reader.sleb() * self._cie.data_alignment if signed else reader.uleb()
        state.expression = b""

    def _define_rule(self, byte: int, reader: _Reader) -> None:  # noqa: C901  (a table of instructions)
        rules, factor = self._state.rules, self._cie.data_alignment
        if byte == 0x00:  # DW_CFA_nop
            return
        if byte == 0x0A:  # DW_CFA_remember_state
            if len(self._remembered) == _MAX_REMEMBERED:
                raise reader.fail("too many remembered states")
            self._remembered.append(self._state.copy())
        elif byte == 0x0B:  # DW_CFA_restore_state
            if not self._remembered:
                raise reader.fail("no state was remembered")
            self._state = self._remembered.pop()
        elif byte == 0x2E:  # DW_CFA_GNU_args_size
            reader.uleb()
        elif byte == 0x2D:  # DW_CFA_AARCH64_negate_ra_state: the return address is signed from here on, or not
            return
        elif byte == 0x05:  # DW_CFA_offset_extended
            self._saved(reader.uleb(), reader.uleb() * factor)
        elif byte == 0x11:  # DW_CFA_offset_extended_sf
            self._saved(reader.uleb(), reader.sleb() * factor)
        elif byte == 0x06:  # DW_CFA_restore_extended
            self._restore(reader.uleb())
        elif byte in (0x07, 0x08):  # DW_CFA_undefined, DW_CFA_same_value
            rules[reader.uleb()] = Rule(kind=RuleKind.UNDEFINED if byte == 0x07 else RuleKind.SAME_VALUE)
        elif byte == 0x09:  # DW_CFA_register
            register = reader.uleb()  # before the operand: Python evaluates the right side of = first
            rules[register] = Rule(kind=RuleKind.REGISTER, number=reader.uleb())
        elif byte in (0x10, 0x16):  # DW_CFA_expression, DW_CFA_val_expression
            kind = RuleKind.EXPRESSION if byte == 0x10 else RuleKind.VALUE_EXPRESSION
            register = reader.uleb()
            rules[register] = Rule(kind=kind, expression=reader.bytes(reader.uleb()))
        elif byte in (0x14, 0x15):  # DW_CFA_val_offset, _sf
            register = reader.uleb()
            number = (reader.uleb() if byte == 0x14 else reader.sleb()) * factor
            rules[register] = Rule(kind=RuleKind.VALUE_OFFSET, number=number)
        else:
            raise reader.fail(f"call frame instruction {byte:#x} is not known")


_LOCATION = {0x01: 0, 0x02: 1, 0x03: 2, 0x04: 4}
_CFA = frozenset({0x0C, 0x0D, 0x0E, 0x0F, 0x12, 0x13})
