"""What ``plugin.Open`` of a Go host makes of plugins, one after the other, step by step in its own order.

A model of src/plugin/plugin_dlopen.go and of plugin_lastmoduleinit in src/runtime/plugin.go (go1.10 to go1.27).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Self

from soinspect.go.build import Build
from soinspect.go.cause import (
    host_build_line,
    modules_at_other_versions,
    rebuild_line,
    why_packages_differ,
)
from soinspect.model.absence import Absent
from soinspect.model.golang import GoBinaryKind, GoFacts, GoPackageHash, GoPlugin
from soinspect.model.goloading import GoHost, Guest, PluginSupport
from soinspect.model.requirement import Requirement
from soinspect.model.texts import count
from soinspect.model.verdict import Outcome, PluginVerdict, Reason, ReasonRule, Step
from soinspect.verdict import gorules as rules
from soinspect.verdict.assertion import KnownTypes
from soinspect.verdict.requirement import Lookup, check_lookups

_NO_MODULE = "fatal error: runtime: no plugin module data"
_ALREADY_LOADED = "plugin already loaded"
_NIL = "panic: runtime error: invalid memory address or nil pointer dereference"
_ASAN_LATE = (
    "ASan runtime does not come first in initial library list; you should either link runtime to your application or"
    " manually preload it with LD_PRELOAD."
)
_LIBASAN = "libasan.so"
_HOST_KINDS = (GoBinaryKind.EXECUTABLE, GoBinaryKind.PIE)
# These link modules at the same offset, and find a nil pointer where the other has something else.
_NIL_POINTER = {"go1.21 to go1.25", "go1.26"}
_FEW = 8


def _verdict(guest: Guest, steps: Iterable[Step]) -> PluginVerdict:
    taken = tuple(steps)
    return PluginVerdict(
        path=guest.path,
        reasons=tuple(step for step in taken if isinstance(step, Reason)),
        passed=tuple(step for step in taken if isinstance(step, str)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Package:
    """A package in the process: its fingerprint, and the plugin that brought it (None: the host)."""

    hash: str
    brought_by: Guest | None


@dataclass(slots=True, kw_only=True)
class GoProcess:
    """A Go host after the plugins so far.

    ``loaded`` are the plugins by plugin path. ``files`` are those that plugin.Open returned, by identity, ``refused``
    the error that it remembers for a file, ``stuck`` the files whose next Open never returns. ``last_is_loaded`` says
    whether the last module of the runtime's list is a loaded plugin, rather than the host or a refused one. After
    ``broken_by`` that list ends: no later plugin is found.
    """

    host: GoHost
    packages: dict[str, _Package]
    loaded: dict[str, Guest] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    stuck: set[str] = field(default_factory=set)
    last_is_loaded: bool = False
    broken_by: Guest | None = None
    ended_by: Guest | None = None
    undecided: Guest | None = None

    @classmethod
    def of(cls, host: GoHost) -> Self:
        """The host as it starts."""
        return cls(
            host=host, packages={name: _Package(hash=value, brought_by=None) for name, value in host.package_hashes}
        )

    def open(
        self, guest: Guest, requirements: tuple[Requirement, ...] = (), dlopen: Sequence[Reason] = ()
    ) -> PluginVerdict:
        """What becomes of the next plugin; ``dlopen`` are the reasons that come before any of Go's.

        :raises UsageError: a type that is required is none of Go's.
        """
        lookups = tuple(map(Lookup.of, requirements)) if guest.is_go_plugin else ()
        return _verdict(guest, self._up_to_failure(guest, self._steps(guest, lookups, dlopen)))

    def _up_to_failure(self, guest: Guest, steps: Iterable[Step]) -> Iterator[Step]:
        """The checks up to the first that fails: what stands behind its ``yield`` does not run."""
        for step in steps:
            yield step
            if not isinstance(step, Reason) or step.outcome is Outcome.ACCEPTED:
                continue
            if step.outcome is Outcome.ABORTS_HOST:
                self.ended_by = guest
            elif step.outcome is Outcome.UNDECIDED and self.undecided is None:
                self.undecided = guest
            return

    def _steps(self, guest: Guest, lookups: tuple[Lookup, ...], dlopen: Sequence[Reason]) -> Iterator[Step]:
        yield from self._host_opens_plugins()
        if self.ended_by is not None:
            yield rules.HOST_GONE.found(f"the host does not outlive {_file(self.ended_by)}")
        yield from self._was_not_refused(guest)
        if guest.identity in self.files:
            yield "opened before: plugin.Open returns the same plugin again"
        else:
            yield from (it for it in dlopen if it.outcome is not Outcome.UNDECIDED)
            yield from self._has_no_sanitizer(guest)
            yield from self._host_exports()
            yield from self._is_a_plugin(guest)
            yield from self._is_found(guest)
            yield from self._is_new(guest)
            yield from self._has_the_same_packages(guest)
            yield from self._has_its_symbols(guest)
        packages = [package for package, _ in self.host.package_hashes]
        known = KnownTypes.of(_facts(guest).reached_types, packages, dict(self.host.asserted))
        yield from check_lookups(_plugin(guest), guest.hidden, lookups, known)
        # What dlopen does is open: the runtime's refusal would decide all the same.
        yield from (it for it in dlopen if it.outcome is Outcome.UNDECIDED)
        if self.undecided is not None:
            yield rules.AFTER_UNDECIDED.found(f"whether it conflicts with {_file(self.undecided)} is not known")

    def _refuse(self, guest: Guest, error: str) -> str:
        """The whole message of an error of the runtime, which plugin.Open remembers for the file."""
        self.refused[guest.identity] = error
        return f'plugin.Open("{guest.path.removesuffix(".so")}"): {error}'

    # -- the host and the file -------------------------------------------------------------------------------------

    def _host_opens_plugins(self) -> Iterator[Step]:
        host = self.host
        if host.facts.kind not in _HOST_KINDS:
            yield rules.HOST_KIND.found(f"the host is a Go {host.facts.kind}, not a program")
        match host.support:
            case PluginSupport.NONE:
                yield rules.NEVER_OPENS.found("the host never calls plugin.Open")
            case PluginSupport.SHARED:
                yield rules.SHARED_RUNTIME.found("the host's Go runtime is in a shared library (-linkshared)")
            case PluginSupport.STUB:
                text = "the host was built without cgo, which package plugin needs"
                yield rules.NOT_IMPLEMENTED.found(
                    text, message="plugin: not implemented", cause="host built with CGO_ENABLED=0",
                    fix=host_build_line(host_build(host)),
                )  # fmt: skip
            case PluginSupport.WORKING:
                yield f"the host calls plugin.Open, and exports {count(len(host.package_hashes), 'package')} to plugins"

    def _host_exports(self) -> Iterator[Step]:
        if self.host.support is PluginSupport.NOTHING_EXPORTED:
            how = "linked statically" if self.host.static else "linked by Go's own linker (-linkmode=internal)"
            yield rules.NOTHING_EXPORTED.found(
                f"the host is {how}: it exports nothing that a plugin could bind to",
                message=_NO_MODULE,
                cause=f"host {how}",
                fix=host_build_line(host_build(self.host)),
            )

    def _was_not_refused(self, guest: Guest) -> Iterator[Step]:
        if guest.identity in self.stuck:
            yield rules.EXPORT_WITHOUT_SYMBOL.found(
                "a second plugin.Open of a plugin with missing symbols never returns", outcome=Outcome.ABORTS_HOST
            )
        error = self.refused.get(guest.identity)
        if error is not None:
            message = f'plugin.Open("{guest.path}"): {error} (previous failure)'
            yield rules.PREVIOUS_FAILURE.found("the same file was refused before", message=message)

    def _has_no_sanitizer(self, guest: Guest) -> Iterator[Step]:
        if any(library.startswith(_LIBASAN) for library in guest.needed):
            yield rules.SANITIZER.found(
                "AddressSanitizer in a plugin ends the process",
                message=self._said_by_asan(),
                cause="plugin built with -asan",
            )

    def _said_by_asan(self) -> str | None:
        if self.host.static:
            return None  # what happens in the second C library of the process depends on where it is mapped
        has_it = any(library.startswith(_LIBASAN) for library in self.host.needed)
        return "ERROR: AddressSanitizer: odr-violation" if has_it else _ASAN_LATE

    # -- plugin_lastmoduleinit -------------------------------------------------------------------------------------

    def _is_a_plugin(self, guest: Guest) -> Iterator[Step]:
        if isinstance(guest.go, Absent):
            yield self._not_found(guest, rules.NOT_A_PLUGIN, f"not a Go plugin: {guest.go.reason}")
        elif guest.go.kind is GoBinaryKind.UNKNOWN or (guest.go.plugin and not guest.go.plugin.package_hashes):
            problems = (*guest.go.problems, *(it.reason for it in (guest.go.plugin,) if isinstance(it, Absent)))
            text = f"what the host compares cannot be read: {problems[0] if problems else 'no package hashes'}"
            yield rules.UNREADABLE.found(text, evidence=problems)
        elif not guest.go.plugin:
            text = f"not a Go plugin, but a Go {guest.go.kind} file"
            fix = rebuild_line(host_build(self.host), _guest_build(guest))
            yield self._not_found(guest, rules.NOT_A_PLUGIN, text, fix=fix)

    def _not_found(self, guest: Guest, rule: ReasonRule, summary: str, *, cause: str | None = None,
                   fix: str | None = None) -> Reason:  # fmt: skip
        """The host finds no new module: it throws, unless the last one of its list is a loaded plugin."""
        if not self.last_is_loaded:
            return rule.found(summary, message=_NO_MODULE, cause=cause, fix=fix)
        last = _file(next(reversed(self.loaded.values())))
        return rule.found(
            summary,
            outcome=Outcome.REJECTED,
            message=self._refuse(guest, _ALREADY_LOADED),
            evidence=(f"the last plugin that the host finds is {last}: that one is meant",),
            cause=cause,
            fix=fix,
        )

    def _is_found(self, guest: Guest) -> Iterator[Step]:
        """Whether the host finds the plugin's module, and reads from it what the plugin wrote."""
        ours, theirs = guest.shape, self.host.shape
        if isinstance(theirs, Absent):
            yield rules.LAYOUT_UNKNOWN.found(f"whether the host finds plugins is not known: {theirs.reason}")
        if isinstance(ours, Absent):
            yield rules.UNREADABLE.found(f"whether the host finds the plugin is not known: {ours.reason}")
        if isinstance(theirs, Absent) or isinstance(ours, Absent):
            return
        releases = f"host built by {self.host.facts.version.text}, plugin by {_facts(guest).version.text}"
        fix = rebuild_line(host_build(self.host), _guest_build(guest))
        if self.broken_by is not None:
            self._join(guest)
            text = f"the host finds no plugin after {_file(self.broken_by)}, which broke its list of modules"
            yield self._not_found(guest, rules.MODULE_LINK, text, fix=f"do not open {_file(self.broken_by)}")
        elif ours.next_offset != theirs.next_offset:
            self.broken_by = guest
            self._join(guest)
            text = f"the host does not find the plugin's module: {releases}"
            yield self._not_found(guest, rules.MODULE_LINK, text, cause=releases, fix=fix)
        elif ours.fields != theirs.fields:
            yield rules.MODULE_FIELDS.found(
                f"the host misreads the plugin's module data and crashes: {releases}",
                message=_NIL if {ours.fields, theirs.fields} == _NIL_POINTER else None,
                cause=releases,
                fix=fix,
            )
        yield f"host and plugin lay out module data alike ({theirs.fields}, next module at {theirs.next_offset:#x})"

    def _is_new(self, guest: Guest) -> Iterator[Step]:
        path = _plugin(guest).path
        other = self.loaded.get(path)
        if other is not None:
            self._join(guest)
            self.last_is_loaded = False
            unnamed = path.startswith("plugin/unnamed-")
            yield rules.ALREADY_LOADED.found(
                f"{_file(other)} has the same plugin path: {path}",
                message=self._refuse(guest, _ALREADY_LOADED),
                cause="both are built from the same files" if unnamed else f"both are package {path}",
                fix="change the source: the plugin path is its hash" if unnamed else None,
            )
        yield f"no plugin with the path {path} is loaded yet"

    def _has_the_same_packages(self, guest: Guest) -> Iterator[Step]:
        known = [entry for entry in _plugin(guest).package_hashes if entry.package in self.packages]
        differing = [entry for entry in known if entry.hash != self.packages[entry.package].hash]
        if differing:
            reason = self._package_hash(guest, known, differing)
            self._join(guest)
            self.last_is_loaded = False
            yield reason
        self._join(guest)
        self.last_is_loaded = True
        self.loaded[_plugin(guest).path] = guest
        yield f"all {len(known)} packages that are in the process already have the same hash"
        hosts = [entry.package for entry in known if self.packages[entry.package].brought_by is None]
        for text in modules_at_other_versions(host_build(self.host), _guest_build(guest), hosts):
            yield rules.OTHER_VERSION.found(f"the plugin will run the host's code: {text}", cause=text)

    def _package_hash(self, guest: Guest, known: list[GoPackageHash], differing: list[GoPackageHash]) -> Reason:
        """The reason for a difference. plugin.Open names the first, and who brought that one is to be agreed with."""
        first = differing[0].package
        owner = self.packages[first].brought_by
        names = [entry.package for entry in differing if self.packages[entry.package].brought_by is owner]
        shared = [entry.package for entry in known if self.packages[entry.package].brought_by is owner]
        evidence = [f"differing: {', '.join(names[:_FEW])}{f' and {len(names) - _FEW} more' if names[_FEW:] else ''}"]
        if owner is None:
            rule, whose = rules.PACKAGE_HASH, ""
            cause = why_packages_differ(host_build(self.host), _guest_build(guest), names, shared)
        else:
            rule, whose = rules.PACKAGE_HASH_IN_ORDER, f" from those that {_file(owner)} brought"
            cause = why_packages_differ(
                _guest_build(owner, _file(owner)), _guest_build(guest, _file(guest)), names, shared
            )
            evidence.append(f"opened in the other order, {_file(owner)} is the one that fails")
        why = cause.text or "the cause is not recorded in the files"
        return rule.found(
            f"{len(names)} of {len(shared)} shared packages {'differs' if len(names) == 1 else 'differ'}{whose}: {why}",
            message=self._refuse(guest, f"plugin was built with a different version of package {first}"),
            evidence=(*evidence, *cause.evidence),
            cause=cause.text,
            fix=cause.fix,
        )

    def _join(self, guest: Guest) -> None:
        """The plugin's symbols are in the global scope, refused or not: later plugins bind to its packages."""
        for entry in _plugin(guest).package_hashes:
            self.packages.setdefault(entry.package, _Package(hash=entry.hash, brought_by=guest))

    # -- the symbols -----------------------------------------------------------------------------------------------

    def _has_its_symbols(self, guest: Guest) -> Iterator[Step]:
        plugin = _plugin(guest)
        missing = [export.name for export in plugin.exports if isinstance(export.address, Absent)]
        if missing:
            self.stuck.add(guest.identity)
            # plugin.Open goes through them in random order: which one it names is chance if there are several.
            name = missing[0]
            error = f"could not find symbol {name}: {guest.identity}: undefined symbol: {plugin.path}.{name}"
            yield rules.EXPORT_WITHOUT_SYMBOL.found(
                f"no dynamic symbol for {', '.join(missing[:_FEW])}",
                message=f'plugin.Open("{guest.path.removesuffix(".so")}"): {error}',
                evidence=(f"{len(missing)} of {len(plugin.exports)} exports have none; any of them may be named",),
            )
        self.files.add(guest.identity)
        yield "all of its exports have their symbols"


# -- sides -------------------------------------------------------------------------------------------------------------


def host_build(host: GoHost) -> Build:
    """The host as one side of a comparison."""
    return Build(name="host", file=PurePath(host.path).name, facts=host.facts, folders=host.folders)


def _guest_build(guest: Guest, name: str = "plugin") -> Build:
    return Build(name=name, file=_file(guest), facts=_facts(guest), folders=guest.folders)


def _file(guest: Guest) -> str:
    return PurePath(guest.path).name


def _facts(guest: Guest) -> GoFacts:
    assert isinstance(guest.go, GoFacts)  # noqa: S101  (what is not Go's was refused before)
    return guest.go


def _plugin(guest: Guest) -> GoPlugin:
    plugin = _facts(guest).plugin
    assert isinstance(plugin, GoPlugin)  # noqa: S101  (what is no plugin was refused before)
    return plugin
