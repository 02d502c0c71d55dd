"""Build information: what ``go version -m`` prints (src/debug/buildinfo, src/runtime/debug/mod.go).

Go 1.13 introduced it; plugins carry it since Go 1.21.
"""

from __future__ import annotations

import re

from soinspect.go.memory import WORD, Memory
from soinspect.model.absence import Absent
from soinspect.model.golang import GoBuildInfo, GoBuildSetting, GoModule

_MAGIC = b"\xff Go buildinf:"
_ALIGNMENT = 16
_HEADER_SIZE = 32
_FLAG_INLINE = 2
_POINTER_SIZE_AT = 14
_FLAGS_AT = 15
_SENTINEL_SIZE = 16
_MAX_UVARINT = 10
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))", re.DOTALL)
_SIMPLE_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def read_build_info(memory: Memory) -> GoBuildInfo | Absent:
    """The build information of the file.

    :raises FormatError: it is there, and points outside of the file.
    """
    address, data = _locate(memory)
    if not data:
        return Absent("no build information in the file (go1.12 and older have none, plugins up to go1.20 neither)")
    if len(data) < _HEADER_SIZE or not data.startswith(_MAGIC):
        return Absent("section .go.buildinfo does not begin with build information")
    if data[_FLAGS_AT] & _FLAG_INLINE:
        version, rest = _inline_string(memory, data, _HEADER_SIZE)
        modules, _ = _inline_string(memory, data, rest)
    elif data[_POINTER_SIZE_AT] == WORD and not data[_FLAGS_AT]:
        version = _pointed_string(memory, address + 16)
        modules = _pointed_string(memory, address + 24)
    else:
        return Absent("the build information is in the format of another platform")
    if not version:
        return Absent("the build information is empty")
    return parse_build_info(version.decode("utf-8", "replace"), _strip_sentinels(modules).decode("utf-8", "replace"))


def _locate(memory: Memory) -> tuple[int, bytes]:
    """The address of the build information, and the bytes from there on; no bytes if there is none."""
    image = memory.image
    section = image.section(".go.buildinfo")
    if section is not None:
        return section.addr, image.section_data(section)
    found = None if image.sections else next(memory.find(_MAGIC, _ALIGNMENT), None)
    return (0, b"") if found is None else (found, memory.block(found, image.available(found)))


def _inline_string(memory: Memory, data: bytes, position: int) -> tuple[bytes, int]:
    """The length-prefixed string at ``position`` (1.18 and later), and the position after it."""
    length = 0
    for index, byte in enumerate(data[position : position + _MAX_UVARINT]):
        length |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:  # the last byte of a uvarint
            start = position + index + 1
            if start + length <= len(data):
                return data[start : start + length], start + length
            break
    raise memory.image.error(0, "length in the build information", length, "that many bytes do not follow")


def _pointed_string(memory: Memory, address: int) -> bytes:
    """The string behind the pointer to a string header at ``address`` (1.13 to 1.17)."""
    header = memory.word(address)
    if not header:
        return b""
    size = memory.word(header + WORD)
    return memory.block(memory.word(header), size) if size else b""


def _strip_sentinels(modules: bytes) -> bytes:
    """The text between the two 16-byte marks that let the runtime find it in memory."""
    if len(modules) > 2 * _SENTINEL_SIZE and modules[-_SENTINEL_SIZE - 1 : -_SENTINEL_SIZE] == b"\n":
        return modules[_SENTINEL_SIZE:-_SENTINEL_SIZE]
    return b""


def parse_build_info(go_version: str, text: str) -> GoBuildInfo:
    """Parse the tab-separated lines of the module information; lines of an unknown kind are passed over."""
    path = ""
    main: GoModule | None = None
    dependencies: list[GoModule] = []
    settings: list[GoBuildSetting] = []
    for line in text.split("\n"):
        word, _, rest = line.partition("\t")
        match word:
            case "path":
                path = rest
            case "mod":
                main = _module(rest)
            case "dep":
                dependencies.append(_module(rest))
            case "=>" if dependencies:
                dependencies[-1] = _replaced(dependencies[-1], _module(rest))
            case "=>" if main:
                main = _replaced(main, _module(rest))
            case "build":
                settings.append(_setting(rest))
    return GoBuildInfo(
        go_version=go_version,
        path=path,
        main=main,
        dependencies=tuple(dependencies),
        settings=tuple(settings),
    )


def _module(fields: str) -> GoModule:
    path, version, checksum, *_ = [*fields.split("\t"), "", ""]
    return GoModule(path=path, version=version, sum=checksum)


def _replaced(module: GoModule, replacement: GoModule) -> GoModule:
    return GoModule(path=module.path, version=module.version, sum=module.sum, replacement=replacement)


def _setting(line: str) -> GoBuildSetting:
    quoted = re.match(r'("(?:[^"\\]|\\.)*"|`[^`]*`)=(.*)', line, re.DOTALL)
    key, value = quoted.groups() if quoted else line.partition("=")[::2]
    return GoBuildSetting(key=_unquote(key), value=_unquote(value))


def _unquote(text: str) -> str:
    """Undo Go's ``strconv.Quote``; text without quotes is taken as it is."""
    if len(text) < len('""') or text[0] != text[-1] or text[0] not in '"`':
        return text
    if text[0] == "`":
        return text[1:-1]
    return _ESCAPE.sub(_unescape, text[1:-1])


def _unescape(match: re.Match[str]) -> str:
    hexadecimal, short, long, octal, simple = match.groups()
    digits = hexadecimal or short or long
    if digits or octal:
        code = int(digits, 16) if digits else int(octal, 8)
        return chr(code) if code <= 0x10FFFF else "\ufffd"
    return _SIMPLE_ESCAPES.get(simple, simple)
