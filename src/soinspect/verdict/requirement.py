"""What a host looks up in a plugin that it has opened: ``plugin.Lookup`` and the type assertion after it."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from soinspect.model.golang import GoPlugin
from soinspect.model.verdict import Requirement, Step
from soinspect.verdict.gorules import REQUIRED_SYMBOL, REQUIRED_TYPE


def check_requirements(plugin: GoPlugin, requirements: tuple[Requirement, ...]) -> Iterator[Step]:
    """Whether the plugin exports what is required, with the types that are required."""
    exports = {export.name: export for export in plugin.exports}
    for required in requirements:
        export = exports.get(required.symbol)
        if export is None:
            near = get_close_matches(required.symbol, exports, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            yield REQUIRED_SYMBOL.found(
                f"it does not export {required.symbol}",
                message=f"plugin: symbol {required.symbol} not found in plugin {plugin.path}",
                evidence=(f"{hint}it exports {', '.join(exports) or 'nothing'}",),
            )
            continue
        found = export.looked_up_type
        if required.accepts(found):
            yield f"it exports {required.symbol}, which Lookup returns as {found}"
        else:
            yield REQUIRED_TYPE.found(
                f"{required.symbol} is {found}, not {required.type}",
                message=f"interface conversion: plugin.Symbol is {found}, not {required.type}",
            )
