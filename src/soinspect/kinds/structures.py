"""What plugins say of themselves in C structures, by host; the layouts are those of the hosts' headers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile

from soinspect.elf.file import ElfFile
from soinspect.kinds.pluginfile import PluginFile, Record, c_string, integer
from soinspect.kinds.readers import Facts, Reader, fact, linked_with, text_or_mark, version_bytes
from soinspect.kinds.returned import returned
from soinspect.model.absence import Absent
from soinspect.model.symbol import Symbol

_MAX_MODULES = 64


# -- servers -----------------------------------------------------------------------------------------------


def zend_extension(file: PluginFile) -> Facts:
    """``zend_extension_version_info`` (Zend/zend_extensions.h)."""
    for symbol in file.exported("extension_version_info"):
        info = Record(file.elf, symbol.value, "int api, ptr build_id")
        yield fact("zend_api", info.number("api"))
        yield fact("build_id", info.text("build_id"))


def slurm(file: PluginFile) -> Facts:
    """Three constants (slurm/slurm.h)."""
    for name in ("plugin_name", "plugin_type"):
        for symbol in file.exported(name):
            yield fact(name, c_string(file.elf, symbol.value))
    for symbol in file.exported("plugin_version"):
        yield fact("Slurm", version_bytes(integer(file.elf, symbol.value)))


def postgresql(file: PluginFile) -> Facts:
    """``Pg_magic_struct`` (src/include/fmgr.h), which the server compares byte by byte with its own."""
    (function,) = file.exported("Pg_magic_func")
    at = returned(file.elf, function)
    if isinstance(at, Absent):
        yield fact("magic", at)
        return
    magic = Record(file.elf, at, "int len, int version, int funcmaxargs, int indexmaxkeys, int namedatalen")
    version = magic.number("version")
    yield fact("PostgreSQL", str(version // 100) if version >= 1000 else f"{version // 100}.{version % 100}")
    for name in ("funcmaxargs", "indexmaxkeys", "namedatalen"):
        yield fact(name, magic.number(name))
    if version < 1300:  # float4 was by value or not, too
        yield fact("float4byval", integer(file.elf, magic.end))
    end = magic.end + (4 if version < 1300 else 0)
    yield fact("float8byval", integer(file.elf, end))
    if version >= 1500:
        yield fact("abi_extra", c_string(file.elf, end + 4))
    if version >= 1800:
        names = Record(file.elf, end + 36, "ptr name, ptr version")
        yield fact("name", names.text("name"))
        yield fact("version", names.text("version"))


def php(file: PluginFile) -> Facts:
    """``zend_module_entry`` (Zend/zend_modules.h); PHP compares the API number and the build id."""
    (function,) = file.exported("get_module")
    at = returned(file.elf, function)
    if isinstance(at, Absent):
        yield fact("module", at)
        return
    entry = Record(
        file.elf,
        at,
        "u16 size, int zend_api, u8 zend_debug, u8 zts, ptr ini_entry, ptr deps, ptr name, ptr functions,"
        " ptr module_startup, ptr module_shutdown, ptr request_startup, ptr request_shutdown, ptr info, ptr version,"
        " long globals_size, ptr globals, ptr globals_ctor, ptr globals_dtor, ptr post_deactivate, int module_started,"
        " u8 type, ptr handle, int module_number, ptr build_id",
    )
    if entry.number("size") != entry.end - at:
        yield fact("module", Absent(f"its size is {entry.number('size')}, not {entry.end - at}: no layout known here"))
        return
    yield fact("name", entry.text("name"))
    yield fact("version", entry.text("version"))
    yield fact("zend_api", entry.number("zend_api"))
    yield fact("build_id", entry.text("build_id"))
    yield fact("debug", entry.number("zend_debug"))
    yield fact("thread safe", entry.number("zts"))


def nginx(file: PluginFile) -> Facts:
    """``ngx_module_t`` (src/core/ngx_module.h); nginx compares version and signature with its own."""
    for names in file.exported("ngx_module_names"):
        yield fact("modules", ", ".join(text_or_mark(c_string(file.elf, at)) for at in _pointers(file.elf, names)))
    for modules in file.exported("ngx_modules"):
        for at in _pointers(file.elf, modules)[:1]:  # all modules of a file are of one build
            module = Record(
                file.elf,
                at,
                "long ctx_index, long index, ptr name, long spare0, long spare1, long version, ptr signature",
            )
            number = module.number("version")
            yield fact("nginx", f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}")
            yield fact("signature", module.text("signature"))


def _pointers(elf: ElfFile, array: Symbol) -> list[int]:
    """Where the pointers of an array point to, up to NULL."""
    word = elf.image.header.word_size
    pointers = (elf.pointer(array.value + index * word) for index in range(_MAX_MODULES))
    return list(takewhile(bool, pointers))


_APACHE_MODULE = "int version, int minor_version, int index, ptr name, ptr handle, ptr next, long magic"
_APACHE_MAGIC = {0x41503234: "2.4", 0x41503232: "2.2", 0x41503230: "2.0"}


def is_apache_module(elf: ElfFile, symbol: Symbol) -> bool:
    """Whether the variable carries the magic number of ``module`` (include/http_config.h)."""
    return Record(elf, symbol.value, _APACHE_MODULE).number("magic") in _APACHE_MAGIC


def apache(file: PluginFile) -> Facts:
    """``module``: the module magic number (include/ap_mmn.h), which Apache compares."""
    for symbol in file.exported("*_module"):
        if is_apache_module(file.elf, symbol):
            module = Record(file.elf, symbol.value, _APACHE_MODULE)
            yield fact("module", symbol.name)
            yield fact("source", module.text("name"))
            yield fact("Apache", _APACHE_MAGIC[module.number("magic")])
            yield fact("magic number", f"{module.number('version')}:{module.number('minor_version')}")


def mysql(prefix: str) -> Reader:
    """``st_mysql_plugin`` and ``st_maria_plugin`` (include/mysql/plugin.h)."""

    def read(file: PluginFile) -> Facts:
        (interface,) = file.exported(f"{prefix}plugin_interface_version_")
        version = integer(file.elf, interface.value)
        yield fact("interface version", f"{version >> 8}.{version & 0xFF}")
        sizes = file.exported(f"{prefix}sizeof_struct_st_plugin_")
        for declarations in file.exported(f"{prefix}plugin_declarations_"):
            size = integer(file.elf, sizes[0].value) if sizes else 0
            yield fact("plugins", ", ".join(_declared(file.elf, declarations.value, size)))

    return read


def _declared(elf: ElfFile, address: int, size: int) -> Iterator[str]:
    """The names in an array of plugins of ``size`` bytes, which ends with one that has no ``info``."""
    for index in range(_MAX_MODULES if size else 0):
        plugin = Record(elf, address + index * size, "int type, ptr info, ptr name")
        if not plugin.pointer("info"):
            return
        yield text_or_mark(plugin.text("name"))


def sudo(file: PluginFile) -> Facts:
    """The head that all plugin structures share (include/sudo_plugin.h)."""
    for pattern in SUDO_STRUCTURES:
        for symbol in file.exported(pattern):
            if is_sudo_plugin(file.elf, symbol):
                head = Record(file.elf, symbol.value, "int type, int version")
                version = head.number("version")
                what = _SUDO_TYPES[head.number("type")]
                yield fact(symbol.name, f"{what} plugin, API {version >> 16}.{version & 0xFFFF}")


SUDO_STRUCTURES = ("*_policy", "*_io", "*_audit", "audit_*", "*_approval")
_SUDO_TYPES = {1: "policy", 2: "I/O", 3: "audit", 4: "approval"}


def is_sudo_plugin(elf: ElfFile, symbol: Symbol) -> bool:
    """Whether the variable begins with a type and API version 1.x, as sudo asks."""
    head = Record(elf, symbol.value, "int type, int version")
    return head.number("type") in _SUDO_TYPES and head.number("version") >> 16 == 1


def varnish(file: PluginFile) -> Facts:
    """``struct vmod_data`` (include/vcc_interface.h)."""
    for symbol in file.exported("Vmod_*_Data"):
        data = Record(
            file.elf,
            symbol.value,
            "int vrt_major, int vrt_minor, ptr file_id, ptr name, ptr func_name, ptr func, int func_len, ptr proto,"
            " ptr json, ptr abi",
        )
        yield fact("name", data.text("name"))
        major, minor = data.number("vrt_major"), data.number("vrt_minor")
        yield fact("VRT", f"{major}.{minor}" if major else "the very build below")
        yield fact("built for", data.text("abi"))


# -- media -------------------------------------------------------------------------------------------------


def gstreamer(file: PluginFile) -> Facts:
    """``GstPluginDesc`` (gst/gstplugin.h)."""
    for symbol in file.exported("gst_plugin_*_get_desc"):
        at = returned(file.elf, symbol)
        if isinstance(at, Absent):
            yield fact("description", at)
            continue
        desc = Record(
            file.elf,
            at,
            "int major, int minor, ptr name, ptr description, ptr init, ptr version, ptr license, ptr source,"
            " ptr package, ptr origin",
        )
        yield fact("GStreamer", f"{desc.number('major')}.{desc.number('minor')} or newer")
        for name in ("name", "version", "license", "package"):
            yield fact(name, desc.text(name))


def obs(file: PluginFile) -> Facts:
    """``LIBOBS_API_VER`` (libobs/obs-config.h), as the plugin returns it."""
    for symbol in file.exported("obs_module_ver"):
        number = returned(file.elf, symbol)
        if isinstance(number, int):  # the patch has two bytes
            yield fact("OBS Studio", f"{number >> 24}.{number >> 16 & 0xFF}.{number & 0xFFFF}")
        else:
            yield fact("OBS Studio", number)


def clap(file: PluginFile) -> Facts:
    """``clap_plugin_entry_t`` (include/clap/entry.h), which begins with the version of the interface."""
    (entry,) = file.exported("clap_entry")
    version = Record(file.elf, entry.value, "int major, int minor, int revision")
    yield fact("CLAP", ".".join(str(version.number(part)) for part in ("major", "minor", "revision")))


# -- others ------------------------------------------------------------------------------------------------


def erlang(file: PluginFile) -> Facts:
    """``ErlNifEntry`` (erts/emulator/beam/erl_nif.h)."""
    (function,) = file.exported("nif_init")
    at = returned(file.elf, function)
    if isinstance(at, Absent):
        yield fact("entry", at)
        return
    entry = Record(
        file.elf,
        at,
        "int major, int minor, ptr name, int functions, ptr table, ptr load, ptr reload, ptr upgrade, ptr unload,"
        " ptr vm_variant",
    )
    yield fact("NIF API", f"{entry.number('major')}.{entry.number('minor')}")
    yield fact("module", entry.text("name"))
    yield fact("functions", entry.number("functions"))
    yield fact("virtual machine", entry.text("vm_variant"))


def xorg(file: PluginFile) -> Facts:
    """``XF86ModuleVersionInfo`` (hw/xfree86/common/xf86Module.h); the server compares class and ABI version."""
    for symbol in file.exported("*ModuleData"):
        at = file.elf.pointer(symbol.value)
        if not is_xorg_module(file.elf, symbol):
            continue
        info = Record(
            file.elf,
            at,
            "ptr name, ptr vendor, int info1, int info2, int server, u8 major, u8 minor, u16 patch, ptr abi_class,"
            " int abi_version",
        )
        yield fact("name", info.text("name"))
        yield fact("version", ".".join(str(info.number(part)) for part in ("major", "minor", "patch")))
        yield fact("ABI class", info.text("abi_class"))
        yield fact("ABI version", f"{info.number('abi_version') >> 16}.{info.number('abi_version') & 0xFFFF}")


def is_xorg_module(elf: ElfFile, symbol: Symbol) -> bool:
    """Whether the first member points to version information with its magic numbers."""
    at = elf.pointer(symbol.value)
    if not at:
        return False
    info = Record(elf, at, "ptr name, ptr vendor, int info1, int info2")
    return (info.number("info1"), info.number("info2")) == (0x23456789, 0xDCBA9877)


def gcc(file: PluginFile) -> Facts:
    """``gcc_version`` (gcc/plugin-version.h), a static variable: it can be found where .symtab is still there."""
    symbol = file.elf.static_symbols.get("gcc_version") if file.elf.static_symbols else None
    if symbol is None or not symbol.defined:
        yield fact("gcc", Absent("its gcc_version is not found by name: no .symtab, or it compares none"))
        return
    version = Record(file.elf, symbol.value, "ptr basever, ptr date, ptr phase, ptr revision, ptr configuration")
    yield fact("gcc", version.text("basever"))
    yield fact("configured with", version.text("configuration"))


def asks_tcl_for_stubs(elf: ElfFile, _symbol: Symbol) -> bool:
    """Whether Tcl_InitStubs is linked into the file: most extensions import nothing of Tcl's by name."""
    return elf.image.data.find(b"incompatible stubs mechanism") >= 0


def java(file: PluginFile) -> Facts:
    """The classes with native methods here (JNI specification, "Resolving Native Method Names")."""
    names = [symbol.name.removeprefix("Java_") for symbol in file.exported("Java_*")]
    yield fact("native methods", len(names))


def nss(file: PluginFile) -> Facts:
    """The databases that a service answers for (glibc, nss/function.def)."""
    databases = {
        "aliases": "getaliasbyname", "ethers": "gethostton", "group": "getgrnam", "gshadow": "getsgnam",
        "hosts": "gethostbyname", "initgroups": "initgroups_dyn", "netgroup": "setnetgrent",
        "networks": "getnetbyname", "passwd": "getpwnam", "protocols": "getprotobyname", "rpc": "getrpcbyname",
        "services": "getservbyname", "shadow": "getspnam",
    }  # fmt: skip
    functions = {symbol.name for symbol in file.exported("_nss_*")}
    served = [name for name, end in databases.items() if any(end in function for function in functions)]
    yield fact("databases", ", ".join(served))


_LLVM_CHECKS = (("_ZN4llvm23EnableABIBreakingChecksE", "on"), ("_ZN4llvm24DisableABIBreakingChecksE", "off"))
_read_libllvm = linked_with("libLLVM")


def llvm(file: PluginFile) -> Facts:
    """What LLVM it is for, and the variable (llvm/Config/abi-breaking.h) that only an LLVM built alike exports."""
    yield from _read_libllvm(file)
    for symbol, state in _LLVM_CHECKS:
        if file.imports(symbol):
            yield fact("ABI-breaking checks", state)
