"""The graph of dependencies in the languages of Graphviz and Mermaid."""

from __future__ import annotations

from collections.abc import Sequence

from soinspect.model.lateclass import dataclass
from soinspect.model.loadplan import LoadPlan
from soinspect.render.text import printable


@dataclass(frozen=True, slots=True)
class _Node:
    label: str
    found: bool


def dot(plans: Sequence[LoadPlan]) -> str:
    """The graph as Graphviz reads it; what is missing is red and dashed."""
    nodes, edges = _graph(plans)
    lines = ["digraph dependencies {", "  node [shape=box];"]
    for node, number in nodes.items():
        style = "" if node.found else ", color=red, style=dashed"
        lines.append(f'  n{number} [label="{_dot_text(node.label)}"{style}];')
    lines += (f"  n{user} -> n{used};" for user, used in edges)
    return "\n".join([*lines, "}\n"])


def mermaid(plans: Sequence[LoadPlan]) -> str:
    """The graph as a Mermaid flowchart; what is missing is red and dashed."""
    nodes, edges = _graph(plans)
    lines = ["flowchart TD"]
    lines += (f'  n{number}["{_mermaid_text(node.label)}"]' for node, number in nodes.items())
    lines += (f"  n{user} --> n{used}" for user, used in edges)
    missing = [f"n{number}" for node, number in nodes.items() if not node.found]
    if missing:
        lines += ("  classDef missing stroke:red,stroke-dasharray:4", f"  class {','.join(missing)} missing")
    return "\n".join(lines) + "\n"


def _graph(plans: Sequence[LoadPlan]) -> tuple[dict[_Node, int], dict[tuple[int, int], None]]:
    """The nodes with their numbers, and the edges, both in load order."""
    nodes: dict[_Node, int] = {}
    edges: dict[tuple[int, int], None] = {}
    for plan in plans:
        for loaded in plan.objects:
            user = nodes.setdefault(_Node(loaded.path, found=True), len(nodes))
            for need in loaded.needs:
                node = _Node(need.path or need.name, found=need.path is not None)
                edges[user, nodes.setdefault(node, len(nodes))] = None
    return nodes, edges


def _dot_text(label: str) -> str:
    return printable(label).replace("\\", "\\\\").replace('"', '\\"')


def _mermaid_text(label: str) -> str:
    return "".join(c if c.isalnum() or c in "/._-+ " else f"#{ord(c)};" for c in printable(label))
