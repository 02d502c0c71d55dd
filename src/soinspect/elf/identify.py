"""Name what a file is when it is not ELF: the answer to "invalid ELF header" at night."""

from __future__ import annotations

from soinspect.elf.via_lief import describe_foreign_object

_MAGICS: tuple[tuple[bytes, str], ...] = (
    (b"!<arch>\n", "a static library (ar archive); its members are object files: link them into a library"),
    (b"!<thin>\n", "a thin static library (ar archive)"),
    (b"\x1f\x8b", "gzip data: decompress it first"),
    (b"BZh", "bzip2 data: decompress it first"),
    (b"\xfd7zXZ\x00", "xz data: decompress it first"),
    (b"\x28\xb5\x2f\xfd", "zstd data: decompress it first"),
    (b"PK\x03\x04", "a zip archive (a wheel or a jar?): unpack it first"),
    (b"\x00asm", "a WebAssembly module"),
    (b"BC\xc0\xde", "LLVM bitcode: compile and link it first, with clang"),
    (b"\x80\x05\x95", "a Python pickle"),
    (b"version https://git-lfs.github.com/", "a Git LFS pointer: run 'git lfs pull' to get the file itself"),
    (b"#!", "a script"),
)
_OBJECT_MAGICS: tuple[tuple[bytes, str], ...] = (
    (b"MZ", "a PE file (Windows)"),
    (b"\xcf\xfa\xed\xfe", "a Mach-O file (macOS), 64-bit"),
    (b"\xce\xfa\xed\xfe", "a Mach-O file (macOS), 32-bit"),
    (b"\xfe\xed\xfa\xcf", "a Mach-O file (macOS), 64-bit, big-endian"),
    (b"\xfe\xed\xfa\xce", "a Mach-O file (macOS), 32-bit, big-endian"),
)
_SCRIPT_COMMANDS = (b"INPUT", b"GROUP", b"OUTPUT_FORMAT", b"SECTIONS")
_TEXT_SAMPLE = 4096


def what_is(data: bytes, path: str | None = None) -> str:
    """Say in a few words what the file that begins with ``data`` is, knowing that it is not ELF.

    ``path`` is given when the file lies on disk, so that foreign object formats can be described in full.
    """
    for magic, name in _MAGICS:
        if data.startswith(magic):
            return name
    for magic, name in _OBJECT_MAGICS:
        if data.startswith(magic):
            described = describe_foreign_object(path) if path else None
            return described or name
    if data.startswith((b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf")):
        # Java class files share this magic; their next word is a version (45 and up), not a count of CPUs.
        if int.from_bytes(data[4:8], "big") < 45:
            return "a Mach-O universal binary (macOS)"
        return "a Java class file"
    sample = data[:_TEXT_SAMPLE]
    if _is_text(sample):
        if b"GNU ld script" in sample or sample.lstrip().startswith(_SCRIPT_COMMANDS):
            return "a linker script (text); the library it points to is named inside: " + _excerpt(sample)
        return "a text file, not an ELF file"
    if not sample.strip(b"\0"):
        return "a file of zero bytes (a hole: was the copy interrupted?)"
    return f"not an ELF file (it begins with {sample[:4].hex(' ')}, ELF with 7f 45 4c 46)"


def _is_text(sample: bytes) -> bool:
    control = sum(byte < 9 or 13 < byte < 32 for byte in sample)
    if control:
        return False
    try:
        sample.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(sample) - 4 > 0  # a character cut by the end of the sample
    return True


def _excerpt(sample: bytes) -> str:
    """The first command of a linker script, in one line."""
    text = sample.decode("utf-8", "replace")
    for line in text.splitlines():
        if line.lstrip().startswith(("INPUT", "GROUP")):
            return line.strip()[:120]
    return text.splitlines()[0].strip()[:120]
