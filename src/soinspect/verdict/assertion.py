"""The type assertion on what ``plugin.Lookup`` returned: whether it holds, and what Go prints where it does not.

Source: src/runtime/error.go (TypeAssertionError), src/runtime/iface.go (itab init), src/runtime/type.go (typesEqual).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum, auto
from typing import Self

from soinspect.errors import UsageError
from soinspect.go.typetext import Method, TypeName, TypeText, package_name, parse_type
from soinspect.model.golang import GoExport, GoExportKind, GoKind, GoType
from soinspect.model.lateclass import dataclass
from soinspect.model.verdict import Outcome, Reason, Step
from soinspect.verdict.gorules import REQUIRED_TYPE

_UNSAFE = "unsafe"


class _Match(Enum):
    SAME = auto()
    OTHER = auto()
    OTHER_PACKAGE = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTypes:
    """What is known of the types that a plugin's exports mention, and of the packages that its host has.

    ``paths`` are the import paths behind names such as ``http.Request``, ``names`` those of packages by import path.
    ``asserted`` are types of the host by the texts that it asserts.
    """

    types: tuple[GoType, ...]
    paths: dict[str, set[str]]
    names: dict[str, str]
    host_packages: frozenset[str]
    asserted: Mapping[str, GoType]

    @classmethod
    def of(cls, types: Iterable[GoType], host_packages: Iterable[str], asserted: Mapping[str, GoType]) -> Self:
        """What the named types that the plugin's exports reach tell."""
        taken = tuple(it for it in types if it.package)
        paths: dict[str, set[str]] = {}
        names: dict[str, str] = {}
        for it in taken:
            text = it.text.lstrip("*").partition("[")[0]
            paths.setdefault(text, set()).add(it.package)
            names[it.package] = text.rpartition(".")[0]
        host = frozenset(host_packages)
        return cls(types=taken, paths=paths, names=names, host_packages=host, asserted=asserted)

    def judge(self, export: GoExport, wanted: TypeText) -> Step:
        """Whether the assertion of ``wanted`` on an export holds."""
        try:
            return self._judge(export, wanted)
        except UsageError as error:
            return self._undecided(export, f"a type in the plugin is not understood: {error}")

    def _judge(self, export: GoExport, wanted: TypeText) -> Step:
        pointer = "*" if export.kind is GoExportKind.VARIABLE else ""
        if export.full_type:
            has = parse_type(pointer + export.full_type, with_paths=True)
        else:
            has = parse_type(export.looked_up_type)
        asked = wanted.asked
        if isinstance(wanted.pieces[0], TypeName):
            named = self._described(wanted)
            if named is None:
                return self._undecided(export, f"whether {_as_written(wanted)} is an interface, is not known")
            asked = parse_type(named.underlying).asked
        if asked is not None:
            return self._satisfies(export, has, wanted, asked)
        match self._compare(wanted, has):
            case _Match.SAME:
                return f"it exports {export.name}, which Lookup returns as {export.looked_up_type}"
            case _Match.UNKNOWN:
                return self._undecided(export, "which packages its names are of is not known")
            case _Match.OTHER_PACKAGE:
                return self._from_other_package(export, has, wanted)
        return self._refused(export, wanted)

    # -- what a failed assertion says --------------------------------------------------------------------------

    def _refused(self, export: GoExport, wanted: TypeText) -> Reason:
        found, printed = export.looked_up_type, self._printed(wanted)
        return REQUIRED_TYPE.found(
            f"{export.name} is {found}, not {printed or _as_written(wanted)}",
            message=f"interface conversion: plugin.Symbol is {found}, not {printed}" if printed else None,
            fix=_declared(export, wanted),
        )

    def _from_other_package(self, export: GoExport, has: TypeText, wanted: TypeText) -> Reason:
        """Two types that are printed alike."""
        found, printed = export.looked_up_type, self._printed(wanted)
        message: str | None = f"interface conversion: plugin.Symbol is {found}, not {printed}"
        if printed == found:
            # A pointer to a type with a name knows its package if it has methods. The host's type may have some.
            is_named = has.pieces[0] == "*" and len(has.pieces) > 1 and isinstance(has.pieces[1], TypeName)
            if not is_named:
                message = f"{message} (types from different scopes)"
            else:
                message = f"{message} (types from different packages)" if self._methods(export, has) else None
        packages = sorted({path for name in has.names for path in self._paths(name)} - self.host_packages)
        return REQUIRED_TYPE.found(
            f"{export.name} is {found} of other packages than {_as_written(wanted)}",
            message=message if printed else None,
            evidence=tuple(f"the host has no package {path}, which the plugin's types are of" for path in packages),
            fix="Put the types into a package that host and plugin import by the same path.",
        )

    def _undecided(self, export: GoExport, why: str) -> Reason:
        found = export.looked_up_type
        return REQUIRED_TYPE.found(
            f"whether {export.name}, which is {found}, is what is required cannot be told: {why}",
            outcome=Outcome.UNDECIDED,
            fix="Name packages by their import paths, and write interfaces out: 'Run:interface{ Close() error }'.",
        )

    def _printed(self, wanted: TypeText) -> str | None:
        """The required type as Go prints it; None where the name of a package is not known."""
        texts = [it if isinstance(it, str) else self._printed_name(it) for it in wanted.pieces]
        return None if None in texts else "".join(filter(None, texts))

    def _printed_name(self, name: TypeName) -> str | None:
        if not name.is_argument:
            package = self.names.get(name.package) or package_name(name.package)
        elif name.has_path or name.package == "main":
            package = name.package
        else:
            paths = [it for it in self.host_packages if self.names.get(it) == name.package]
            package = paths[0] if len(paths) == 1 else None
        return f"{package}.{name.name}" if package else None

    # -- types that are the same -------------------------------------------------------------------------------

    def _compare(self, wanted: TypeText, found: TypeText) -> _Match:
        if not wanted.has_shape_of(found):
            return _Match.OTHER
        matches = {self._compare_names(*pair) for pair in zip(wanted.names, found.names, strict=True)}
        if found.has_hidden:
            matches.add(_Match.UNKNOWN)
        worst = (_Match.OTHER, _Match.OTHER_PACKAGE, _Match.UNKNOWN)
        return next((it for it in worst if it in matches), _Match.SAME)

    def _compare_names(self, wanted: TypeName, found: TypeName) -> _Match:
        paths = self._paths(found)
        if wanted.has_path and paths:
            if wanted.package not in paths:
                return _Match.OTHER_PACKAGE
            return _Match.SAME if len(paths) == 1 else _Match.UNKNOWN
        name = self._name_of(found)
        if not paths or name is None:
            return _Match.UNKNOWN
        if wanted.package != name:
            return _Match.OTHER
        if name == _UNSAFE:  # which is no package of files
            return _Match.SAME
        # What the host calls by that name is of a package that it has.
        if self.host_packages.isdisjoint(paths):
            return _Match.OTHER_PACKAGE
        return _Match.SAME if self.host_packages.issuperset(paths) and len(paths) == 1 else _Match.UNKNOWN

    def _paths(self, name: TypeName) -> set[str]:
        """The import paths that the package of a type of the plugin may have."""
        if name.is_argument or name.has_path:
            return {name.package}
        return self.paths.get(name.text, set())

    def _name_of(self, found: TypeName) -> str | None:
        """The name of its package; None where only the path is known, which need not end in the name."""
        if not (found.has_path or found.is_argument):
            return found.package
        return self.names.get(found.package) or package_name(found.package)

    # -- interfaces --------------------------------------------------------------------------------------------

    def _described(self, wanted: TypeText) -> GoType | None:
        """The type with a name that the host has by this one, or the plugin's exports mention."""
        of_host = self.asserted.get(_as_written(wanted))
        return of_host or next(
            (it for it in self.types if self._compare(wanted, parse_type(it.text)) is _Match.SAME), None
        )

    def _satisfies(self, export: GoExport, has: TypeText, wanted: TypeText, asked: tuple[Method, ...]) -> Step:
        methods = self._methods(export, has)
        named = self._described(wanted)
        is_hosts_own = named is None or named.package == "main"
        for method in asked:
            if is_hosts_own and not method.name[0].isupper():
                return self._lacks(export, wanted, method, methods, "a small letter keeps it to its own package")
            signature = methods.get(method.name) if methods is not None else None
            if methods is None or signature == "":
                return self._undecided(export, "its methods are not in the file")
            if signature is None:
                return self._lacks(export, wanted, method, methods, "it has none of that name")
            wanted_method = TypeText(pieces=method.signature)
            match self._compare(wanted_method, parse_type(signature)):
                case _Match.SAME:
                    continue
                case _Match.UNKNOWN:
                    return self._undecided(export, f"which packages the types of {method.name} are of is not known")
            return self._lacks(export, wanted, method, methods, f"its {method.name} is {signature}")
        return f"it exports {export.name}, which Lookup returns as {export.looked_up_type}, with all methods asked for"

    def _lacks(
        self, export: GoExport, wanted: TypeText, method: Method, methods: Iterable[str] | None, why: str
    ) -> Reason:
        """The reason that ``method`` is missing among ``methods`` (None: they are not known)."""
        named = self._described(wanted)
        found, printed = export.looked_up_type, self._printed(wanted)
        message = f"interface conversion: {found} is not {printed}: missing method {method.name}"
        signature = _as_written(TypeText(pieces=method.signature)).removeprefix("func")
        fix = f"Give it the method {method.name}{signature}."
        if not method.name[0].isupper():
            printed = printed if named else None  # an interface that is written out is printed with its package
            fix = f"Begin {method.name} with a capital letter, in host and plugin."
        elif self._has_pointer_to_no_methods(export):
            fix = f"declare {export.name} as a variable of the type itself that has the methods"
        return REQUIRED_TYPE.found(
            f"{export.name}, which is {found}, lacks the method {method.name}: {why}",
            message=message if printed else None,
            evidence=(
                *((f"{named.text} is {named.underlying}",) if named else ()),
                *((f"{found} has the methods {', '.join(methods)}",) if methods else ()),
            ),
            fix=fix,
        )

    def _has_pointer_to_no_methods(self, export: GoExport) -> bool:
        """Whether what Lookup returns points to a pointer or an interface: no such type has methods."""
        return export.looked_up_type.startswith("**") or any(
            it.kind is GoKind.INTERFACE and it.text == export.type for it in self.types
        )

    def _methods(self, export: GoExport, has: TypeText) -> dict[str, str] | None:
        """The signatures of the methods that what Lookup returned has; None where they are not known."""
        lead = has.pieces[0]
        if export.kind is GoExportKind.FUNCTION or lead != "*" or not isinstance(has.pieces[1], TypeName):
            # What a pointer without a name for its target has can only come from an embedded field.
            return None if str(lead).startswith("*struct") else {}
        packages = self._paths(has.pieces[1])
        named = {it.text: it for it in self.types if it.package in packages}
        described = named.get(f"*{export.type}") or named.get(export.type)
        if described is None:
            return None
        if described.kind is GoKind.INTERFACE:  # a pointer to an interface has no methods
            return {}
        return {it.name: it.signature for it in described.methods}


def _declared(export: GoExport, wanted: TypeText) -> str:
    """How the plugin declares an export so that the assertion holds."""
    text = _as_written(wanted)
    if text.startswith("func("):
        return f"declare it as func {export.name}{text.removeprefix('func')}"
    if text.startswith("*"):
        return f"declare it as var {export.name} {text.removeprefix('*')}"
    return f"assert {export.looked_up_type} in the host: Lookup returns functions, and pointers to variables"


def _as_written(wanted: TypeText) -> str:
    return "".join(it if isinstance(it, str) else it.text for it in wanted.pieces)
