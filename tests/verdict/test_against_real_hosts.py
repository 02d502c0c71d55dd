"""What check foresees is what happens: every pair of hosts and plugins is really opened."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from gopairs import HOSTS, PLUGINS, GoPairs, compare
from soinspect.model.verdict import Outcome

CURRENT = "1.27.3"
OTHERS = ("1.21.13", "1.24.11")
COSTLY = ("race", "asan")  # they compile the standard library once more each
ALL = ("1.21.13", "1.22.10", "1.23.9", "1.24.11", "1.25.5", "1.26.6", CURRENT)


Confusion = Counter[tuple[Outcome, Outcome, bool]]  # real outcome, foreseen outcome, is a message foreseen?


def disagreements(pairs: GoPairs, cases: Iterator[tuple[Path, Path]], table: Confusion) -> list[str]:
    """Where reality differs, in the outcome or in a message; the cases are counted in ``table``."""
    wrong = []
    for host, plugin in cases:
        (real,), (expected,) = compare(pairs, host, plugin)
        table[real.outcome, expected.outcome, expected.message is not None] += 1
        if real != expected:
            wrong.append(f"{host.parent.name}/{host.name} + {plugin.parent.name}/{plugin.name}: {real} != {expected}")
    return wrong


def test_all_variants_of_one_release_and_the_plain_ones_of_others(pairs: GoPairs) -> None:
    hosts = [pairs.host(CURRENT, name) for name in HOSTS if name not in COSTLY]
    hosts += [pairs.host(version, "plain") for version in OTHERS]
    plugins = [pairs.plugin(CURRENT, name) for name in PLUGINS if name not in COSTLY]
    plugins += [pairs.plugin(version, "plain") for version in OTHERS]
    table: Confusion = Counter()
    assert not disagreements(pairs, product(hosts, plugins), table)
    assert {real for real, _, _ in table} == {Outcome.ACCEPTED, Outcome.REJECTED, Outcome.ABORTS_HOST}
    assert table.total() == len(hosts) * len(plugins) > 200


@pytest.mark.full
def test_all_variants_of_all_releases(pairs: GoPairs) -> None:
    """``--log-cli-level=INFO`` shows the confusion table."""
    hosts = [pairs.host(version, name) for version in ALL for name in HOSTS]
    plugins = [pairs.plugin(version, name) for version in ALL for name in PLUGINS]
    table: Confusion = Counter()
    wrong = disagreements(pairs, product(hosts, plugins), table)
    for (real, foreseen, told), number in sorted(table.items()):
        message = "with the same message" if told else "without a message"
        logging.getLogger(__name__).info("%5d really %s, foreseen as %s %s", number, real, foreseen, message)
    assert not wrong
