"""Scans in the test's own process."""

from __future__ import annotations

from pathlib import Path

from soinspect import api
from soinspect.model.scan import ScanRow


def rows(*paths: str | Path, root: str | Path = "/") -> list[ScanRow]:
    with api.scanning([str(path) for path in paths], root=str(root)) as answers:
        return [row for scanned in answers for row in scanned.rows]


def found(*paths: str | Path, root: str | Path = "/") -> dict[str, str | None]:
    return {row.path: row.error for row in rows(*paths, root=root)}
