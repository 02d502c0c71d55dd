"""Proof that a plugin was built from certain source files: its path is a hash of them.

``go build -buildmode=plugin a.go b.go`` has no import path to name the plugin by, so it takes
``plugin/unnamed-`` and the SHA-1 of a build id and of the files' contents (pluginPath in pkg.go
of Go's src/cmd/go/internal/load, and init.go of src/cmd/go/internal/work).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import islice, permutations

from soinspect.model.absence import Absent
from soinspect.model.golang import GoFacts, GoSourceProof

_UNNAMED = "plugin/unnamed-"
_MAX_ORDERS = 5040
_PARTS = 4
_OLD = "Go 1.9 and older hash more than the files"


def prove_source(facts: GoFacts, files: Sequence[bytes]) -> GoSourceProof:
    """Whether the plugin's path is the hash of ``files``, in this order or another.

    The order is that of the command line, which nobody may remember: other orders are tried, within bounds.
    """
    if not facts.plugin:
        return _undecided("only plugins carry a hash of their source")
    if not facts.plugin.path.startswith(_UNNAMED):
        return _undecided(
            f"the plugin is named by its import path ({facts.plugin.path}), not by a hash of its files: "
            "it was built from a package, not from files"
        )
    if isinstance(facts.build_id, Absent):
        return _undecided("the hash covers the Go build id too, which the file does not have")
    wanted = facts.plugin.path.removeprefix(_UNNAMED)
    parts = facts.build_id.split("/")
    if len(parts) != _PARTS:
        return _undecided(f"the Go build id has {len(parts)} parts, not {_PARTS}: {_OLD}")
    # 1.13 and later take the main package's action id twice. What 1.10 to 1.12 take is tried as well: a match of
    # SHA-1 is a proof, however it was come by.
    for identity in (f"{parts[1]}/{parts[1]}", facts.build_id, parts[1]):
        start = hashlib.sha1(f"build ID: {identity}\n".encode(), usedforsecurity=False)
        for order in islice(permutations(files), _MAX_ORDERS):
            digest = start.copy()
            for contents in order:
                digest.update(contents)
            if digest.hexdigest() == wanted:
                return GoSourceProof(built_from=True, how=f"{_UNNAMED}{wanted} is the hash of exactly these files")
    return GoSourceProof(
        built_from=False,
        how=f"these files and the build id {parts[1]} do not hash to {wanted}: a byte or a file differs",
    )


def _undecided(why: str) -> GoSourceProof:
    return GoSourceProof(built_from=Absent(why), how=why)
