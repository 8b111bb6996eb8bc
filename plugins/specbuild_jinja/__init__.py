"""The executor `jinja`: targets are rendered from templates, as a function of declared inputs only."""

import json
import os
import posixpath
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from specbuild import BadOption, Failed, Job, Succeeded, hookimpl

if TYPE_CHECKING:
    import jinja2

__all__ = ["Jinja", "specbuild_executors"]

_CHANCE = ("random",)  # filters whose answer differs from run to run
_CHANCE_GLOBALS = ("lipsum",)


class Jinja:
    """Renders the templates that the recipe names: one for all targets, or one for each, in order.

    A template, and what it includes or extends, must be a declared input, or an edit of it would change
    nothing. It sees `task`, `target`, `targets`, `inputs`, and `data`: the inputs that are JSON or TOML, by
    their names without ending. What is not defined is an error; chance and clock are not there.
    """

    name: ClassVar[str] = "jinja"
    on_edit: ClassVar[Literal["rebuild"]] = "rebuild"
    writes: ClassVar[Literal["declared"]] = "declared"

    def check(self, options: Mapping[str, Any]) -> Iterable[BadOption]:
        for key in options:
            if key != "share":
                yield BadOption(key, f"[executor.jinja] knows no {key}", "it takes no options")

    def run(self, job: Job) -> Succeeded | Failed:
        task = job.task
        try:
            names = shlex.split(task.recipe or "")
        except ValueError as error:
            return Failed(f"the recipe names no templates: {error}", permanent=True)
        if not task.targets or any(target.endswith("/") for target in task.targets):
            return Failed("there is no file to render; declare `targets:`", permanent=True)
        if len(names) not in {1, len(task.targets)}:
            what = f"the recipe names {len(names)} templates for {len(task.targets)} targets"
            return Failed(f"{what}; it takes one for all, or one for each", permanent=True)
        return _render_all(job, names * (len(task.targets) if len(names) == 1 else 1))


def _render_all(job: Job, names: list[str]) -> Succeeded | Failed:
    import jinja2  # noqa: PLC0415  (40 ms that no other executor needs)

    try:
        environment = _environment(job)
        context = {
            "task": job.task,
            "targets": job.task.targets,
            "inputs": job.task.inputs,
            "data": _data(job),
        }
        for target, name in zip(job.task.targets, names, strict=True):
            text = environment.get_template(posixpath.normpath(name)).render(**context, target=target)
            path = os.path.join(job.folder, target)
            with open(path, "w", encoding="utf-8", newline="") as file:
                file.write(text)
            job.log(f"→ {target} from {name}\n")
    except jinja2.TemplateNotFound as error:
        advice = "add it to the task's inputs, and see that it is there"
        return Failed(f"template {error.name} is no declared input; {advice}", permanent=True)
    except jinja2.TemplateSyntaxError as error:
        return Failed(f"{error.name}:{error.lineno}: {error.message}", permanent=True)
    except jinja2.TemplateError as error:
        return Failed(f"{_place(error, job.task.inputs)}{error}", permanent=True)
    except _Unreadable as error:
        return Failed(str(error), permanent=True)
    return Succeeded()


def _environment(job: Job) -> "jinja2.Environment":
    """Templates see no file but declared inputs, and nothing that changes by itself."""
    import jinja2  # noqa: PLC0415
    from jinja2.sandbox import SandboxedEnvironment  # noqa: PLC0415

    declared = {posixpath.normpath(path) for path in job.task.inputs}

    def source(name: str) -> tuple[str, str, None] | None:
        if name not in declared:
            return None
        try:
            with open(os.path.join(job.folder, name), encoding="utf-8", newline="") as file:
                return file.read(), name, None
        except OSError:
            return None
        except UnicodeDecodeError as error:
            raise _Unreadable(f"template {name} is not UTF-8 (byte {error.start})") from error

    environment = SandboxedEnvironment(
        loader=jinja2.FunctionLoader(source),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    for name in _CHANCE:
        del environment.filters[name]
    for name in _CHANCE_GLOBALS:
        del environment.globals[name]
    return environment


class _Unreadable(ValueError):  # noqa: N818  (what an input is)
    """An input is not what its name says."""


def _data(job: Job) -> Mapping[str, Any]:
    """Inputs that hold data: `schema/user.json` is `data.user`."""
    found: dict[str, Any] = {}
    for path in job.task.inputs:
        stem, ending = posixpath.splitext(posixpath.basename(path))
        if ending not in {".json", ".toml"}:
            continue
        if stem in found:
            raise _Unreadable(f"two inputs are data.{stem}: rename one of them, {path} for example")
        found[stem] = _read(os.path.join(job.folder, path), path)
    return found


def _read(file: str, path: str) -> Any:
    try:
        with open(file, "rb") as stream:
            text = stream.read().decode("utf-8-sig")
        if path.endswith(".json"):
            return json.loads(text)
        import tomllib  # noqa: PLC0415

        return tomllib.loads(text)
    except OSError as error:
        raise _Unreadable(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error
    except ValueError as error:  # UnicodeDecodeError, JSONDecodeError and TOMLDecodeError are its kinds
        raise _Unreadable(f"{path} cannot be understood: {error}") from error


def _place(error: BaseException, names: Sequence[str]) -> str:
    """`FILE:LINE: ` of the deepest template line that an error went through."""
    place = ""
    trace = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if name in names:
            place = f"{name}:{trace.tb_lineno}: "
        trace = trace.tb_next
    return place


@hookimpl
def specbuild_executors() -> list[Jinja]:
    return [Jinja()]
