"""A Go host and a plugin of some 60 MB each, for ``soinspect check``; to build them takes minutes and 200 MB."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from measuring import SOINSPECT, Benchmark

_PACKAGES, _TYPES = 60, 230
_MODULE = "example.com/gateway"
_ENVIRONMENT = {**os.environ, "GO111MODULE": "on", "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "GOPROXY": "off",
                "GOWORK": "off", "CGO_ENABLED": "1"}  # fmt: skip
_TYPE = """
type Configuration{n} struct {{ Name string; Values map[string]int; Next *Configuration{n} }}

func (c *Configuration{n}) Describe(prefix string) (string, error) {{
	var b strings.Builder
	keys := make([]string, 0, len(c.Values))
	for key := range c.Values {{
		keys = append(keys, key)
	}}
	sort.Strings(keys)
	for i, key := range keys {{
		fmt.Fprintf(&b, "%s%d %s=%d {n}\\n", prefix, i, key, c.Values[key])
	}}
	if c.Next != nil {{
		return c.Next.Describe(prefix + b.String())
	}}
	return b.String(), nil
}}

func (c *Configuration{n}) Merge(other *Configuration{n}) (changed int) {{
	for key, value := range c.Values {{
		if other.Values[key] < value {{
			other.Values[key] = value + {n}
			changed++
		}}
	}}
	return changed
}}
"""
_MAIN = {
    "host": "func main() { p, err := plugin.Open(os.Args[1]); fmt.Println(p, err, len(all)) }\n",
    "plugin": "func Run() { fmt.Println(len(all)) }\n",
}
_IMPORTS = {"host": ("fmt", "net/http", "os", "plugin"), "plugin": ("fmt", "net/http")}


def _write_sources(folder: Path) -> None:
    (folder / "go.mod").write_text(f"module {_MODULE}\n\ngo 1.21\n")
    names = [f"component{number:03}" for number in range(_PACKAGES)]
    for name in names:
        (folder / name).mkdir(exist_ok=True)
        types = "".join(_TYPE.format(n=number) for number in range(_TYPES))
        every = ", ".join(f"&Configuration{number}{{}}" for number in range(_TYPES))
        text = f'package {name}\n\nimport (\n\t"fmt"\n\t"sort"\n\t"strings"\n)\n{types}\nvar All = []any{{{every}}}\n'
        (folder / name / "component.go").write_text(text)
    for what, body in _MAIN.items():
        (folder / what).mkdir(exist_ok=True)
        paths = [*_IMPORTS[what], *(f"{_MODULE}/{name}" for name in names)]
        imports = "".join(f'\t"{path}"\n' for path in paths)
        every = ", ".join(f"{name}.All" for name in names)
        used = f"var _ = http.DefaultClient\n\nvar all = [][]any{{{every}}}\n\n"
        (folder / what / "main.go").write_text(f"package main\n\nimport (\n{imports})\n\n{used}{body}")


def benchmarks(go: str, folder: Path) -> Iterator[Benchmark]:
    """Check the plugin for a host, and for one whose position is not fixed; ``go`` is the command that builds them."""
    folder.mkdir()
    _write_sources(folder)
    plugin = _built(go, folder, "plugin", "plugin")
    for mode in ("exe", "pie"):
        files = [_built(go, folder, "host", mode), plugin]
        sizes = " + ".join(f"{file.stat().st_size / 1e6:.0f} MB" for file in files)
        command = [*SOINSPECT, "check", "--format", "json", *map(str, files)]
        yield Benchmark(name=f"check of a large Go host ({mode}), {sizes}", ours=command, peers={})


def _built(go: str, folder: Path, what: str, mode: str) -> Path:
    output = folder / f"{what}-{mode}"
    build = [go, "build", f"-buildmode={mode}", "-o", str(output), f"./{what}"]
    subprocess.run(build, check=True, cwd=folder, env=_ENVIRONMENT)
    return output
