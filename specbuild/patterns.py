"""Regular expressions that cost nothing until somebody uses them."""

import re
from collections.abc import Callable, Iterator
from typing import Any


class Pattern:
    """Compiled when it is first used: a large one takes milliseconds, and most commands need few of them."""

    match: Callable[..., re.Match[str] | None]
    search: Callable[..., re.Match[str] | None]
    finditer: Callable[..., Iterator[re.Match[str]]]

    def __init__(self, source: str, flags: int = 0) -> None:
        self.source = source
        self.flags = flags

    def __getattr__(self, name: str) -> Any:
        if name not in Pattern.__annotations__:
            raise AttributeError(name)
        compiled = re.compile(self.source, self.flags)
        self.match, self.search, self.finditer = compiled.match, compiled.search, compiled.finditer
        return getattr(compiled, name)
