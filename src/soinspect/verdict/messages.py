"""The messages of loaders, as data: of Go's runtime and package plugin, of glibc's and musl's dynamic linkers.

The first that is found in a text counts, so what is more special comes first. Programs wrap these messages in words of
their own (``ImportError: ...``, ``level=error msg=...``), which do not matter.
"""

from __future__ import annotations

from soinspect.model.explanation import LoaderMessage

_CHECK = "soinspect check HOST PLUGIN"
_DEPS = "soinspect info PLUGIN"


def _known(name: str, pattern: str, means: str, fix: str, *foreseen_by: str) -> LoaderMessage:
    return LoaderMessage(id=name, pattern=pattern, means=means, fix=fix, foreseen_by=foreseen_by)


# It is only looked for where a word begins: from every character on, that would take time with the square of a text.
_FILE = r"(?<![^\s:\"])(?P<file>[^\s:\"]+)"
# Refusals of a file for what its headers say, word for word (glibc, elf/dl-load.c).
_HEADERS = (
    r"ELF file data encoding not (?:little|big)-endian|ELF file version ident does not match current one"
    r"|ELF file OS ABI invalid|ELF file ABI version invalid|nonzero padding in e_ident|internal error"
    r"|ELF file version does not match current one|only ET_DYN and ET_EXEC can be loaded"
    r"|ELF file's phentsize not the expected size|object file has no loadable segments"
    r"|object file has no dynamic section|ELF load command (?:alignment|address/offset) not [\w-]+(?: aligned)?"
    r"|ELF load command past end of file|cannot read file data"
)

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
    _known("go.realpath", r"plugin\.Open\([\\\"]*(?P<file>[^\\\")]+)[\\\"]*\): realpath failed",
           "there is no file {file}, or its folder may not be read; the path is relative to the host's working"
           " directory, and no search path is used",
           "ls -l {file}"),
    _known("go.export-without-symbol", r"could not find symbol (?P<name>\S+):",
           "the plugin's table of exports names {name}, and its dynamic symbols do not have it: it was built with"
           " -ldflags=-pluginpath=..., or its dynamic symbols were removed",
           "build the plugin without -ldflags=-pluginpath", "check.go.export-without-symbol"),
    _known("go.symbol-not-found", r"plugin: symbol (?P<name>\S+) not found in plugin (?P<plugin>[^\s\\\"',;)]+)",
           "{plugin} does not export a function or variable {name} from package main: types, constants, methods and"
           " names in lower case are not found",
           "soinspect go PLUGIN"),
    _known("go.nil-symbol", r"interface conversion: (?:interface(?: \{\})?|plugin\.Symbol) is nil, not [^\n]+",
           "the host asserts a type of nothing: plugin.Lookup found no such symbol, and its error was not looked at",
           "check the error of Lookup in the host"),
    _known("go.missing-method",
           r"(?P<found>(?<=interface conversion: )[^\n]+?|(?<![^\s:\"])[^\s:\"]+) is not"
           r" (?P<wanted>(?:(?! is not )[^\n])+?): missing method (?P<method>\w+)",
           "the host asserts the interface {wanted}, and {found} has no method {method}, or one with another signature;"
           " a variable is looked up as a pointer to it",
           "soinspect go PLUGIN", "check.go.required-type"),
    _known("go.type",
           r"(?:interface conversion: (?:interface(?: \{\})?|\w+\.\w+)|plugin\.Symbol) is (?P<found>[^\n]+?),"
           r" not (?P<wanted>[^\n]+)",
           "the host asserts the type {wanted}, and the symbol is {found}; a variable is looked up as a pointer to it,"
           " and types of the same name from two copies of a package differ",
           "soinspect go PLUGIN", "check.go.required-type"),
    _known("go.nil-pointer", r"invalid memory address or nil pointer dereference",
           "Go code used a nil pointer; in runtime.plugin_lastmoduleinit, host and plugin come from releases of Go that"
           " lay out module data differently",
           _CHECK, "check.go.module-fields"),
    _known("go.module-tables",
           r"(?:invalid (?:runtime|function) symbol table|plugin has bad symbol table|runtime: pcHeader: invalid"
           r"|fatal error: abi mismatch|minpc or maxpc invalid)",
           "the tables of the plugin are not those that its host's release of Go expects, or are damaged", _CHECK),
    _known("go.unreachable-method", r"unreachable method called\. linker bug\?",
           "the host's linker left a method out that only the plugin calls: the linker of Go 1.17 did so where a host"
           " reaches it through plugins alone",
           "build host and plugin with a newer Go release"),
    # -- sanitizers ------------------------------------------------------------------------------------------
    _known("asan.late", r"ASan runtime does not come first",
           "the plugin was built with -asan and the host was not", "build the plugin without -asan"),
    _known("asan.odr", r"AddressSanitizer: odr-violation",
           "two files of the process define the same variable; a Go plugin with -asan always does",
           "build the plugin without -asan"),
    # -- glibc and musl --------------------------------------------------------------------------------------
    _known("ld.version", r"version [`'](?P<version>[^']+)' not found \(required by (?P<file>[^)]+)\)",
           "{file} was linked against a newer library: the one that is found does not define version {version}",
           _DEPS),
    _known("ld.link-time-version", r"symbol (?P<name>\S+), version (?P<version>\S+) not defined in file (?P<file>\S+)",
           "the {file} that is found has the version {version}, and not {name} in it: it is another build than the one"
           " that was linked against",
           _DEPS),
    _known("ld.undefined-symbol",
           r"(?:(?<![^\s:\"])(?P<path>[^\s:\"]+): )?undefined symbol: (?P<name>[^\s,]+)"
           r"(?:, version (?P<version>[^\s,)\"']+))?",
           "nothing in the process defines {name}: a library is missing from the link, another version of it is"
           " found, or the host defines the symbol without exporting it (-rdynamic); or the host looked it up in the"
           " plugin, which does not export it by that name",
           _DEPS),
    _known("musl.undefined-symbol", r"Error relocating (?P<path>[^:]+): (?P<name>\S+): symbol not found",
           "nothing in the process defines {name}, which {path} needs; musl has no symbols that only glibc defines",
           _DEPS),
    _known("musl.dlsym", r"Symbol not found: (?P<name>\S+)",
           "the host looked {name} up in the plugin, which does not export it by that name",
           "soinspect symbols PLUGIN"),
    _known("musl.missing-library",
           r"Error loading shared library (?P<file>[^:]+): [^(\n]+(?:\(needed by (?P<path>[^)]+)\))?",
           "the library {file} is not found, or cannot be loaded", _DEPS),
    _known("musl.static", r"Dynamic loading not supported",
           "the host is linked statically with musl, and cannot load any library", "link the host without -static"),
    _known("ld.permission", rf"{_FILE}: cannot open shared object file: Permission denied",
           "{file} is there, and the user that runs the host may not read it, or not enter one of its folders",
           "namei -l {file}"),
    _known("ld.missing-library", rf"{_FILE}: cannot open shared object file",
           "the file {file} is not found: a name without a slash is searched for (RPATH, LD_LIBRARY_PATH, RUNPATH,"
           " ld.so.cache, the system's folders), and not in the working directory; if it is there, it was built for"
           " another kind of machine",
           _DEPS),
    _known("ld.class", rf"{_FILE}: wrong ELF class: (?P<class>\w+)",
           "{file} is {class}, the host is not: one has 32 bits, the other 64", "soinspect info PLUGIN HOST"),
    _known("ld.not-elf", rf"{_FILE}: invalid ELF header",
           "{file} is no ELF file: built on another system, a text file, or a Git LFS pointer",
           "soinspect info {file}"),
    _known("ld.short", rf"{_FILE}: file too short",
           "{file} is empty or was cut short", "soinspect info {file}"),
    _known("ld.executable", rf"{_FILE}: cannot dynamically load (?:position-independent )?executable",
           "{file} is a program: dlopen takes libraries only", "build it with -shared or -buildmode=plugin"),
    _known("ld.nodlopen", rf"{_FILE}: shared object cannot be dlopen\(\)ed",
           "{file} was linked with -z nodlopen, and is loaded at the start of a program only",
           "link {file} without -Wl,-z,nodlopen"),
    _known("ld.headers", rf"{_FILE}: (?P<why>{_HEADERS})",
           "the loader does not take {file} for what its headers say: {why}; it is damaged, for another system, or no"
           " library",
           "soinspect info {file}"),
    _known("ld.level", r"CPU ISA level is lower than required",
           "the file was compiled for a newer processor (-march=x86-64-v3, say) than this one",
           "compile the plugin for the processor that it is to run on"),
    _known("ld.overflow", r"[Ss]ymbol [`'](?P<name>[^']+)' causes overflow in (?P<kind>R_\w+) relocation",
           "code that was not compiled as position-independent refers to {name}, and lies too far from it",
           "compile the plugin with -fPIC"),
    _known("ld.no-versions", r"Assertion [`']version->filename == NULL",
           "a library that is needed in a certain version was replaced by one without any versions; glibc ends the"
           " program",
           _DEPS),
    _known("ld.version-not-needed", r"Assertion [`']needed != NULL' failed",
           "the plugin asks for a version of a library that it does not name as needed (patchelf --remove-needed, an"
           " odd linker); glibc ends the program",
           _DEPS),
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
    _known("ld.text-relocations", r"cannot restore segment prot after reloc|has text relocations|cannot make segment"
           r" writable for relocation",
           "the plugin's code has to be changed when it is loaded, and the system forbids that",
           "compile the plugin with -fPIC"),
    _known("ld.map", r"failed to map segment from shared object",
           "the file may not be mapped as code: its file system is mounted noexec, or memory is short",
           "findmnt -T PLUGIN -o OPTIONS"),
    _known("bus-error", r"SIGBUS|Bus error",
           "memory that a file was to fill is past the file's end: a library was cut short, or overwritten while it was"
           " in use",
           "soinspect info PLUGIN", "check.dlopen.truncated"),
    _known("crash", r"SIGSEGV|[Ss]egmentation (?:fault|violation)",
           "code used memory that is not there: host and plugin misunderstand each other's data or functions, or one of"
           " them is wrong; a Go runtime in a host that does not start it crashes, too",
           "soinspect call PLUGIN", "check.go.module-fields", "check.go.nothing-exported", "check.dlopen.go-plugin"),
    _known("python.init", r"does not define module export function \((?P<name>PyInit_\w+)\)",
           "Python looks for {name}, which follows from the file's name: the file was renamed, or the function is not"
           ' exported (extern "C", visibility)',
           "soinspect symbols PLUGIN --match 'PyInit_*'", "check.dlopen.required-symbol"),
)  # fmt: skip
