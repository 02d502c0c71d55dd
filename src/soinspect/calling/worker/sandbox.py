"""Walls around foreign code, each built from raw system calls, each best effort: what cannot be built is reported.

Namespaces keep the network away, Landlock (Documentation/userspace-api/landlock.rst) the file system from being
written to, seccomp (Documentation/userspace-api/seccomp_filter.rst) other processes from being started or signalled.
"""

from __future__ import annotations

import ctypes
import os
from struct import Struct

TYPE_CHECKING = False  # the typing module costs milliseconds; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable

_libc = ctypes.CDLL(None, use_errno=True)

_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 4, 22, 38
_SECCOMP_MODE_FILTER = 2

_NEW_UTS, _NEW_IPC, _NEW_USER, _NEW_NET = 0x4000000, 0x8000000, 0x10000000, 0x40000000

_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446
_LANDLOCK_VERSION = 1
_RULE_PATH_BENEATH = 1
_WRITE_FILE = 1 << 1
_CHANGES = _WRITE_FILE | 0x1FF0  # remove and make entries of every kind
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_TCP = 0b11  # bind and connect
_SCOPES = 0b11  # abstract unix sockets and signals
_DEVICES = (b"/dev/null", b"/dev/zero", b"/dev/full")
_RULESET = Struct("=QQQ")
_PATH_BENEATH = Struct("=Qi")

# Classic BPF: a load, the jumps and the returns that the filter is made of.
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_INSTRUCTION = Struct("=HBBI")
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_EPERM, _ENOSYS = 1, 38
_NUMBER_AT, _MACHINE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_CLONE_THREAD = 0x10000
_X32 = 0x40000000


class _Calls:
    """System call numbers of one machine (asm/unistd_64.h, asm-generic/unistd.h)."""

    __slots__ = ("audit", "clone", "clone3", "executes", "forbidden", "signals", "starts")

    def __init__(
        self,
        *,
        audit: int,
        clone: int,
        clone3: int,
        starts: tuple[int, ...],
        executes: tuple[int, ...],
        signals: tuple[int, ...],
        forbidden: tuple[int, ...],
    ) -> None:
        self.audit = audit
        self.clone = clone
        self.clone3 = clone3
        self.starts = starts  # fork, vfork
        self.executes = executes  # execve, execveat
        self.signals = signals  # kill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo: the first argument is a process
        # ptrace, process_vm_writev, tkill, pidfd_send_signal, pidfd_getfd, bpf, perf_event_open, unshare, setns,
        # mount and umount2, pivot_root, chroot, reboot, swapon and swapoff, init_module, finit_module, delete_module,
        # kexec_load, keyctl and its kin, settimeofday, clock_settime, sethostname, setdomainname, acct, quotactl,
        # io_uring_setup (its operations pass by the filter), open_tree, move_mount, fsopen
        self.forbidden = forbidden


_CALLS = {
    "x86_64": _Calls(
        audit=0xC000003E,
        clone=56,
        clone3=435,
        starts=(57, 58),
        executes=(59, 322),
        signals=(62, 234, 129, 297),
        forbidden=(
            *(101, 311, 200, 424, 438, 321, 298, 272, 308, 165, 166, 155, 161, 169, 167, 168, 175, 313, 176),
            *(246, 248, 249, 250, 164, 227, 170, 171, 163, 179, 425, 428, 429, 430),
        ),
    ),
    "aarch64": _Calls(
        audit=0xC00000B7,
        clone=220,
        clone3=435,
        starts=(),
        executes=(221, 281),
        signals=(129, 131, 138, 240),
        forbidden=(
            *(117, 271, 130, 424, 438, 280, 241, 97, 268, 40, 39, 41, 51, 142, 224, 225, 105, 273, 106),
            *(104, 217, 218, 219, 170, 112, 161, 162, 89, 60, 425, 428, 429, 430),
        ),
    ),
}


def build_walls(
    *, writable: tuple[bytes, ...], network: bool, processes: bool, executes: bool = False
) -> tuple[list[str], list[str]]:
    """Confine this process for good: the walls that stand, and those that do not, with the reason.

    ``writable`` are the folders that may be written to; ``network`` and ``processes`` leave these open; ``executes``
    lets it become another program, which inherits the walls.
    """
    standing: list[str] = []
    missing: list[str] = []
    walls: tuple[tuple[str, Callable[[], str]], ...] = (
        ("namespaces", lambda: _namespaces(network=network)),
        ("no new privileges", _no_new_privileges),
        ("Landlock", lambda: _landlock(writable, network=network)),
        ("seccomp", lambda: _seccomp(processes=processes, executes=executes)),
    )
    for name, build in walls:
        try:
            standing.append(build())
        except OSError as error:
            missing.append(f"{name} ({error.strerror})")
    return standing, missing


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _prctl(option: int, first: int, second: int = 0) -> None:
    zero = ctypes.c_ulong(0)
    _checked(_libc.prctl(option, ctypes.c_ulong(first), ctypes.c_ulong(second), zero, zero))


def _namespaces(*, network: bool) -> str:
    user, group = os.getuid(), os.getgid()
    _checked(_libc.unshare(_NEW_USER | _NEW_IPC | _NEW_UTS | (0 if network else _NEW_NET)))
    _prctl(_PR_SET_DUMPABLE, 1)  # lost with the change of credentials; the monitor could not read our memory
    for file, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        descriptor = os.open(f"/proc/self/{file}", os.O_WRONLY)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)
    return "own namespaces (user, ipc, uts" + (")" if network else ", network)")


def _no_new_privileges() -> str:
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    return "no new privileges"


def _landlock(writable: tuple[bytes, ...], *, network: bool) -> str:
    version = _checked(_libc.syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), _LANDLOCK_VERSION))
    changes = _CHANGES | (_REFER if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0)
    tcp = _TCP if version >= 4 and not network else 0
    scopes = _SCOPES if version >= 6 else 0
    rules = _RULESET.pack(changes, tcp, scopes)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = _checked(_libc.syscall(_LANDLOCK_CREATE_RULESET, rules, ctypes.c_size_t(size), 0))
    try:
        for path, allowed in (*((p, changes) for p in writable), *((p, _WRITE_FILE) for p in _DEVICES)):
            _allow_beneath(ruleset, path, allowed)
        _checked(_libc.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)
    return f"files read-only (Landlock {version})"


def _allow_beneath(ruleset: int, path: bytes, allowed: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # a device that a container left out
    try:
        rule = _PATH_BENEATH.pack(allowed, descriptor)
        _checked(_libc.syscall(_LANDLOCK_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0))
    finally:
        os.close(descriptor)


def _seccomp(*, processes: bool, executes: bool) -> str:
    calls = _CALLS.get(os.uname().machine)
    if calls is None:
        raise OSError(_ENOSYS, "no filter for this machine")
    program = _filter(calls, processes=processes, executes=executes)
    buffer = ctypes.create_string_buffer(program)
    # struct sock_fprog: a length, padding, a pointer
    header = ctypes.create_string_buffer(Struct("@HP").pack(len(program) // 8, ctypes.addressof(buffer)))
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(header))
    return "system calls filtered (seccomp)" if processes else "no processes, no signals to others (seccomp)"


def _filter(calls: _Calls, *, processes: bool, executes: bool) -> bytes:
    """The filter program: each check is a few instructions that end in a return, or fall through."""
    refuse, unknown = _ERRNO | _EPERM, _ERRNO | _ENOSYS
    code = [
        (_LOAD, 0, 0, _MACHINE_AT),
        (_JUMP_EQUAL, 1, 0, calls.audit),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_JUMP_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, unknown),
    ]
    forbidden = calls.forbidden if processes else (*calls.forbidden, *calls.starts)
    for number in forbidden if processes or executes else (*forbidden, *calls.executes):
        code += [(_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, refuse)]
    if not processes:
        # The flags of clone3 are in memory, out of reach for a filter: callers fall back to clone.
        code += [(_JUMP_EQUAL, 0, 1, calls.clone3), (_RETURN, 0, 0, unknown)]
        code += [(_JUMP_EQUAL, 0, 4, calls.clone), (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
                 (_JUMP_SET, 1, 0, _CLONE_THREAD), (_RETURN, 0, 0, refuse), (_RETURN, 0, 0, _ALLOW)]  # fmt: skip
        for number in calls.signals:
            code += [(_JUMP_EQUAL, 0, 4, number), (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
                     (_JUMP_EQUAL, 1, 0, os.getpid()), (_RETURN, 0, 0, refuse), (_RETURN, 0, 0, _ALLOW)]  # fmt: skip
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(_INSTRUCTION.pack(*instruction) for instruction in code)
