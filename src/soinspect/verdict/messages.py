"""The messages of loaders, as data: of Go's runtime and package plugin, of glibc's and musl's dynamic linkers.

The first that is found in a text counts, so what is more special comes first. Programs wrap these messages in words of
their own (``ImportError: ...``, ``level=error msg=...``), which do not matter.
"""

from __future__ import annotations

from soinspect.model.explanation import LoaderMessage

_CHECK = "soinspect check HOST PLUGIN"
_DEPS = "soinspect info PLUGIN"


def _known(name: str, pattern: str, means: str, fix: str) -> LoaderMessage:
    return LoaderMessage(id=name, pattern=pattern, means=means, fix=fix)


MESSAGES = (
    # -- Go --------------------------------------------------------------------------------------------------
    _known("go.package-hash", r"plugin was built with a different version of package (?P<name>[^\s\\\"')]+)",
           "host and plugin share package {name}, and were compiled from different builds of it: another Go release,"
           " other flags (-trimpath, -race, -tags, -gcflags=all=), or another version of a module; {name} is only the"
           " first package that differs",
           _CHECK),
    _known("go.already-loaded", r"plugin already loaded",
           "a plugin with the same plugin path is loaded: a copy of the file, or another build of the same package."
           " After a plugin of another Go release, or a library that is no plugin, the runtime says it wrongly",
           "soinspect check HOST PLUGIN... with all plugins, in the order in which the host opens them"),
    _known("go.no-module-data", r"runtime: no plugin module data",
           "the host loaded the file, and found no Go plugin in it: the file is no Go plugin, was built by a Go"
           " release that lays out module data differently, or the host is linked statically or by -linkmode=internal",
           _CHECK),
    _known("go.empty-plugin-path", r"runtime: plugin has empty pluginpath",
           "a Go module without a plugin path was added to the process: a library of -buildmode=shared, or a program"
           " that makes code at run time (bytedance/sonic) while a plugin is opened",
           "build the plugin with -buildmode=plugin"),
    _known("go.overlap", r"new module data overlaps with previous moduledata",
           "the host found the module data of an earlier plugin instead of the new one's", _CHECK),
    _known("go.not-implemented", r"plugin: not implemented",
           "the host was built without cgo, or for a system where Go has no plugins",
           "CGO_ENABLED=1 go build, of the host"),
    _known("go.realpath", r"plugin\.Open\([\\\"]*(?P<name>[^\\\")]+)[\\\"]*\): realpath failed",
           "there is no file {name}, or its folder may not be read; the path is relative to the host's working"
           " directory, and no search path is used",
           "ls -l {name}"),
    _known("go.export-without-symbol", r"could not find symbol (?P<name>\S+):",
           "the plugin's table of exports names {name}, and its dynamic symbols do not have it: it was built with"
           " -ldflags=-pluginpath=..., or its dynamic symbols were removed",
           "build the plugin without -ldflags=-pluginpath"),
    _known("go.symbol-not-found", r"plugin: symbol (?P<name>\S+) not found in plugin (?P<path>\S+)",
           "{path} does not export a function or variable {name} from package main: types, constants, methods and"
           " names in lower case are not found",
           "soinspect go PLUGIN"),
    _known("go.type", r"plugin\.Symbol is (?P<found>.+?), not (?P<wanted>[^\n]+)",
           "the host asserts the type {wanted}, and the symbol is {found}; a variable is looked up as a pointer to it,"
           " and types of the same name from two copies of a package differ",
           "soinspect go PLUGIN"),
    # -- sanitizers ------------------------------------------------------------------------------------------
    _known("asan.late", r"ASan runtime does not come first",
           "the plugin was built with -asan and the host was not", "build the plugin without -asan"),
    _known("asan.odr", r"AddressSanitizer: odr-violation",
           "two files of the process define the same variable; a Go plugin with -asan always does",
           "build the plugin without -asan"),
    # -- glibc and musl --------------------------------------------------------------------------------------
    _known("ld.version", r"version [`'](?P<version>[^']+)' not found \(required by (?P<name>[^)]+)\)",
           "{name} was linked against a newer library: the one that is found does not define version {version}",
           _DEPS),
    _known("ld.undefined-symbol", r"undefined symbol: (?P<name>[^\s,]+)",
           "nothing in the process defines {name}: a library is missing from the link, another version of it is"
           " found, or the host defines the symbol without exporting it (-rdynamic)",
           _DEPS),
    _known("musl.undefined-symbol", r"Error relocating (?P<path>[^:]+): (?P<name>\S+): symbol not found",
           "nothing in the process defines {name}, which {path} needs; musl has no symbols that only glibc defines",
           _DEPS),
    _known("musl.missing-library",
           r"Error loading shared library (?P<name>[^:]+): [^(\n]+(?:\(needed by (?P<path>[^)]+)\))?",
           "the library {name} is not found, or cannot be loaded", _DEPS),
    _known("ld.missing-library", r"(?P<name>[^\s:\"]+): cannot open shared object file: No such file",
           "the library {name} is not on the search path; for a file that is there: it was built for another"
           " kind of machine",
           _DEPS),
    _known("ld.class", r"(?P<name>[^\s:\"]+): wrong ELF class: (?P<class>\w+)",
           "{name} is {class}, the host is not: one has 32 bits, the other 64", "soinspect info PLUGIN HOST"),
    _known("ld.not-elf", r"(?P<name>[^\s:\"]+): invalid ELF header",
           "{name} is no ELF file: built on another system, a text file, or a Git LFS pointer",
           "soinspect info {name}"),
    _known("ld.short", r"(?P<name>[^\s:\"]+): file too short",
           "{name} is empty or was cut short", "soinspect info {name}"),
    _known("ld.executable", r"(?P<name>[^\s:\"]+): cannot dynamically load (?:position-independent )?executable",
           "{name} is a program: dlopen takes libraries only", "build it with -shared or -buildmode=plugin"),
    _known("ld.static-tls", r"cannot allocate memory in static TLS block",
           "the plugin, or a library that comes with it, needs thread-local storage of the kind that is set aside when"
           " the program starts, and what is set aside is used up",
           "GLIBC_TUNABLES=glibc.rtld.optional_static_tls=4096 HOST, or start the host with LD_PRELOAD=PLUGIN"),
    _known("musl.static-tls", r"initial-exec TLS resolves to dynamic definition",
           "the plugin uses thread-local storage of the kind that musl gives only to what is loaded at start; Go"
           " libraries do",
           "run the host on glibc, or link the plugin into it"),
    _known("ld.executable-stack", r"cannot enable executable stack",
           "the plugin asks for an executable stack, mostly by mistake (assembly without .note.GNU-stack); glibc 2.41"
           " refuses that in dlopen",
           "link the plugin with -Wl,-z,noexecstack"),
    _known("ld.text-relocations", r"cannot restore segment prot after reloc|has text relocations",
           "the plugin's code has to be changed when it is loaded, and the system forbids that",
           "compile the plugin with -fPIC"),
    _known("ld.map", r"failed to map segment from shared object",
           "the file may not be mapped as code: its file system is mounted noexec, or memory is short",
           "findmnt -T PLUGIN -o OPTIONS"),
    _known("python.init", r"does not define module export function \((?P<name>PyInit_\w+)\)",
           "Python looks for {name}, which follows from the file's name: the file was renamed, or the function is not"
           ' exported (extern "C", visibility)',
           "soinspect symbols PLUGIN --match 'PyInit_*'"),
)  # fmt: skip
