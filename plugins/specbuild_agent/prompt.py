"""The prompt: a template over the task, the documents of its spec folder, its inputs and earlier failures."""

import contextlib
import os
import posixpath
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from specbuild import Job

DEFAULT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "prompt.md.jinja")
DOCUMENTS = ("spec.md", "plan.md", "data-model.md", "research.md", "quickstart.md")
CONSTITUTIONS = (".specify/memory/constitution.md", "memory/constitution.md", "constitution.md")
LONGEST = 20_000
"""Characters of one document that the prompt holds; of a longer one it names the path."""
TOGETHER = 100_000
"""Characters of all documents that the prompt holds."""
OUTPUT = 6_000
"""Characters of an earlier attempt's output, its end."""


class TemplateError(ValueError):
    """The template cannot be read or rendered."""


@dataclass(frozen=True)
class Document:
    """A file that the task is about; `text` None: too long, binary or a folder, so only its path is told."""

    path: str
    text: str | None


def render(job: Job, template: str | None) -> str:
    """The prompt of one attempt; `template` is a path in the repository, None: the one that ships."""
    import jinja2  # noqa: PLC0415  (40 ms that no other executor needs)

    path = DEFAULT if template is None else os.path.join(job.folder, template)
    named = template or "the template of specbuild"
    environment = jinja2.Environment(  # noqa: S701  (the prompt is no HTML)
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FileSystemLoader(job.folder),
    )
    try:
        with open(path, encoding="utf-8") as file:
            source = file.read()
        return environment.from_string(source).render(_context(job))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise TemplateError(f"the template {named} cannot be read: {reason}") from error
    except UnicodeDecodeError as error:
        raise TemplateError(f"the template {named} is not UTF-8 (byte {error.start})") from error
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(f"{named}:{error.lineno}: {error.message}") from error
    except jinja2.TemplateError as error:
        raise TemplateError(f"{named}: {error}") from error


def _context(job: Job) -> dict[str, Any]:
    shelf = _Shelf(job.folder)
    task = job.task
    folder = posixpath.dirname(task.file)
    documents = [posixpath.join(folder, name) for name in DOCUMENTS]
    documents += shelf.below(posixpath.join(folder, "contracts"))
    inputs = [path for path in dict.fromkeys((*task.inputs, *task.reads)) if path not in documents]
    return {
        "task": task,
        "job": job,
        "attempt": job.attempt,
        "documents": shelf.found(documents),
        "constitution": next(iter(shelf.found(CONSTITUTIONS)), None),
        "inputs": shelf.found([path for path in inputs if path not in CONSTITUTIONS]),
        "failures": [failure._replace(output=failure.output[-OUTPUT:]) for failure in job.failures],
    }


class _Shelf:
    """Documents of one folder, with as much of their text as a prompt should hold."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._left = TOGETHER

    def below(self, folder: str) -> list[str]:
        top = os.path.join(self._folder, folder)
        found = [os.path.join(at, name) for at, _, names in os.walk(top) for name in names]
        return sorted(os.path.relpath(path, self._folder).replace(os.sep, "/") for path in found)

    def found(self, paths: Iterator[str] | list[str] | tuple[str, ...]) -> list[Document]:
        return [
            Document(path, self._text(path))
            for path in paths
            if os.path.exists(os.path.join(self._folder, path))
        ]

    def _text(self, path: str) -> str | None:
        try:
            with open(os.path.join(self._folder, path), "rb") as file:
                data = file.read(4 * LONGEST)
            text = data.decode("utf-8")
        except (OSError, UnicodeDecodeError):
            return None
        if len(text) > min(LONGEST, self._left) or "\0" in text:
            return None
        self._left -= len(text)
        return text


@contextlib.contextmanager
def as_file(prompt: str) -> Iterator[str]:
    """The prompt in a file of its own outside the tree, for as long as the attempt takes."""
    with tempfile.TemporaryDirectory(prefix="specbuild-prompt-", ignore_cleanup_errors=True) as folder:
        path = os.path.join(folder, "prompt.md")
        with open(path, "wb") as file:
            file.write(prompt.encode("utf-8", "surrogateescape"))
        yield path
