"""`specbuild why ID`: a verdict with everything that decided it."""

from collections.abc import Mapping
from typing import Any

import click

from specbuild.cli.parts import (
    Here,
    Selection,
    all_option,
    at_option,
    json_option,
    print_json,
    tasks_option,
)
from specbuild.engine.inputs import MISSING
from specbuild.engine.verdict import Reason, short
from specbuild.git.repository import GitFailed


@click.command("why")
@click.argument("task_id", metavar="ID")
@tasks_option
@all_option
@at_option
@json_option
def command(**given: Any) -> int:
    """The verdict of a task: each input with old and new content, edges, checkpoint."""
    here = Here(Selection(given["tasks"], given["everything"]), at=given["at"])
    position = here.find(given["task_id"])
    document = explain(here, position)
    if given["as_json"]:
        print_json(document)
    else:
        _print(document)
    return 0


def explain(here: Here, position: int) -> dict[str, Any]:
    """All that `why` says, as data."""
    graph, judge = here.loaded.project.graph, here.judge
    task = graph.tasks[position]
    for before in graph.order:
        judge.verdict(before)
    verdict = judge.verdict(position)
    here.refuse_cut([verdict])
    recorded = verdict.checkpoint
    then: Mapping[str, str] = {}
    if recorded is not None:
        then = dict(judge.look(position, here.history.snapshot(recorded.commit)).committed)
    inputs = []
    for path, new in judge.inputs(position).committed:
        old = then.get(path, MISSING) if recorded is not None else None
        changed = old is not None and old != new
        commit = _last_change(here, path) if changed else None
        inputs.append({"path": path, "old": old, "new": new, "changed": changed, "commit": commit})
    edges = []
    for edge in graph.all_edges(position):
        above = judge.verdict(graph.index[edge.source])
        edges.append(
            {
                "from": str(edge.source),
                "kind": edge.kind,
                "path": edge.path,
                "content": edge.content,
                "verdict": above.state,
            }
        )
    return {
        "name": str(task.name),
        "title": task.text.title,
        "line": task.text.line,
        "verdict": verdict.state,
        "may_run": verdict.may_run,
        "reasons": [_located(here, reason).to_json() for reason in verdict.reasons],
        "lines": [str(_located(here, reason)) for reason in verdict.reasons],
        "key": verdict.key,
        "definition": task.text.definition,
        "executor": task.executor,
        "on_edit": task.on_edit,
        "targets": [{"path": path, "result": judge.result_now(path)} for path in task.targets],
        "inputs": inputs,
        "edges": edges,
        "checkpoint": None
        if recorded is None
        else {
            "commit": recorded.commit,
            "key": recorded.checkpoint.key,
            "seconds": recorded.checkpoint.seconds,
            "executor": recorded.checkpoint.executor,
            "time": recorded.time,
            "targets": dict(recorded.checkpoint.targets),
        },
        "outcome": here.outcomes.get(task.name) if here.at is None else None,
    }


def _located(here: Here, reason: Reason) -> Reason:
    if reason.code != "input-changed" or reason.path is None or reason.commit is not None:
        return reason
    return Reason(
        reason.code, reason.path, reason.old, reason.new, _last_change(here, reason.path), reason.task
    )


def _last_change(here: Here, path: str) -> str | None:
    """The commit that last changed a path; None: the change is not committed, or nobody knows."""
    if here.commit is None:
        return None
    if here.at is None and here.tree.is_dirty(path):
        return None
    try:
        found = here.repository.git(["log", "-1", "--format=%H", here.commit, "--", f":(literal){path}"])
    except GitFailed:
        return None
    return found.decode().strip() or None


def _print(document: Mapping[str, Any]) -> None:
    from specbuild.reporting.text import clean, moment

    lines = [f"{document['name']}  {document['title']}", f"verdict: {document['verdict']}"]
    if document["may_run"]:
        lines[-1] += " (may run: something it depends on is stale)"
    lines += [f"  {line}" for line in document["lines"]]
    if document["outcome"]:
        lines.append(f"last run: {document['outcome']}")
    lines.append(f"executor: {document['executor'] or 'none'} ({document['on_edit']})")
    lines.append(f"key: {document['key']}")
    for title, entries in (
        ("targets", [f"{t['path']}  {short(t['result'])}" for t in document["targets"]]),
        ("inputs", [_input_line(entry) for entry in document["inputs"]]),
        ("edges", [_edge_line(edge) for edge in document["edges"]]),
    ):
        lines.append(f"{title}:" if entries else f"{title}: none")
        lines += [f"  {entry}" for entry in entries]
    checkpoint = document["checkpoint"]
    if checkpoint is None:
        lines.append("checkpoint: none counts")
    else:
        lines.append(
            f"checkpoint: {checkpoint['commit'][:7]} of {moment(checkpoint['time'])} "
            f"by {checkpoint['executor']}, {checkpoint['seconds']:.1f}s, key {checkpoint['key']}"
        )
    for line in lines:
        click.echo(clean(line))


def _input_line(entry: Mapping[str, Any]) -> str:
    if not entry["changed"]:
        return f"{entry['path']}  {short(entry['new'])}"
    where = f" in {entry['commit'][:7]}" if entry["commit"] else " not committed"
    return f"{entry['path']}  {short(entry['old'])} -> {short(entry['new'])}{where}"


def _edge_line(edge: Mapping[str, Any]) -> str:
    path = f" {edge['path']}" if edge["path"] else ""
    content = "" if edge["content"] else ", order only"
    return f"{edge['kind']} {edge['from']}{path} ({edge['verdict']}{content})"
