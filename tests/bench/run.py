"""Measure soinspect against the peers that are installed, and write the table of docs/performance.md.

python tests/bench/run.py [COMMAND...]    # only the benchmarks of these commands, printed and not written

Nothing fails on a time. Libraries of LLVM and Go's tools are measured where they are installed.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import call_latency
import large_go
import scanning
from measuring import LIMIT, RUNS, SOINSPECT, Benchmark, Cost, paired, version_of

_ROOT = Path(__file__).parent.parent.parent
_PAGE = _ROOT / "docs" / "performance.md"
_FIXTURES = _ROOT / "fixtures"
_SYSTEM = Path("/usr/lib/x86_64-linux-gnu")
_PLUGINS = [str(_FIXTURES / f"plugin{n}.so") for n in (1, 2)]
_TINY = "int answer(void) { return 42; }"
_LLVM = (_SYSTEM / "libLLVM-14.so.1", _SYSTEM / "libLLVM-15.so.1")
_LIEF = (
    "import lief, sys\nfile = lief.ELF.parse(sys.argv[1])\n"
    "for s in file.dynamic_symbols: print(s.name, s.value, s.size)\n"
)
_ELFTOOLS = (
    "import sys\nfrom elftools.elf.elffile import ELFFile\n"
    "table = ELFFile(open(sys.argv[1], 'rb')).get_section_by_name('.dynsym')\n"
    "for s in table.iter_symbols(): print(s.name, s['st_value'], s['st_size'])\n"
)
_VERSIONS = {
    "nm": ["nm", "--version"],
    "eu-readelf": ["eu-readelf", "--version"],
    "llvm-nm": ["llvm-nm", "--version"],
    "abidiff": ["abidiff", "--version"],
    "go": ["go", "version"],
    "gdb": ["gdb", "--version"],
}


def _start_up(folder: Path) -> Iterator[Benchmark]:
    tiny = _compiled(folder / "tiny.so", _TINY)
    for command in (["--version"], ["symbols", tiny], ["info", tiny]):
        yield Benchmark(
            name=f"start-up: {command[0]}",
            ours=[*SOINSPECT, *command],
            peers={
                "python -c pass": [sys.executable, "-c", "pass"],
                "python -c 'import typer'": [sys.executable, "-c", "import typer"],
            },
        )


def _symbols(folder: Path) -> Iterator[Benchmark]:
    many = _compiled(folder / "many.so", "\n".join(f"int symbol_{n};" for n in range(200_000)))
    yield Benchmark(
        name="symbols --match of 200,000",
        ours=[*SOINSPECT, "symbols", many, "--match", "*_1234*"],
        peers={"soinspect symbols": [*SOINSPECT, "symbols", many], "nm -D": ["nm", "-D", many]},
    )
    if _LLVM[0].exists():
        yield from _of_a_large_library(str(_LLVM[0]))


def _of_a_large_library(path: str) -> Iterator[Benchmark]:
    peers = {
        "nm -D": ["nm", "-D", path],
        "readelf": ["readelf", "--dyn-syms", "-W", path],
        "eu-readelf": ["eu-readelf", "--symbols=.dynsym", path],
        "llvm-nm": ["llvm-nm", "-D", path],
        "pyelftools": [sys.executable, "-c", _ELFTOOLS, path],
        "LIEF": [sys.executable, "-c", _LIEF, path],
    }
    symbols = [*SOINSPECT, "symbols", path]
    yield Benchmark(name="symbols of libLLVM-14, raw names", ours=[*symbols, "--no-demangle"], peers=peers)
    yield Benchmark(name="symbols of libLLVM-14, demangled", ours=symbols, peers={"nm -DC": ["nm", "-DC", path]})
    yield Benchmark(
        name="symbols of libLLVM-14, JSON",
        ours=[*symbols, "--no-demangle", "--format", "json"],
        peers={"nm -D": peers["nm -D"]},
    )


def _info(folder: Path) -> Iterator[Benchmark]:
    big = _big(folder / "big.so", _compiled(folder / "small.so", _TINY))
    yield Benchmark(
        name="info of 200 MB", ours=[*SOINSPECT, "info", big], peers={"readelf -hldn": ["readelf", "-hldnW", big]}
    )


def _go(_: Path) -> Iterator[Benchmark]:
    plugin = _PLUGINS[0]
    yield Benchmark(
        name="go: page", ours=[*SOINSPECT, "go", plugin], peers={"go version -m": ["go", "version", "-m", plugin]}
    )
    yield Benchmark(
        name="go --functions",
        ours=[*SOINSPECT, "go", "--functions", plugin],
        peers={"go tool nm": ["go", "tool", "nm", plugin]},
    )


def _deps(_: Path) -> Iterator[Benchmark]:
    yield Benchmark(
        name="deps of Python",
        ours=[*SOINSPECT, "deps", sys.executable],
        peers={"ldd -r": ["ldd", "-r", sys.executable]},
    )


def _diff(folder: Path) -> Iterator[Benchmark]:
    sources = _FIXTURES / "rules" / "dwarf.member-added"
    tiny = [_compiled(folder / f"{name}.so", (sources / f"{name}.c").read_text(), "-g") for name in ("old", "new")]
    pairs = {"diff of a tiny pair": tiny, "diff of Go plugins": _PLUGINS}
    if all(path.exists() for path in _LLVM):
        old, new = map(str, _LLVM)
        pairs |= {"diff of libLLVM-14 and itself": [old, old], "diff libLLVM-14 to 15": [old, new]}
    for name, pair in pairs.items():
        yield Benchmark(name=name, ours=[*SOINSPECT, "diff", *pair], peers={"abidiff": ["abidiff", *pair]})


def _check(folder: Path) -> Iterator[Benchmark]:
    yield Benchmark(name="check of Go plugins", ours=[*SOINSPECT, "check", *_PLUGINS], peers={})
    go = shutil.which("go")
    if go:
        yield from large_go.benchmarks(go, folder / "go")


def _scan(_: Path) -> Iterator[Benchmark]:
    yield from scanning.benchmarks(_SYSTEM)


def _compiled(output: Path, source: str, *options: str) -> str:
    output.with_suffix(".c").write_text(source)
    subprocess.run(["gcc", "-shared", "-fPIC", *options, "-o", output, output.with_suffix(".c")], check=True)
    return str(output)


def _big(output: Path, library: str) -> str:
    """A library with 200 MB behind its last section, of which the disk holds next to nothing."""
    shutil.copyfile(library, output)
    with output.open("r+b") as file:
        file.truncate(200_000_000)
    return str(output)


def _rows(benchmark: Benchmark) -> Iterator[str]:
    peers = {name: command for name, command in benchmark.peers.items() if shutil.which(command[0])}
    costs = paired({"soinspect": benchmark.ours, **peers})
    ours = costs.pop("soinspect")
    yield f"| {benchmark.name} | soinspect | {_figures(ours)} | |"
    for name, cost in costs.items():
        more = "less than " * cost.stopped
        yield f"| | {name} | {_figures(cost)} | {more}{ours.seconds / cost.seconds:.2f} |"


def _figures(cost: Cost) -> str:
    return f"{'more than ' * cost.stopped}{cost.seconds:.3f} | {cost.memory / 1e6:.0f}"


def _introduction() -> str:
    versions = [f"{name}: {version_of(command)}" for name, command in _VERSIONS.items() if shutil.which(command[0])]
    python = f"Python {platform.python_version()}, pyelftools {version('pyelftools')}, LIEF {version('lief')}"
    return f"""# Performance

Written by `python tests/bench/run.py`: do not edit. CPU seconds (user and system) and peak memory in MB, medians of
{RUNS} runs in which the programs take turns; the ratio is that of soinspect's CPU time to the peer's. What takes more
than {LIMIT} s is stopped; memory below 10 MB cannot be told. Ratios travel between machines, seconds less so.

Machine: {_processor()}; {python}; {"; ".join(versions)}.

| what | program | CPU s | MB | ratio |
|---|---|---|---|---|
"""


def _processor() -> str:
    names = [line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    return f"{len(names)} x {names[0]}" if names else platform.machine()


_GROUPS = {"start-up": _start_up, "symbols": _symbols, "info": _info, "go": _go, "deps": _deps, "diff": _diff,
           "check": _check, "scan": _scan}  # fmt: skip
_CALL = "call"


def main(wanted: list[str]) -> None:
    """Run the benchmarks, print their lines, and write the page if all were asked for."""
    unknown = set(wanted) - {*_GROUPS, _CALL}
    if unknown:
        raise SystemExit(f"no benchmarks of {', '.join(sorted(unknown))}: there are {', '.join(_GROUPS)}, {_CALL}")
    page = _introduction()
    for line in _lines(wanted or [*_GROUPS, _CALL]):
        print(line, flush=True)
        page += line + "\n"
    if not wanted:
        _PAGE.write_text(page)


def _lines(groups: list[str]) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        for group in groups:
            for benchmark in _GROUPS[group](Path(folder)) if group in _GROUPS else ():
                yield from _rows(benchmark)
    if _CALL in groups:
        yield ""
        yield from call_latency.lines()


if __name__ == "__main__":
    main(sys.argv[1:])
