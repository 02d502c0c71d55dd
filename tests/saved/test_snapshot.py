"""``soinspect snapshot``: nothing is lost, every command takes it, and damage is told."""

from __future__ import annotations

import json
import random
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from conftest import FIXTURES, Compile, GoBuild, Soinspect
from soinspect import api
from soinspect.errors import InputError, UsageError
from soinspect.saved.snapshotfile import read_snapshot, snapshot_schema, write_snapshot

PLUGIN1, PLUGIN2 = FIXTURES / "plugin1.so", FIXTURES / "plugin2.so"
CXX = FIXTURES / "library-of-every-cxx-type" / "types.cpp"


@pytest.fixture
def kinds(cc: Compile, go_build: GoBuild) -> dict[str, Path]:
    """A file of every kind that has facts of its own."""
    types = FIXTURES / "library-of-every-c-type"
    return {
        "C with types": cc(types / "first.c", "-g", "-I", str(types)),
        "C++ with types": cc(CXX, "-g"),
        "Go plugin": PLUGIN1,
        "Go c-shared": go_build("1.27.3", FIXTURES / "go-c-shared-library" / "library.go", mode="c-shared"),
        "program": Path(sys.executable).resolve(),
    }


@pytest.mark.parametrize("kind", ["C with types", "C++ with types", "Go plugin", "Go c-shared", "program"])
def test_a_snapshot_loses_nothing_and_is_what_its_schema_says(kind: str, kinds: dict[str, Path]) -> None:
    facts = api.facts_of(str(kinds[kind]))
    text = write_snapshot(facts)
    assert text.isascii()
    again = read_snapshot(text, "saved")
    assert write_snapshot(again) == text
    assert list(again.snapshot.symbols or ()) == list(facts.snapshot.symbols or ())
    assert replace(again.snapshot, symbols=facts.snapshot.symbols) == facts.snapshot
    assert again.types == facts.types
    jsonschema.validate(json.loads(text), snapshot_schema())


def test_a_snapshot_stands_in_for_its_file(soinspect: Soinspect, tmp_path: Path) -> None:
    saved = tmp_path / "plugin1.json"
    assert soinspect("snapshot", PLUGIN1, "-o", saved).code == 0
    assert soinspect("snapshot", PLUGIN1).out == saved.read_text()
    for command in (("info",), ("symbols", "--exports", "--sort", "size"), ("symbols", "--format", "table")):
        real, stood_in = soinspect(*command, PLUGIN1), soinspect(*command, saved)
        assert stood_in.code == real.code
        assert stood_in.out == real.out.replace(str(PLUGIN1), str(saved))
    both = [soinspect("diff", old, PLUGIN2).out.splitlines()[1:] for old in (PLUGIN1, saved)]
    assert both[0] == both[1]
    run = soinspect("diff", "-", PLUGIN2, stdin=saved.read_bytes())
    assert run.out.splitlines()[1:] == both[0]


def test_what_needs_the_file_itself_says_so(soinspect: Soinspect, tmp_path: Path) -> None:
    saved = tmp_path / "plugin1.json"
    soinspect("snapshot", PLUGIN1, "-o", saved)
    for command in (("call", saved, "Run"), ("go", "--sizes", saved), ("info", "--cross-check", saved)):
        run = soinspect(*command)
        assert (run.code, run.out.strip().startswith("{")) == (2, False)
        assert "the file itself" in run.err
    with pytest.raises(UsageError, match="no code to call"):
        api.call(str(saved), "Run")


def test_a_snapshot_of_types_is_compared_as_the_file_is(cc: Compile, tmp_path: Path) -> None:
    source = "struct state { int a; %s int b; };\nint read_b(struct state *s) { return s->b; }"
    old, new = cc(source % "", "-g", name="old.so"), cc(source % "int between;", "-g", name="new.so")
    saved = tmp_path / "old.json"
    saved.write_text(write_snapshot(api.facts_of(str(old))))
    of_files, of_snapshot = (api.compare(str(side), str(new)) for side in (old, saved))
    assert of_files.findings == of_snapshot.findings
    assert "dwarf.member-moved" in {finding.rule for finding in of_files.findings}


ALTERED: list[tuple[Any, str]] = [
    (("version", 2), "a snapshot of version 2; this soinspect reads 1"),
    (("facts", None), "facts: None where an object belongs"),
    (("facts.types", {"word_size": 8}), "facts.types: functions is missing"),
    (("facts.snapshot.header.machine", "Z80"), "facts.snapshot.header.machine: 'Z80' is no Machine"),
    (("facts.snapshot.header.elf_class", 64), "facts.snapshot.header.elf_class: 64 is no ElfClass"),
    (("facts.snapshot.size", "large"), "facts.snapshot.size: 'large' where integer belongs"),
    (("facts.snapshot.size", True), "facts.snapshot.size: True where integer belongs"),
    (("facts.snapshot.size", 10**30), "facts.snapshot.size: a number of more than 64 bits"),
    (("facts.snapshot.dynamic.needed", ["libc.so.6", 6]), "facts.snapshot.dynamic.needed[1]: 6 where string belongs"),
    (("facts.snapshot.surprise", 1), "facts.snapshot: unknown field 'surprise'"),
    (("facts.origin", "hearsay"), "facts.origin: 'hearsay' is no FactsOrigin"),
]


@pytest.mark.parametrize(("change", "told"), ALTERED, ids=[told for _, told in ALTERED])
def test_an_altered_snapshot_is_refused_with_the_place(change: tuple[str, object], told: str, tmp_path: Path) -> None:
    body = json.loads(write_snapshot(api.facts_of(str(PLUGIN1))))
    *way, last = change[0].split(".")
    inner = body
    for key in way:
        inner = inner[key]
    inner[last] = change[1]
    with pytest.raises(InputError, match=r"^saved: ") as caught:
        read_snapshot(json.dumps(body), "saved")
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"soinspect": "snapshot", "version": 1, "facts": {', "damaged snapshot: Expecting property name"),
        ('{"soinspect": 7}', "JSON, but no snapshot"),
        ('{"soinspect": "snapshot", "version": 1, "facts": ' + "[" * 99_999, "nested too deep"),
        ('{"soinspect": "snapshot", "version": ' + "1" * 9999 + "}", "a number too long"),
        ('{"soinspect": "snapshot", "version": ' + "1" * 99 + "}", "a snapshot of version 1111"),
    ],
)
def test_what_is_no_snapshot_is_refused(text: str, told: str, tmp_path: Path, soinspect: Soinspect) -> None:
    saved = tmp_path / "saved.json"
    saved.write_text(text)
    run = soinspect("info", saved)
    assert run.code == 2
    assert told in run.err
    assert len(run.err.splitlines()) == 1


def types_of(cc: Compile) -> Any:
    return json.loads(write_snapshot(api.facts_of(str(cc("int f(const int *p) { return *p; }", "-g")))))


@pytest.mark.parametrize(
    "change", [lambda columns: columns["names"].pop(), lambda columns: columns["infos"].append(-1)]
)
def test_columns_are_of_one_length_and_hold_bytes(change: object, cc: Compile) -> None:
    body = types_of(cc)
    change(body["facts"]["snapshot"]["symbols"]["symbols"])  # type: ignore[operator]
    with pytest.raises(InputError, match="not of one length"):
        read_snapshot(json.dumps(body), "saved")
    body = types_of(cc)
    body["facts"]["snapshot"]["symbols"]["symbols"]["infos"][0] = 256
    with pytest.raises(InputError, match="is not a byte"):
        read_snapshot(json.dumps(body), "saved")


@pytest.mark.parametrize("column", ["values", "sizes"])
def test_addresses_and_sizes_are_not_negative(column: str, cc: Compile) -> None:
    body = types_of(cc)
    body["facts"]["snapshot"]["symbols"]["symbols"][column][0] = -1
    with pytest.raises(InputError, match="is negative"):
        read_snapshot(json.dumps(body), "saved")


@pytest.mark.parametrize("target", [-1, 10**6])
def test_types_refer_to_types_that_are_there(target: int, cc: Compile) -> None:
    body = types_of(cc)
    derived = next(it for it in body["facts"]["types"]["types"] if it["is"] == "DerivedType")
    derived["target"] = target
    with pytest.raises(InputError, match="refers to a type that is not there"):
        read_snapshot(json.dumps(body), "saved")


def test_no_type_is_made_of_itself(cc: Compile) -> None:
    body = types_of(cc)
    types = body["facts"]["types"]["types"]
    types.append({"is": "Typedef", "name": "t", "target": len(types)})
    with pytest.raises(InputError, match="is made of itself"):
        read_snapshot(json.dumps(body), "saved")


def test_no_pointer_leads_to_itself(cc: Compile) -> None:
    body = types_of(cc)
    types = body["facts"]["types"]["types"]
    types.append({"is": "DerivedType", "derivation": "pointer", "target": len(types)})
    with pytest.raises(InputError, match="is made of itself"):
        read_snapshot(json.dumps(body), "saved")


def test_no_function_takes_more_than_anybody_could_write(cc: Compile) -> None:
    """Each function takes the function before it twice: written out, the last one has 2**40 parameters."""
    body = types_of(cc)
    types = body["facts"]["types"]["types"]
    for _ in range(40):
        twice = [{"name": None, "type": len(types) - 1, "artificial": False}] * 2
        types.append({"is": "FunctionType", "result": 0, "parameters": twice})
    with pytest.raises(InputError, match="of too many others"):
        read_snapshot(json.dumps(body), "saved")


def test_types_made_to_explode_are_cut(cc: Compile, tmp_path: Path) -> None:
    """Each structure without a name holds ten of the next: as a declaration it would have 10**15 lines."""
    old, new = (types_of(cc) for _ in range(2))
    for body, size in ((old, 8), (new, 16)):
        types = body["facts"]["types"]["types"]
        function = body["facts"]["types"]["functions"][0]
        first = len(types)
        function["signature"]["parameters"][0]["type"] = first
        for depth in range(15):
            members = [{"name": f"m{n}", "type": first + depth + 1, "offset": 0} for n in range(10)]
            name = None if depth else "bomb"
            types.append({"is": "Aggregate", "kind": "struct", "name": name, "size": size, "members": members})
        types.append({"is": "BaseType", "name": "int", "size": 4, "encoding": "SIGNED"})
    paths = tmp_path / "old.json", tmp_path / "new.json"
    for path, body in zip(paths, (old, new), strict=True):
        path.write_text(json.dumps(body))
    assert "dwarf.type-size-changed" in {f.rule for f in api.compare(*map(str, paths)).findings}


@pytest.mark.parametrize("seed", range(4))
def test_damaged_snapshots_are_refused_or_harmless(seed: int, cc: Compile, tmp_path: Path) -> None:
    """Any byte may be another one: the answer is an error of ours, or facts that every reader of facts bears."""
    original = write_snapshot(api.facts_of(str(cc(CXX, "-g")))).encode()
    saved, other = tmp_path / "saved.json", tmp_path / "other.json"
    other.write_bytes(original)
    chance = random.Random(seed)
    for _ in range(40):
        data = bytearray(original)
        for _ in range(chance.choice((1, 1, 3))):
            data[chance.randrange(13, len(data))] = chance.choice(b'0123456789",:[]{}aZ- ')
        saved.write_bytes(data)
        with suppress(InputError):
            api.compare(str(other), str(saved))
