"""``soinspect scan`` against one ``nm -D`` process a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from measuring import SOINSPECT, Benchmark

_ALL = 'for file; do nm -D "$file"; done'


def benchmarks(folder: Path) -> Iterator[Benchmark]:
    """Scan the shared objects in a folder: what each is, and then all their symbols."""
    paths = [str(path) for path in sorted(folder.glob("*.so*")) if _is_elf(path)]
    size = sum(Path(path).stat().st_size for path in paths) / 1e6
    peers = {"nm -D, a process a file": ["sh", "-c", _ALL, "sh", *paths]}
    for name, options in (("scan", []), ("scan --symbols", ["--symbols"])):
        yield Benchmark(
            name=f"{name} of {len(paths):,} libraries, {size:,.0f} MB",
            ours=[*SOINSPECT, "scan", *options, "--format", "csv", *paths],
            peers=peers,
        )


def _is_elf(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"
