"""Go linker names: what the Go toolchain calls things in a symbol table, turned back into Go.

Sources: cmd/link/internal/ld (symtab.go, data.go, lib.go), cmd/compile/internal/reflectdata/reflect.go,
cmd/internal/objabi/path.go; checked on Go 1.8 to 1.27. The linker's own prefixes end in a dot up to Go 1.19
(``go.itab.``, ``type.``) and in a colon since (``go:itab.``, ``type:``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field

from soinspect.model.constants import SymbolType
from soinspect.model.lateclass import dataclass
from soinspect.model.symbol import Explained, SymbolKind

_LINK = re.compile(r"go[.:](link\.pkghash(?:bytes)?|itab|buildinfo|fipsinfo|link|plugin|string|func|info|main|map|"
                   r"constants)(?:\.(.*))?$", re.DOTALL)  # fmt: skip
_WRAPPER = re.compile(r"go[.:](?:\(|struct \{|interface \{)")
_TYPE = re.compile(r"type[.:](.*)$", re.DOTALL)
_HASHED = re.compile(r"\.?[A-Za-z0-9+/]{8}$")
_CGO = re.compile(r"_?x?_?cgo_|_cgo|x?_?crosscall|threadentry$|fatalf$|setg_gcc|_rt0_")
_CLOSURE = re.compile(r"\.(?:func|gowrap|deferwrap)\d+(?:[.-]|$)|-fm$|-range\d+$")
_STATIC = re.compile(r"\.\.?(?:stmp_|statictmp_)\d+$|\.stkobj$|·f$|\.arginfo\d+$|\.args_stackmap$|\.\.inlinestart$")
_INIT = re.compile(r"init(?:\.\d+|\.ializers)?$|map\.init\.\d+$|initdone·$")
_VERB = re.compile(r"^\.(eq|hash)\.")
_TYPE_ARGUMENTS = re.compile(r"\[.*\]")
_AFTER_PATH = re.compile(r"[\[( ]")
_ESCAPE = re.compile(r"%([0-9a-f]{2})")
_FUNCTIONS = (SymbolType.FUNC, SymbolType.IFUNC)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoNames:
    """What a Go file knows about its own names.

    ``plugin_path`` is ``""`` if it is no plugin, ``exports`` are the names in its ptab, ``types`` maps the hashed
    names of type symbols to the types.
    """

    plugin_path: str = ""
    exports: frozenset[str] = frozenset()
    types: Mapping[str, str] = field(default_factory=dict)


def has_hashed_type_name(name: str) -> bool:
    """Whether a symbol is of a type descriptor whose name the linker replaced by a hash."""
    match = _TYPE.match(name)
    return match is not None and _HASHED.fullmatch(match.group(1)) is not None and match.group(1)[0] != "."


def explain_go_symbol(name: str, symbol_type: int, names: GoNames) -> Explained:
    """Say what a defined symbol of a Go binary is.

    The plugin's own package is written ``main``, as its source has it; all others by their import path.
    """
    bare, abi0 = (name[:-5], " (ABI0)") if name.endswith(".abi0") else (name, "")
    explained = (
        _explain_own(bare, symbol_type, names)
        or _explain_linker_name(bare, symbol_type, names)
        or _explain_type(bare, symbol_type, names)
        or _explain_package_symbol(bare, symbol_type)
    )
    if abi0:
        return Explained(text=explained.text + abi0, kind=explained.kind, package=explained.package)
    return explained


def _explain_own(name: str, symbol_type: int, names: GoNames) -> Explained | None:
    path = names.plugin_path
    if not path or not name.startswith(path + "."):
        return None
    rest = name[len(path) + 1 :]
    if rest in names.exports:
        return Explained(text=rest, kind=SymbolKind.EXPORT, package=path)
    explained = _explain_member("main", rest, symbol_type)
    return Explained(text=explained.text, kind=explained.kind, package=path)


def _explain_linker_name(name: str, symbol_type: int, names: GoNames) -> Explained | None:
    if _WRAPPER.match(name) and symbol_type in _FUNCTIONS:
        return Explained(text=f"{name[3:]} (wrapper)", kind=SymbolKind.WRAPPER)
    match = _LINK.match(name)
    if match is None:
        return None
    what, rest = match.group(1), match.group(2) or ""
    if what.startswith("link.pkghash"):
        package = "main" if rest == names.plugin_path else rest
        part = "" if what == "link.pkghash" else " (bytes)"
        return Explained(text=f"hash of package {package}{part}", kind=SymbolKind.PACKAGE_HASH, package=rest)
    if what == "itab":
        concrete, _, interface = rest.rpartition(",")
        return Explained(text=f"{concrete} implements {interface}", kind=SymbolKind.ITAB)
    if what == "buildinfo":
        return Explained(text="build information", kind=SymbolKind.BUILD_INFO)
    return Explained(text=name, kind=SymbolKind.STATIC)


def _explain_type(name: str, symbol_type: int, names: GoNames) -> Explained | None:
    match = _TYPE.match(name)
    if match is None:
        return None
    rest = match.group(1)
    hashed = _HASHED.match(rest)
    if symbol_type in _FUNCTIONS:
        subject = "a type whose name is hashed" if hashed else _VERB.sub("", rest)
        verb = "hash function" if rest.startswith(".hash.") else "equality"
        return Explained(text=f"{verb} of {subject}", kind=SymbolKind.EQUALITY)
    if rest.startswith(".") or rest in ("*", ""):
        text = f"type data with the hashed name {rest}" if hashed else name
        return Explained(text=text, kind=SymbolKind.STATIC)
    known = names.types.get(name)
    if known is None and hashed:
        return Explained(text=f"type with the hashed name {rest}", kind=SymbolKind.TYPE)
    return Explained(text=f"type {known or rest}", kind=SymbolKind.TYPE)


def _explain_package_symbol(name: str, symbol_type: int) -> Explained:
    package, member = _split(name)
    if package is None:
        kind = SymbolKind.CGO if _CGO.match(name) else SymbolKind.C
        return Explained(text=name, kind=kind)
    explained = _explain_member(package, member, symbol_type)
    kind = explained.kind
    if package == "runtime/cgo" or _CGO.match(name):
        kind = SymbolKind.CGO
    elif kind in (SymbolKind.FUNCTION, SymbolKind.VARIABLE) and _is_runtime(package):
        kind = SymbolKind.RUNTIME
    return Explained(text=explained.text, kind=kind, package=package)


def _explain_member(package: str, member: str, symbol_type: int) -> Explained:
    """Classify what stands after the package path and its dot."""
    text = f"{package}.{member}"
    if member == ".inittask":
        return Explained(text=f"{package} (init task)", kind=SymbolKind.INIT)
    if _INIT.match(member):
        return Explained(text=text, kind=SymbolKind.INIT)
    if member.startswith(".dict."):
        return Explained(text=f"{package}.{member[6:]} (dictionary)", kind=SymbolKind.GENERIC)
    if _STATIC.search(text):
        return Explained(text=text, kind=SymbolKind.STATIC)
    if symbol_type not in _FUNCTIONS:
        return Explained(text=text, kind=SymbolKind.VARIABLE)
    outside = _TYPE_ARGUMENTS.sub("", member)
    if _CLOSURE.search("." + outside):
        return Explained(text=text, kind=SymbolKind.CLOSURE)
    if "[" in member:
        return Explained(text=text, kind=SymbolKind.GENERIC)
    if member.startswith("(") or "." in outside:
        return Explained(text=text, kind=SymbolKind.METHOD)
    return Explained(text=text, kind=SymbolKind.FUNCTION)


def _split(name: str) -> tuple[str | None, str]:
    """Split a name into its import path, unescaped, and the rest; the path is None where there is none."""
    head = _AFTER_PATH.split(name, maxsplit=1)[0]
    slash = head.rfind("/")
    dot = head.find(".", slash + 1)
    if dot <= 0 or name.startswith((".", "$")):
        return None, name
    return _ESCAPE.sub(lambda m: chr(int(m.group(1), 16)), name[:dot]), name[dot + 1 :]


def _is_runtime(package: str) -> bool:
    return package == "runtime" or package.startswith(("runtime/", "internal/runtime/"))
