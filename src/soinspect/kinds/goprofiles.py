"""What Go hosts look up in their plugins: profiles of known hosts, and a user's own in TOML."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from soinspect.errors import UsageError
from soinspect.kinds.pluginfile import PluginFile
from soinspect.kinds.readers import fact
from soinspect.model.absence import Absent
from soinspect.model.pluginkind import GoHostProfile, KindFact, KindProblem
from soinspect.model.requirement import Requirement
from soinspect.settings import parse_toml

# Most files are not Go's.
if TYPE_CHECKING:
    from soinspect.model.golang import GoExport, GoPlugin

GO = "go"  # the kind of plugin
ANY_NAME = "*"
_KEYS = ("title", "required", "any_of", "reference")


def _names(*symbols: str) -> tuple[Requirement, ...]:
    return tuple(Requirement(symbol=symbol, type=None) for symbol in symbols)


PROFILES: tuple[GoHostProfile, ...] = (
    GoHostProfile(
        id="krakend",
        title="KrakenD",
        any_of=_names("HandlerRegisterer", "ClientRegisterer", "ModifierRegisterer"),
        reference="https://www.krakend.io/docs/extending/",
    ),
    GoHostProfile(
        id="tyk",
        title="Tyk",
        any_of=(  # the API definition names the function
            Requirement(symbol="*", type="func(http.ResponseWriter, *http.Request)"),
            Requirement(symbol="*", type="func(http.ResponseWriter, *http.Response, *http.Request)"),
            Requirement(symbol="*", type="func(*analytics.AnalyticsRecord)"),
        ),
        reference="https://tyk.io/docs/api-management/plugins/golang/",
    ),
    GoHostProfile(
        id="nakama",
        title="Nakama",
        required=(
            Requirement(
                symbol="InitModule",
                type="func(context.Context, runtime.Logger, *sql.DB, runtime.NakamaModule, runtime.Initializer) error",
            ),
        ),
        reference="https://heroiclabs.com/docs/nakama/server-framework/go-runtime/",
    ),
    GoHostProfile(
        id="monstache",
        title="Monstache",
        any_of=_names("Map", "Filter", "Pipeline", "Process"),
        reference="https://rwynn.github.io/monstache-site/advanced/#golang",
    ),
    GoHostProfile(
        id="devlake",
        title="Apache DevLake",
        required=_names("PluginEntry"),
        reference="https://devlake.apache.org/docs/DeveloperManuals/PluginImplementation",
    ),
    GoHostProfile(
        id="golangci-lint",
        title="golangci-lint",
        required=(Requirement(symbol="New", type="func(any) ([]*analysis.Analyzer, error)"),),
        reference="https://golangci-lint.run/plugins/go-plugins/",
    ),
    GoHostProfile(
        id="kubo",
        title="Kubo (IPFS)",
        required=_names("Plugins"),
        reference="https://github.com/ipfs/kubo/blob/master/docs/plugins.md",
    ),
    GoHostProfile(
        id="fission",
        title="Fission",
        required=(Requirement(symbol="Handler", type="func(http.ResponseWriter, *http.Request)"),),
        reference="https://fission.io/docs/usage/languages/go/",
    ),
)


def parse_profile(text: str, path: str) -> GoHostProfile:
    """A profile from TOML: ``title``, and ``required`` or ``any_of``, lists of ``SYMBOL`` or ``SYMBOL:TYPE``
    (``*`` for a name that the host's configuration gives).

    :raises UsageError: it is not TOML, or not what it must be; the text names ``path``.
    """
    table = parse_toml(text, path)
    unknown = sorted(set(table) - set(_KEYS))
    if unknown:
        raise UsageError(f"{path}: unknown key {unknown[0]}; known are {', '.join(_KEYS)}")
    title, reference = table.get("title"), table.get("reference", "")
    if not isinstance(title, str) or not isinstance(reference, str):
        raise UsageError(f'{path}: name the host, as title = "..."; reference, if there is one, must be a text')
    required, any_of = (_requirements(table.get(key, []), f"{path}: {key}") for key in ("required", "any_of"))
    if not required and not any_of:
        raise UsageError(f'{path}: nothing is looked up: write required = ["SYMBOL", "SYMBOL:TYPE"], or any_of')
    return GoHostProfile(id=path, title=title, required=required, any_of=any_of, reference=reference)


def _requirements(texts: object, where: str) -> tuple[Requirement, ...]:
    if not isinstance(texts, list) or not all(isinstance(text, str) and text for text in texts):
        raise UsageError(f'{where} must be a list of texts, such as ["Run:func()"]')
    requirements = tuple(Requirement.parse(text) for text in texts)
    from soinspect.go.typetext import parse_type

    for it in requirements:
        if it.type is not None:
            try:
                parse_type(it.type)
            except UsageError as error:
                raise UsageError(f"{where}: {error}") from None
    return requirements


def read_go(file: PluginFile) -> Iterator[KindFact]:
    """What the plugin exports, and the hosts that look up such names."""
    plugin = file.go_plugin
    if isinstance(plugin, Absent):
        yield fact("exports", plugin)
        return
    for profile in PROFILES:
        if not any(judge_profile(plugin, profile)):
            wanted = (*profile.required, *profile.any_of)
            found = [export.name for export in plugin.exports if any(_fits(export, one) for one in wanted)]
            yield fact(f"what {profile.title} looks up", ", ".join(found))


def judge_go(file: PluginFile) -> Iterator[KindProblem]:
    """What the host misses that the user says the plugin is for."""
    if file.profile and file.go_plugin:
        yield from judge_profile(file.go_plugin, file.profile)


def judge_profile(plugin: GoPlugin, profile: GoHostProfile) -> Iterator[KindProblem]:
    """What the host of ``profile`` misses in the plugin."""
    offered = f"it exports {', '.join(export.declaration for export in plugin.exports) or 'nothing'}"
    for wanted in profile.required:
        if not any(_fits(export, wanted) for export in plugin.exports):
            yield _problem(profile, _text(wanted), offered)
    if profile.any_of and not any(_fits(export, wanted) for export in plugin.exports for wanted in profile.any_of):
        yield _problem(profile, "one of " + ", ".join(map(_text, profile.any_of)), offered)


def _fits(export: GoExport, wanted: Requirement) -> bool:
    from soinspect.go.typetext import is_written_alike

    if wanted.symbol not in (export.name, ANY_NAME):
        return False
    return wanted.type is None or is_written_alike(wanted.type, export.looked_up_type)


def _text(wanted: Requirement) -> str:
    name = "any name" if wanted.symbol == ANY_NAME else wanted.symbol
    return f"{name} as {wanted.type}" if wanted.type else name


def _problem(profile: GoHostProfile, wanted: str, offered: str) -> KindProblem:
    return KindProblem(
        kind=GO, summary=f"{profile.title} looks up {wanted}: {offered}", refused=True, fix=f"export {wanted}"
    )
