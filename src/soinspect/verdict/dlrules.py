"""What ``check`` can find in any plugin, as data: first what dlopen meets, in its order, then what is only a risk."""

from __future__ import annotations

from soinspect.model.loadplan import ProblemKind
from soinspect.model.verdict import Outcome, ReasonRule

_LD_SO = "https://man7.org/linux/man-pages/man8/ld.so.8.html"
_DLOPEN = "https://man7.org/linux/man-pages/man3/dlopen.3.html"
_DLSYM = "https://man7.org/linux/man-pages/man3/dlsym.3.html"
_RUST = "https://doc.rust-lang.org/reference/items/external-blocks.html#abi"
_GABI = "https://gabi.xinuos.com/elf/08-dynamic.html"
_VERSIONS = "https://refspecs.linuxbase.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html"
_TLS = "https://www.akkadia.org/drepper/tls.pdf"
_STACKS = "https://sourceware.org/glibc/wiki/Release/2.41"
_MUSL = "https://wiki.musl-libc.org/functional-differences-from-glibc.html"
_CGO = "https://pkg.go.dev/cmd/go#hdr-Build_modes"


def _rule(name: str, outcome: Outcome, title: str, why: str, fix: str, reference: str) -> ReasonRule:
    return ReasonRule(id=f"check.dlopen.{name}", outcome=outcome, title=title, why=why, fix=fix, reference=reference)


HOST = _rule(
    ProblemKind.HOST, Outcome.UNDECIDED, "The host is no program that starts here",
    "What a plugin finds in its process is decided by the host, its libraries and its loader. A library, a static"
    " program, or one whose libraries are not here leaves that open.",
    "Name the program that opens the plugin, and with --root the system that it runs on.", _LD_SO,
)  # fmt: skip
FILE = _rule(
    ProblemKind.FILE, Outcome.REJECTED, "dlopen refuses the file itself",
    "The file is missing, no ELF file, cut short, for another machine, class, byte order or ABI, or a program instead"
    " of a library.",
    "Build it with -shared (Go: -buildmode=plugin) for the machine of the host.", _DLOPEN,
)  # fmt: skip
TRUNCATED = _rule(
    ProblemKind.TRUNCATED, Outcome.ABORTS_HOST, "The file ends before what it announces",
    "The loader maps what the program headers promise. Reading past the end of the file raises SIGBUS.",
    "Copy the file again.", _GABI,
)  # fmt: skip
EXECUTABLE_STACK = _rule(
    ProblemKind.EXECUTABLE_STACK, Outcome.REJECTED, "The plugin asks for an executable stack",
    "Mostly by mistake: one object file from assembly has no .note.GNU-stack section. glibc up to 2.40 makes all stacks"
    " of the host executable, which is a risk; since 2.41 dlopen refuses.",
    "Link with -Wl,-z,noexecstack, or patchelf --clear-execstack.", _STACKS,
)  # fmt: skip
LIBRARY = _rule(
    ProblemKind.LIBRARY, Outcome.REJECTED, "A library that the plugin needs cannot be loaded",
    "The loader looks along the plugin's RUNPATH, LD_LIBRARY_PATH, the host's RPATH, ld.so.cache and the default"
    " folders.",
    "Install the library, or link the plugin with -Wl,-rpath,'$ORIGIN'.", _LD_SO,
)  # fmt: skip
LIBC = _rule(
    ProblemKind.LIBC, Outcome.REJECTED, "Host and plugin are built for different C libraries",
    "glibc and musl differ in the layout of structures, and each has symbols that the other lacks. musl takes a glibc"
    " plugin and may crash; glibc does not find the library that a musl plugin names.",
    "Build the plugin on the system of the host.", _MUSL,
)  # fmt: skip
VERSION = _rule(
    ProblemKind.VERSION, Outcome.REJECTED, "A library lacks a version that the plugin needs",
    "The plugin was linked against a newer library than the one that the host runs with. The loader checks versions"
    " before any symbol is looked up.",
    "Build the plugin on the oldest system that it is to run on.", _VERSIONS,
)  # fmt: skip
SYMBOL = _rule(
    ProblemKind.SYMBOL, Outcome.REJECTED, "Nothing in the process defines a symbol of the plugin",
    "Plugins bind to what the host exports, and a program exports its symbols only if it is linked with -rdynamic."
    " Other reasons: a library that is not linked, a name mangled by C++, another string ABI, a version that is not"
    " there.",
    "Link the host with -rdynamic, or the plugin with the library that defines it.", _DLOPEN,
)  # fmt: skip
SYMBOL_AT_CALL = _rule(
    ProblemKind.SYMBOL_AT_CALL, Outcome.ACCEPTED, "A function that nothing defines is looked up when it is called",
    "With RTLD_LAZY, functions are looked up at their first call. dlopen succeeds, and the call of one that nothing"
    " defines ends the host: the loader prints 'symbol lookup error' and exits with code 127. Variables, functions"
    " whose address is taken, and all of a plugin that is linked with -z now are looked up by dlopen.",
    "Link the host with -rdynamic, or the plugin with the library that defines it.", _DLOPEN,
)  # fmt: skip
STATIC_TLS = _rule(
    ProblemKind.STATIC_TLS, Outcome.REJECTED, "There is no room for the plugin's thread-local storage",
    "Storage of the model initial-exec has its place in a block that is laid out when the host starts. glibc leaves"
    " some room for plugins, shared by all of them; musl leaves none.",
    "Start the host with GLIBC_TUNABLES=glibc.rtld.optional_static_tls=BYTES, or with the plugin in LD_PRELOAD.", _TLS,
)  # fmt: skip
TEXT_RELOCATIONS = _rule(
    ProblemKind.TEXT_RELOCATIONS, Outcome.ACCEPTED, "The plugin's code is changed when it is loaded",
    "SELinux and hardened systems forbid to write to code, and the pages are no longer shared between processes.",
    "Compile all of the plugin with -fPIC.", _GABI,
)  # fmt: skip
INTERPOSED = _rule(
    ProblemKind.INTERPOSED, Outcome.ACCEPTED, "The plugin's own symbols are bound to those of the host",
    "The host comes first in the search. A function or variable of the same name there is used by the plugin"
    " instead of its own.",
    "Compile the plugin with -fvisibility=hidden, or link it with -Wl,-Bsymbolic.", _DLOPEN,
)  # fmt: skip
COPIES = _rule(
    ProblemKind.COPIES, Outcome.ACCEPTED, "Two versions of one library in one process",
    "Their symbols may replace each other's, and data of one handed to the other is misread.",
    "Build the plugin against the library of the host.", _LD_SO,
)  # fmt: skip
GO_PLUGIN = _rule(
    "go-plugin", Outcome.ABORTS_HOST, "A Go plugin in a host that is no Go program",
    "dlopen loads it, and nothing sets up a Go runtime in it: that is what the Go program does that opens it with"
    " plugin.Open. Whoever calls one of its functions crashes.",
    "Build the plugin with -buildmode=c-shared, or open it from a Go program.", _CGO,
)  # fmt: skip
TWO_GO_RUNTIMES = _rule(
    "two-go-runtimes", Outcome.ACCEPTED, "Two Go runtimes in one process",
    "Each has its own scheduler, garbage collector and signal handlers, and takes the signals of the whole process."
    " Neither can be unloaded, and a pointer to memory of one must not be kept by the other.",
    "Link the Go code into one program or library.", _CGO,
)  # fmt: skip
RUST_RELEASES = _rule(
    "rust-releases", Outcome.ACCEPTED, "Host and plugin come from different releases of rustc",
    "Rust has no stable ABI: layouts of types, trait objects and the hashes of names may change with each release."
    ' Only what is extern "C" and repr(C) is safe between them.',
    'Build both with one release of rustc, or keep to extern "C" and repr(C).', _RUST,
)  # fmt: skip
REQUIRED = _rule(
    "required-symbol", Outcome.REJECTED, "A required symbol is not exported",
    "dlsym finds the dynamic symbols that are defined, and neither static nor hidden ones.",
    'Define it, extern "C" in C++, with default visibility.', _DLSYM,
)  # fmt: skip
REQUIRED_PROTOTYPE = _rule(
    "required-prototype", Outcome.REJECTED, "A required function has another prototype",
    "dlsym knows no types: a host that calls a function by another prototype passes arguments where the function does"
    " not look for them. The prototype is read from debug information; names of parameters do not matter.",
    "Give the function the prototype that the host calls it by.", _DLSYM,
)  # fmt: skip
NEWER_THAN_TARGET = _rule(
    "newer-than-target", Outcome.REJECTED, "The plugin needs newer symbols than the target has",
    "The loader of the target refuses a file that needs a version its library does not define. The version follows from"
    " the system that the plugin was built on.",
    "Build the plugin on the oldest system that it is to run on.", _VERSIONS,
)  # fmt: skip
FORBIDDEN = _rule(
    "forbidden-library", Outcome.REJECTED, "The plugin needs a library that is forbidden",
    "--forbid-needed names libraries that plugins must not depend on.",
    "Link the plugin without it, or statically.", _GABI,
)  # fmt: skip
MISFIT = ReasonRule(
    id="check.kind.refused", outcome=Outcome.REJECTED, title="The hosts of plugins of this kind refuse it",
    why="dlopen takes the file; then the host looks an entry point up, or compares versions, and gives the plugin up.",
    fix="soinspect info PLUGIN tells what the kind of plugin asks for.", reference=_DLSYM,
)  # fmt: skip
MISFIT_RISK = ReasonRule(
    id="check.kind.risk", outcome=Outcome.ACCEPTED, title="The hosts of plugins of this kind may refuse it",
    why="What the file says of itself does not fit its kind of plugin. How it is loaded decides whether that matters.",
    fix="soinspect info PLUGIN tells what the kind of plugin asks for.", reference=_DLSYM,
)  # fmt: skip

DLOPEN_RULES = {
    ProblemKind.HOST: HOST, ProblemKind.FILE: FILE, ProblemKind.TRUNCATED: TRUNCATED,
    ProblemKind.EXECUTABLE_STACK: EXECUTABLE_STACK, ProblemKind.LIBRARY: LIBRARY, ProblemKind.LIBC: LIBC,
    ProblemKind.VERSION: VERSION, ProblemKind.SYMBOL: SYMBOL,
    ProblemKind.SYMBOL_AT_CALL: SYMBOL_AT_CALL, ProblemKind.STATIC_TLS: STATIC_TLS,
    ProblemKind.TEXT_RELOCATIONS: TEXT_RELOCATIONS, ProblemKind.INTERPOSED: INTERPOSED, ProblemKind.COPIES: COPIES,
}  # fmt: skip
RULES = (
    *DLOPEN_RULES.values(), GO_PLUGIN, TWO_GO_RUNTIMES, RUST_RELEASES, REQUIRED, REQUIRED_PROTOTYPE, NEWER_THAN_TARGET,
    FORBIDDEN, MISFIT, MISFIT_RISK,
)  # fmt: skip
