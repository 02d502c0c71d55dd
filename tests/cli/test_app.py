"""The command line as a whole: version, help, start-up cost, schema, layers."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

import soinspect as package
from conftest import FIXTURES, Soinspect
from soinspect.cli.app import COMMANDS

PLUGIN1, PLUGIN2 = FIXTURES / "plugin1.so", FIXTURES / "plugin2.so"


def modules_loaded_by(*arguments: str | Path) -> set[str]:
    """The modules that a run of the command line has loaded when it ends, and the packages they are of."""
    code = (
        "import sys, atexit, os\n"
        "atexit.register(lambda: os.write(2, ' '.join(sys.modules).encode()))\n"
        "from soinspect.__main__ import main\nmain()\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    modules = done.stderr.split()
    return {".".join(parts[:n]) for parts in (it.split(".") for it in modules) for n in range(1, len(parts) + 1)}


def test_version(soinspect: Soinspect) -> None:
    assert soinspect("--version").out == f"soinspect {package.__version__}\n"


# The last two are what subprocess and lzma are made of, for which stand-ins are loaded (soinspect.cli.late).
_HEAVY = {"lief", "elftools", "capstone", "tree_sitter", "rich.table", "soinspect.calling", "_posixsubprocess", "_lzma"}


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (
            ("--version",),
            {"rich", "pycxxfilt", "soinspect.elf", "soinspect.model", "soinspect.render", "soinspect.api"},
        ),
        (("symbols", "--help"), {"pycxxfilt", "soinspect.elf", "soinspect.render", "soinspect.api"}),
        (
            ("symbols", PLUGIN1),
            {"rich", "soinspect.loader", "soinspect.comparing", "soinspect.verdict", "soinspect.dwarf"},
        ),
        (("info", sys.executable), {"rich", "soinspect.go.rtype", "soinspect.model.golang"}),
        (
            ("info", PLUGIN1),
            {
                *("rich", "soinspect.loader", "soinspect.comparing", "soinspect.verdict", "soinspect.dwarf"),
                "soinspect.demangle.golink",
            },
        ),
        (("info", PLUGIN1, "--format", "json"), {"rich", "soinspect.loader", "soinspect.comparing", "soinspect.dwarf"}),
        (("go", PLUGIN1), {"rich", "soinspect.loader", "soinspect.comparing", "soinspect.verdict", "soinspect.dwarf"}),
        (("deps", sys.executable), {"rich", "soinspect.comparing", "soinspect.go.rtype", "soinspect.dwarf"}),
        (("check", sys.executable, PLUGIN1), {"rich", "soinspect.comparing", "soinspect.dwarf"}),
        (("diff", PLUGIN1, PLUGIN2), {"rich", "soinspect.loader", "soinspect.verdict"}),
    ],
    ids=lambda it: " ".join(Path(a).name for a in it) if isinstance(it, tuple) else "",
)
def test_a_command_loads_what_it_needs(arguments: tuple[str | Path, ...], unwanted: set[str]) -> None:
    assert not modules_loaded_by(*arguments) & (_HEAVY | unwanted)


def test_a_late_module_is_loaded_at_its_first_use() -> None:
    code = (
        "import sys\n"
        "from soinspect.cli.late import load_late\n"
        "load_late('colorsys', 'sys')\n"
        "import colorsys, inspect\n"
        "inspect.getmodule(load_late)\n"
        "print(len(vars(colorsys)) > 10, end=' ')\n"
        "from colorsys import rgb_to_hsv\n"
        "print(colorsys.rgb_to_hsv is rgb_to_hsv, sys.modules['colorsys'].__spec__ is not None, sys.argv)\n"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False True True ['-c']\n"


def test_help_names_every_command(soinspect: Soinspect) -> None:
    text = soinspect("--help").out
    assert all(f"  {command} " in text for command in COMMANDS)
    assert soinspect("nonsense").code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("symbols", PLUGIN1, PLUGIN2),
        ("symbols", "/etc/passwd"),
        ("info", PLUGIN1, sys.executable),
        ("go", PLUGIN1, sys.executable),
        ("deps", PLUGIN1, sys.executable),
        ("diff", PLUGIN1, PLUGIN2),
        ("scan", PLUGIN1, "/etc/passwd"),
        ("call", PLUGIN1, "Run", "I"),
        ("call", PLUGIN1, "Run", "--host", "native"),
    ],
    ids=lambda arguments: " ".join(Path(a).name for a in arguments),
)
def test_json_is_what_the_schema_says(arguments: tuple[str | Path, ...], soinspect: Soinspect) -> None:
    schema = json.loads(soinspect("schema").out)
    jsonschema.Draft202012Validator.check_schema(schema)
    document = soinspect(*arguments, "--format", "json").json
    jsonschema.validate(document, schema)
    assert document["schema_version"] == 1


def test_the_schema_ships_with_the_package() -> None:
    assert files("soinspect.render").joinpath("schema.json").is_file()
    assert files("soinspect").joinpath("py.typed").is_file()


def test_colour_only_where_it_is_wanted(soinspect: Soinspect) -> None:
    assert "\x1b[" not in soinspect("info", PLUGIN1).out
    assert "\x1b[" in soinspect("info", PLUGIN1, FORCE_COLOR="1", TERM="xterm").out
    assert "\x1b[3" not in soinspect("info", PLUGIN1, FORCE_COLOR="1", NO_COLOR="1", TERM="xterm").out


def test_output_that_cannot_be_written_is_no_verdict(tmp_path: Path) -> None:
    for redirection, code in ((">/dev/full", 2), (">&-", 0)):
        command = f"{sys.executable} -m soinspect symbols {PLUGIN1} {redirection}"
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
        assert done.returncode == code
        assert "Traceback" not in done.stderr


def test_a_time_limit_is_a_number(soinspect: Soinspect) -> None:
    for text in ("nan", "inf", "0", "soon"):
        run = soinspect("call", PLUGIN1, "I", "--timeout", text)
        assert (run.code, run.out) == (2, "")


def test_ctrl_c_while_modules_are_loaded_is_quiet(soinspect: Soinspect, tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise KeyboardInterrupt\n")
    run = soinspect("--version", PYTHONPATH=str(tmp_path))
    assert (run.code, run.out, run.err) == (130, "", "")
