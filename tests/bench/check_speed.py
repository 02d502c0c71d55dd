"""Build a Go host and a plugin of some 60 MB, and measure ``soinspect check``: CPU seconds and memory, best of five.

python tests/bench/check_speed.py GO FOLDER    # GO is a go command; FOLDER keeps what is built (some 200 MB)
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_RUNS = 5
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
    (folder / "go.mod").parent.mkdir(parents=True, exist_ok=True)
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


def _measured(*command: str) -> tuple[float, int]:
    """CPU seconds and kilobytes of memory of the best run."""
    seen = []
    for _ in range(_RUNS):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)}: failed")
        seen.append((usage.ru_utime + usage.ru_stime, usage.ru_maxrss))
    return min(seen)


def main(go: str, folder: Path) -> None:
    """Build what is not there yet, and print one line a host."""
    _write_sources(folder)
    for name, what, mode in (
        ("gateway", "host", "exe"),
        ("gateway-pie", "host", "pie"),
        ("plug.so", "plugin", "plugin"),
    ):
        build = [go, "build", f"-buildmode={mode}", "-o", str(folder.resolve() / name), f"./{what}"]
        subprocess.run(build, check=True, cwd=folder, env=_ENVIRONMENT)
    for host in ("gateway", "gateway-pie"):
        files = [folder / host, folder / "plug.so"]
        sizes = " + ".join(f"{file.stat().st_size / 1e6:.0f} MB" for file in files)
        seconds, kilobytes = _measured(sys.executable, "-m", "soinspect", "check", "--format", "json", *map(str, files))
        sys.stdout.write(f"{host} ({sizes}): {seconds:.2f} s of CPU, {kilobytes / 1024:.0f} MiB\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
