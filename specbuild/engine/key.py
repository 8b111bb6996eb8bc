"""Definition and key of a task, and their one canonical encoding (SPEC section 5)."""

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple


def digest(*parts: str) -> str:
    """20 hex digits over parts in order; no two different sequences encode alike."""
    encoded = "".join([f"{len(part)}:{part}" for part in parts])
    return sha256(encoded.encode("utf-8", "surrogateescape")).hexdigest()[:20]


def digest_bytes(data: bytes) -> str:
    """20 hex digits over bytes."""
    return sha256(data).hexdigest()[:20]


def definition(text: str) -> str:
    """The digest of a task's normalised description and body (see taskfile.definition for the rules)."""
    # as digest("definition 1", text), which costs more: large files have tens of thousands of tasks
    encoded = f"12:definition 1{len(text)}:{text}"
    return sha256(encoded.encode("utf-8", "surrogateescape")).hexdigest()[:20]


class KeyParts(NamedTuple):
    """All that decides a task's result, apart so that a change can be named."""

    definition: str
    written: tuple[str, ...]  # targets as written
    recipe: tuple[str, ...]  # of `rebuild` tasks: text, values of its placeholders, executor, options
    inputs: tuple[tuple[str, str], ...]  # path, what stands there
    carried: tuple[tuple[str, str], ...]  # along content edges: path ("": the task itself), result

    def key(self) -> str:
        return digest(
            "key 1",
            self.definition,
            digest(*self.written),
            digest(*self.recipe),
            digest(*_flat(self.inputs)),
            digest(*_flat(sorted(set(self.carried)) if len(self.carried) > 1 else self.carried)),
        )


def _flat(pairs: Sequence[tuple[str, str]]) -> list[str]:
    return [text for pair in pairs for text in pair]
