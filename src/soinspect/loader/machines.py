"""What the loader of each machine is called and where it looks, and what relocations mean there (the psABIs)."""

from __future__ import annotations

from soinspect.model.constants import ElfClass, Machine
from soinspect.model.image import Header
from soinspect.model.lateclass import dataclass

_EF_ARM_ABI_FLOAT_HARD = 0x400


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderMachine:
    """One machine as the loader knows it.

    ``interpreter`` is glibc's loader, ``folders`` are the default ones where that file cannot be asked, ``cache``
    the flags of ld.so.cache, ``platform`` what ``$PLATFORM`` stands for, ``musl`` the name of the machine there.
    ``copy``, ``jump_slot``, ``slots`` and ``static_tls`` are relocation types: copying the definition of another
    object, filling the PLT (which can wait for the first call), filling it or thread-local words (which a PLT entry of
    the program cannot serve), fixed thread-local distances.
    ``stack_is_executable`` where nothing is said.
    """

    interpreter: str
    folders: tuple[str, ...]
    cache: int
    platform: str
    musl: str
    copy: int
    jump_slot: int
    slots: frozenset[int]
    static_tls: frozenset[int]
    stack_is_executable: bool = False


def _folders(triplet: str, lib: str) -> tuple[str, ...]:
    """Debian's folders, then those of everybody else."""
    return (f"/lib/{triplet}", f"/usr/lib/{triplet}", *dict.fromkeys((f"/{lib}", f"/usr/{lib}", "/lib", "/usr/lib")))


_MACHINES = {
    (Machine.X86_64, ElfClass.ELF64): LoaderMachine(
        interpreter="/lib64/ld-linux-x86-64.so.2",
        folders=_folders("x86_64-linux-gnu", "lib64"),
        cache=0x0303,
        platform="x86_64",
        musl="x86_64",
        copy=5,
        jump_slot=7,
        slots=frozenset({7, 16, 17, 18}),
        static_tls=frozenset({18, 23}),
        stack_is_executable=True,
    ),
    (Machine.X86_64, ElfClass.ELF32): LoaderMachine(
        interpreter="/libx32/ld-linux-x32.so.2",
        folders=_folders("x86_64-linux-gnux32", "libx32"),
        cache=0x0803,
        platform="x86_64",
        musl="x32",
        copy=5,
        jump_slot=7,
        slots=frozenset({7, 16, 17, 18}),
        static_tls=frozenset({18, 23}),
        stack_is_executable=True,
    ),
    (Machine.I386, ElfClass.ELF32): LoaderMachine(
        interpreter="/lib/ld-linux.so.2",
        folders=_folders("i386-linux-gnu", "lib"),
        cache=0x0003,
        platform="i686",
        musl="i386",
        copy=5,
        jump_slot=7,
        slots=frozenset({7, 14, 35, 36, 37}),
        static_tls=frozenset({14, 37}),
        stack_is_executable=True,
    ),
    (Machine.AARCH64, ElfClass.ELF64): LoaderMachine(
        interpreter="/lib/ld-linux-aarch64.so.1",
        folders=_folders("aarch64-linux-gnu", "lib64"),
        cache=0x0A03,
        platform="aarch64",
        musl="aarch64",
        copy=1024,
        jump_slot=1026,
        slots=frozenset({1026, 1028, 1029, 1030, 1031}),
        static_tls=frozenset({1030}),
    ),
    (Machine.ARM, ElfClass.ELF32): LoaderMachine(
        interpreter="/lib/ld-linux.so.3",
        folders=_folders("arm-linux-gnueabi", "lib"),
        cache=0x0B03,
        platform="v7l",
        musl="arm",
        copy=20,
        jump_slot=22,
        slots=frozenset({13, 17, 18, 19, 22}),
        static_tls=frozenset({19}),
        stack_is_executable=True,
    ),
    (Machine.RISCV, ElfClass.ELF64): LoaderMachine(
        interpreter="/lib/ld-linux-riscv64-lp64d.so.1",
        folders=("/lib/riscv64-linux-gnu", "/usr/lib/riscv64-linux-gnu", "/lib64/lp64d", "/usr/lib64/lp64d", "/lib"),
        cache=0x1003,
        platform="",
        musl="riscv64",
        copy=4,
        jump_slot=5,
        slots=frozenset({5, 7, 9, 11}),
        static_tls=frozenset({11}),
    ),
    (Machine.PPC64, ElfClass.ELF64): LoaderMachine(
        interpreter="/lib64/ld64.so.2",
        folders=_folders("powerpc64le-linux-gnu", "lib64"),
        cache=0x0503,
        platform="power8",
        musl="powerpc64le",
        copy=19,
        jump_slot=21,
        slots=frozenset({21, 68, 73, 78}),
        static_tls=frozenset({73}),
        stack_is_executable=True,
    ),
    (Machine.S390, ElfClass.ELF64): LoaderMachine(
        interpreter="/lib/ld64.so.1",
        folders=_folders("s390x-linux-gnu", "lib64"),
        cache=0x0403,
        platform="z13",
        musl="s390x",
        copy=9,
        jump_slot=11,
        slots=frozenset({11, 54, 55, 56}),
        static_tls=frozenset({56}),
        stack_is_executable=True,
    ),
    (Machine.LOONGARCH, ElfClass.ELF64): LoaderMachine(
        interpreter="/lib64/ld-linux-loongarch-lp64d.so.1",
        folders=_folders("loongarch64-linux-gnu", "lib64"),
        cache=0x1203,
        platform="loongarch64",
        musl="loongarch64",
        copy=4,
        jump_slot=5,
        slots=frozenset({5, 7, 9, 11}),
        static_tls=frozenset({11}),
    ),
}
_ARM_HARD_FLOAT = LoaderMachine(
    interpreter="/lib/ld-linux-armhf.so.3",
    folders=_folders("arm-linux-gnueabihf", "lib"),
    cache=0x0903,
    platform="v7l",
    musl="armhf",
    copy=20,
    jump_slot=22,
    slots=frozenset({13, 17, 18, 19, 22}),
    static_tls=frozenset({19}),
    stack_is_executable=True,
)


def loader_machine(header: Header) -> LoaderMachine | None:
    """The machine that a file was built for, or None for those whose loader is not known here."""
    if header.machine is Machine.ARM and header.flags & _EF_ARM_ABI_FLOAT_HARD:
        return _ARM_HARD_FLOAT
    return _MACHINES.get((header.machine, header.elf_class))
