"""docs/plugin-kinds.md, made from the catalogue."""

from __future__ import annotations

from collections.abc import Iterator

from soinspect.kinds.catalogue import KINDS
from soinspect.kinds.goprofiles import PROFILES
from soinspect.kinds.rule import KindRule, Need, Sign

_HEAD = """\
# Plugin kinds

What `soinspect info` recognises a file as a plugin for, and what it then looks for. Only what the bytes prove counts:
exported and imported symbols (of the right type: function or variable), sections, what a structure holds; a file's
name only where nothing else is named so. This page is made from the data in `src/soinspect/kinds`.

Some plugins cannot be told by symbols: Asterisk's register themselves in a constructor, HAProxy and Vim load scripts,
and hashicorp/go-plugin (Vault, Terraform, Packer, Grafana) starts programs that talk over a socket.
"""
_GO = """\
## Profiles of Go hosts

`soinspect info --profile HOST|FILE` tells whether a Go plugin exports what its host looks up. The file is TOML:

```toml
title = "our gateway"
required = ["Init:func() error", "Version"]  # all of these; with the type, if it matters, as reflect prints it
any_of = ["*:func(http.ResponseWriter, *http.Request)"]  # at least one of these; * where configuration gives the name
```
"""


def kinds_page() -> str:
    """The whole page."""
    return "\n".join((_HEAD, *("\n".join(_section(rule)) for rule in KINDS), _GO, *_profiles(), ""))


def _section(rule: KindRule) -> Iterator[str]:
    yield f"## {rule.title}\n"
    told = "; or ".join(dict.fromkeys(_sign(sign) for sign in rule.signs))
    yield f"`{rule.id}`, loaded by [{rule.host}]({rule.reference}). Told by: {told}.\n"
    yield "| entry point | need | prototype |\n|---|---|---|"
    for entry in rule.entry_points:
        prototype = entry.prototype.replace("|", r"\|")
        need = {Need.REQUIRED: "required", Need.ONE_OF: "one of these", Need.OPTIONAL: "optional"}[entry.need]
        yield f"| `{entry.pattern}` | {need} | `{prototype}` |"
    yield ""
    if rule.naming:
        how = "follows" if rule.naming.binding else "is guessed"
        yield f"The name of `{rule.naming.pattern}` {how} from the file's name.\n"
    if rule.read and rule.read.__doc__:
        yield f"Read: {rule.read.__doc__.splitlines()[0]}\n"


def _sign(sign: Sign) -> str:
    parts = [f"exports `{name}`" for name in sign.exports]
    if sign.proof and sign.proof.__doc__:
        parts.append("of which the contents tell")
    parts += [f"imports `{name}`" for name in sign.imports]
    parts += [f"does not export `{name}`" for name in sign.lacks]
    if sign.section:
        parts.append(f"has a section `{sign.section}`")
    if sign.file_name:
        parts.append("by its file name")
    return ", ".join(parts)


def _profiles() -> Iterator[str]:
    yield "| host | id | all of | at least one of |\n|---|---|---|---|"
    for profile in PROFILES:
        required, any_of = (
            "<br>".join(f"`{one.symbol}:{one.type}`" if one.type else f"`{one.symbol}`" for one in wanted)
            for wanted in (profile.required, profile.any_of)
        )
        yield f"| [{profile.title}]({profile.reference}) | `{profile.id}` | {required} | {any_of} |"
