"""Ids that task texts name, as tasks."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches

from specbuild.engine.task import Need, RepoPath, TaskName, TaskText
from specbuild.errors import SpecbuildError, TaskFileError, raise_all


def resolve_needs(texts: Sequence[TaskText]) -> dict[TaskName, tuple[TaskName, ...]]:
    """Ids that texts name, as tasks; a group stands for its children.

    Raises TaskFileError (or several) for an explicit id that no task has, with the nearest known one.
    """
    by_file: dict[RepoPath, dict[str, int]] = defaultdict(dict)
    anywhere: dict[str, list[int]] = defaultdict(list)
    children: dict[tuple[RepoPath, str], list[int]] = defaultdict(list)
    for position, text in enumerate(texts):
        by_file[text.name.file].setdefault(text.name.id.casefold(), position)
        anywhere[text.name.id.casefold()].append(position)
        if text.parent is not None:
            children[text.name.file, text.parent].append(position)

    def find(reference: str, file: RepoPath) -> list[int]:
        where, hash_, id_ = reference.rpartition("#")
        if hash_ and where:
            found = by_file.get(where, {}).get(id_.casefold())
            return [] if found is None else [found]
        found = by_file[file].get(reference.casefold())
        return [found] if found is not None else anywhere.get(reference.casefold(), [])

    def expand(position: int) -> Iterator[int]:
        text = texts[position]
        if not text.group:
            yield position
            return
        for child in children[text.name.file, text.name.id]:
            yield from expand(child)

    resolved: dict[TaskName, tuple[TaskName, ...]] = {}
    errors: list[SpecbuildError] = []
    for position, text in enumerate(texts):
        names: dict[TaskName, None] = {}
        for need in text.needs:
            found = find(need.id, text.name.file)
            if need.explicit and len(found) != 1:
                errors.append(_unknown(need, text, found, texts, by_file[text.name.file]))
                continue
            for place in found[:1] if len(found) == 1 else []:
                if need.explicit or place < position:
                    names.update((texts[p].name, None) for p in expand(place) if p != position)
        resolved[text.name] = tuple(names)
    raise_all(errors)
    return resolved


def _unknown(
    need: Need, text: TaskText, found: list[int], texts: Sequence[TaskText], known: Iterable[str]
) -> TaskFileError:
    where, id_ = f"{text.name.file}:{need.line}", need.id
    if found:
        names = ", ".join(str(texts[position].name) for position in found)
        return TaskFileError(
            f"{text.name.id} needs {id_!r}, which several tasks are called",
            where=where,
            hint=f"write one of {names}",
        )
    by_fold = {t.name.id.casefold(): t.name.id for t in texts}
    others = [other for other in known if other != text.name.id.casefold()]
    near = get_close_matches(id_.casefold(), others, n=1, cutoff=0.0)
    hint = f"the nearest known one is {by_fold[near[0]]}" if near else "the file has no other task"
    return TaskFileError(f"{text.name.id} needs {id_!r}, which no task is called", where=where, hint=hint)
