"""`specbuild graph`: which task waits for which, as text, dot, mermaid or JSON."""

from typing import Any

import click

from specbuild.cli.parts import Here, Selection, all_option, filter_option, print_json, tasks_option
from specbuild.engine.edges import Edge


@click.command("graph")
@tasks_option
@all_option
@filter_option
@click.option("--format", "form", type=click.Choice(["text", "dot", "mermaid", "json"]), default="text")
@click.option("--json", "as_json", is_flag=True, help="As --format json.")
def command(**given: Any) -> int:
    """Which task waits for which."""
    here = Here(Selection(given["tasks"], given["everything"], given["filter_"]))
    chosen = here.reported_positions() if given["filter_"] is None else here.chosen()
    form = "json" if given["as_json"] else given["form"]
    if form == "json":
        _json(here, chosen)
    else:
        for line in {"text": _text, "dot": _dot, "mermaid": _mermaid}[form](here, chosen):
            click.echo(line)
    return 0


def _edges(here: Here, position: int) -> dict[str, list[Edge]]:
    found: dict[str, list[Edge]] = {}
    for edge in here.loaded.project.graph.all_edges(position):
        found.setdefault(str(edge.source), []).append(edge)
    return found


def _kinds(edges: list[Edge]) -> str:
    return ", ".join(dict.fromkeys(edge.kind + (f" {edge.path}" if edge.path else "") for edge in edges))


def _json(here: Here, chosen: list[int]) -> None:
    tasks = here.tasks
    print_json(
        {
            "tasks": [
                {
                    "name": str(tasks[p].name),
                    "id": tasks[p].name.id,
                    "title": tasks[p].text.title,
                    "verdict": here.judge.verdict(p).state,
                }
                for p in chosen
            ],
            "edges": [
                {
                    "from": str(edge.source),
                    "to": str(tasks[p].name),
                    "kind": edge.kind,
                    "content": edge.content,
                    "path": edge.path,
                }
                for p in chosen
                for edge in here.loaded.project.graph.all_edges(p)
            ],
        }
    )


def _text(here: Here, chosen: list[int]) -> list[str]:
    from specbuild.reporting.text import clean

    lines = []
    for position in chosen:
        task = here.tasks[position]
        lines.append(clean(f"{task.name}  {task.text.title}"))
        lines += [
            clean(f"  after {source} ({_kinds(edges)})") for source, edges in _edges(here, position).items()
        ]
    return lines


def _dot(here: Here, chosen: list[int]) -> list[str]:
    lines = ["digraph tasks {", "  rankdir=LR;", "  node [shape=box];"]
    for position in chosen:
        task = here.tasks[position]
        lines.append(
            f"  {_quoted(str(task.name))} [label={_quoted(task.name.id + chr(10) + task.text.title)}];"
        )
    for position in chosen:
        for source, edges in _edges(here, position).items():
            style = "" if any(edge.content for edge in edges) else ", style=dashed"
            name = _quoted(str(here.tasks[position].name))
            lines.append(f"  {_quoted(source)} -> {name} [label={_quoted(_kinds(edges))}{style}];")
    return [*lines, "}"]


def _quoted(text: str) -> str:
    from specbuild.reporting.text import clean

    inner = clean(text, lines=True).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{inner}"'


def _mermaid(here: Here, chosen: list[int]) -> list[str]:
    node = {here.tasks[position].name: f"t{position}" for position in range(len(here.tasks))}
    lines = ["graph LR"]
    for position in chosen:
        task = here.tasks[position]
        lines.append(f"  {node[task.name]}[{_mermaid_text(f'{task.name.id} {task.text.title}')}]")
    for position in chosen:
        for edges in _edges(here, position).values():
            arrow = "-->" if any(edge.content for edge in edges) else "-.->"
            source, name = node[edges[0].source], node[here.tasks[position].name]
            lines.append(f"  {source} {arrow}|{_mermaid_text(_kinds(edges))}| {name}")
    return lines


def _mermaid_text(text: str) -> str:
    from specbuild.reporting.text import clean

    escaped = (
        clean(text).replace("&", "#amp;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")
    )
    return f'"{escaped}"'
