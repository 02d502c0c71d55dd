"""Rules on how the object is loaded: whether dlopen takes it, thread-local storage, stacks, protections."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from soinspect.comparing.change import Change
from soinspect.comparing.pair import ComparisonRule, Pair
from soinspect.model.absence import Absent
from soinspect.model.finding import Severity
from soinspect.model.hardening import Hardening, Relro
from soinspect.model.snapshot import DynamicLinking, Snapshot
from soinspect.model.texts import count

_GABI = "https://www.sco.com/developers/gabi/latest/ch5.dynamic.html"
_LD_SO = "https://man7.org/linux/man-pages/man8/ld.so.8.html"
_LD = "https://man7.org/linux/man-pages/man1/ld.1.html"
_TLS = "https://www.akkadia.org/drepper/tls.pdf"
_HARDENING = "https://wiki.debian.org/Hardening"


def _flags(facts: Snapshot) -> tuple[str, ...]:
    return facts.dynamic.flags if isinstance(facts.dynamic, DynamicLinking) else ()


def _flag_added(name: str, prefix: str = "DF_1_") -> Callable[[Pair], Iterator[Change]]:
    def find(pair: Pair) -> Iterator[Change]:
        if name in _flags(pair.new) and name not in _flags(pair.old):
            yield Change(subject=prefix + name, after="set")

    return find


def _search_path_changed(pair: Pair) -> Iterator[Change]:
    old, new = pair.old.dynamic, pair.new.dynamic
    if isinstance(old, DynamicLinking) and isinstance(new, DynamicLinking) and not _became_runpath(old, new):
        for subject, before, after in (("RPATH", old.rpath, new.rpath), ("RUNPATH", old.runpath, new.runpath)):
            if before != after:
                yield Change(subject=subject, before=before, after=after)


def _became_runpath(old: DynamicLinking, new: DynamicLinking) -> bool:
    """Whether the same path is searched, but no longer for what the dependencies need in turn."""
    return bool(old.rpath and not old.runpath and new.runpath == old.rpath)


def _rpath_became_runpath(pair: Pair) -> Iterator[Change]:
    old, new = pair.old.dynamic, pair.new.dynamic
    if isinstance(old, DynamicLinking) and isinstance(new, DynamicLinking) and _became_runpath(old, new):
        yield Change(subject=new.runpath or "", before="RPATH", after="RUNPATH")


def _static_tls_added(pair: Pair) -> Iterator[Change]:
    old, new = pair.old.tls, pair.new.tls
    if new and new.static and not (old and old.static):
        yield Change(subject="DF_STATIC_TLS", after=f"{count(new.size, 'byte')} of its own")


def _tls_grown(pair: Pair) -> Iterator[Change]:
    before, after = (facts.tls.size if facts.tls else 0 for facts in (pair.old, pair.new))
    if after > before:
        yield Change(subject="PT_TLS", before=count(before, "byte"), after=count(after, "byte"))


def _stack(hardening: Hardening) -> str:
    if isinstance(hardening.executable_stack, Absent):
        return "unstated (no PT_GNU_STACK)"
    return "executable" if hardening.executable_stack else "not executable"


def _execstack_enabled(pair: Pair) -> Iterator[Change]:
    before, after = _stack(pair.old.hardening), _stack(pair.new.hardening)
    if before == "not executable" and after != before:
        yield Change(subject="stack", before=before, after=after)


def _textrel_added(pair: Pair) -> Iterator[Change]:
    if pair.new.hardening.text_relocations and not pair.old.hardening.text_relocations:
        yield Change(subject="DT_TEXTREL", after="set")


def _relro_weakened(pair: Pair) -> Iterator[Change]:
    order = list(Relro)
    before, after = pair.old.hardening.relro, pair.new.hardening.relro
    if order.index(after) < order.index(before):
        yield Change(subject="RELRO", before=before, after=after)


def _bind_now_dropped(pair: Pair) -> Iterator[Change]:
    if pair.old.hardening.bind_now and not pair.new.hardening.bind_now:
        yield Change(subject="binding", before="at load time", after="lazy")


def _canary_dropped(pair: Pair) -> Iterator[Change]:
    if pair.old.hardening.stack_protector is True and pair.new.hardening.stack_protector is False:
        yield Change(subject="stack protector", before="used", after="not seen")


def _fortify_dropped(pair: Pair) -> Iterator[Change]:
    before, after = pair.old.hardening.fortified, pair.new.hardening.fortified
    if isinstance(before, tuple) and isinstance(after, tuple) and before and not after:
        yield Change(subject="FORTIFY", before=", ".join(before), after="no checked function")


def _control_flow_dropped(pair: Pair) -> Iterator[Change]:
    lost = [n for n in pair.old.hardening.control_flow if n not in pair.new.hardening.control_flow]
    if lost:
        yield Change(subject=", ".join(lost), before="declared")


def _init_added(pair: Pair) -> Iterator[Change]:
    before, after = len(pair.old.init_functions), len(pair.new.init_functions)
    if after > before:
        names = [str(f.name) for f in pair.new.init_functions if isinstance(f.name, str)]
        yield Change(
            subject="functions that run on load", before=str(before), after=str(after), evidence=", ".join(names)
        )


_rule = ComparisonRule.of

RULES = (
    _rule(
        "elf.dlopen-forbidden",
        Severity.BREAKING,
        "dlopen is forbidden",
        "The file was linked with -z nodlopen: 'shared object cannot be dlopen()ed'.",
        "Link without -z nodlopen.",
        _LD,
        _flag_added("NOOPEN"),
    ),
    _rule(
        "elf.static-tls-added",
        Severity.RISKY,
        "It needs room in the static TLS block",
        "Opened with dlopen it fails with 'cannot allocate memory in static TLS block' once the small reserve that "
        "glibc keeps is used up; musl refuses it.",
        "Compile with -fPIC and without -ftls-model=initial-exec, or load it at start-up (LD_PRELOAD).",
        _TLS,
        _static_tls_added,
    ),
    _rule(
        "elf.tls-segment-grown",
        Severity.INFO,
        "It has more thread-local data",
        "Every thread that touches it pays for the larger block.",
        "Nothing.",
        _TLS,
        _tls_grown,
    ),
    _rule(
        "elf.execstack-enabled",
        Severity.RISKY,
        "It asks for an executable stack",
        "glibc 2.41 and newer refuse to dlopen it: 'cannot enable executable stack as shared object requires'.",
        "Link with -z noexecstack, and mark assembly files with .note.GNU-stack.",
        _LD,
        _execstack_enabled,
    ),
    _rule(
        "elf.textrel-added",
        Severity.RISKY,
        "Its code is relocated at load time",
        "SELinux refuses text relocations, and the pages cannot be shared between processes.",
        "Compile everything with -fPIC; link with -z text to find what is not.",
        _GABI,
        _textrel_added,
    ),
    _rule(
        "elf.runpath-changed",
        Severity.RISKY,
        "The search path for its dependencies differs",
        "Its libraries may be found elsewhere, in another version, or not at all.",
        "Check that the new path exists where the file is installed.",
        _LD_SO,
        _search_path_changed,
    ),
    _rule(
        "elf.rpath-became-runpath",
        Severity.RISKY,
        "RPATH has become RUNPATH",
        "RUNPATH is searched for the libraries that this file itself needs, not for what those need in turn, and "
        "LD_LIBRARY_PATH comes before it.",
        "Link with --disable-new-dtags, or give every library a RUNPATH of its own.",
        _LD_SO,
        _rpath_became_runpath,
    ),
    _rule(
        "elf.relro-weakened",
        Severity.RISKY,
        "Less of it is read-only after relocation",
        "Function pointers that an attacker could not overwrite can be overwritten.",
        "Link with -z relro -z now.",
        _HARDENING,
        _relro_weakened,
    ),
    _rule(
        "elf.bindnow-dropped",
        Severity.RISKY,
        "Functions are bound at their first call",
        "A missing function no longer stops the loading: the process ends when it is called.",
        "Link with -z now.",
        _LD_SO,
        _bind_now_dropped,
    ),
    _rule(
        "elf.canary-dropped",
        Severity.RISKY,
        "The stack protector is gone",
        "Overflows of buffers on the stack are no longer noticed.",
        "Compile with -fstack-protector-strong.",
        _HARDENING,
        _canary_dropped,
    ),
    _rule(
        "elf.fortify-dropped",
        Severity.RISKY,
        "No C library call is checked any more",
        "Overflows in memcpy, sprintf and the like are no longer noticed.",
        "Compile with -O2 -D_FORTIFY_SOURCE=3.",
        _HARDENING,
        _fortify_dropped,
    ),
    _rule(
        "elf.cet-dropped",
        Severity.RISKY,
        "A control-flow protection is no longer declared",
        "One object without it switches the protection off for the whole process.",
        "Compile everything, assembly too, with -fcf-protection (x86-64) or -mbranch-protection=standard (AArch64).",
        _HARDENING,
        _control_flow_dropped,
    ),
    _rule(
        "elf.nodelete-added",
        Severity.INFO,
        "It is never unloaded",
        "dlclose leaves it in memory: a host that reloads its plugins keeps running the old code.",
        "Link without -z nodelete if the host must reload it.",
        _LD,
        _flag_added("NODELETE"),
    ),
    _rule(
        "elf.symbolic-added",
        Severity.INFO,
        "It binds its own symbols to itself",
        "What a program or LD_PRELOAD defines in place of them is no longer seen by the file itself.",
        "Link without -Bsymbolic if it is to be interposed.",
        _LD,
        _flag_added("SYMBOLIC", "DF_"),
    ),
    _rule(
        "elf.init-added",
        Severity.INFO,
        "More code runs when it is loaded",
        "Constructors run inside of dlopen, before the host can check anything.",
        "Nothing, if it is meant.",
        _GABI,
        _init_added,
    ),
)
