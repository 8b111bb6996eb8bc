"""What was measured, kept as JSON: later runs add to it, and tables are made anew from it."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from harness.measure import Sample, median

VERSION = 1


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of one column at one size."""

    row: str
    size: int
    name: str
    session: str
    samples: Sequence[Sample] = ()
    beside: Sequence[Sample] = ()  # ninja's, from the turns in which these were measured
    missing: str | None = None  # why there are no samples

    @property
    def seconds(self) -> float | None:
        return median(self.samples) if self.samples else None

    @property
    def ratio(self) -> float | None:
        """Of its median to ninja's."""
        return median(self.samples) / median(self.beside) if self.samples and self.beside else None

    @property
    def memory(self) -> int | None:
        return max(sample.memory for sample in self.samples) if self.samples else None


@dataclass(frozen=True, slots=True)
class Finding:
    """How one tool behaved where it matters, in words; `right`: as one wants it, None: not to be had."""

    question: str
    name: str
    session: str
    answer: str
    right: bool | None


@dataclass(slots=True)
class Results:
    """All cells and findings; newer ones take the places of older ones."""

    cells: dict[tuple[str, int, str], Cell] = field(default_factory=dict)
    findings: dict[tuple[str, str], Finding] = field(default_factory=dict)
    sessions: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, cell: Cell) -> None:
        self.cells[cell.row, cell.size, cell.name] = cell

    def find(self, finding: Finding) -> None:
        self.findings[finding.question, finding.name] = finding

    def cell(self, row: str, size: int, name: str) -> Cell | None:
        return self.cells.get((row, size, name))

    def of(self, name: str, size: int) -> Iterator[Cell]:
        return (cell for cell in self.cells.values() if cell.name == name and cell.size == size)

    def sizes(self, row: str) -> list[int]:
        return sorted({cell.size for cell in self.cells.values() if cell.row == row})

    def save(self, path: str) -> None:
        """Written aside and moved into place: an interrupted run leaves what there was."""
        document = {
            "version": VERSION,
            "sessions": self.sessions,
            "cells": [asdict(cell) for cell in self.cells.values()],
            "findings": [asdict(finding) for finding in self.findings.values()],
        }
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
        os.replace(f"{path}.new", path)


def load(path: str) -> Results:
    """What earlier runs kept; nothing, where there is no such file or an older form of it."""
    results = Results()
    try:
        with open(path, encoding="utf-8") as file:
            document: dict[str, Any] = json.load(file)
    except FileNotFoundError:
        return results
    if document.get("version") != VERSION:
        return results
    results.sessions = document["sessions"]
    for known in document["cells"]:
        samples, beside = ([Sample(*sample) for sample in known.pop(key)] for key in ("samples", "beside"))
        results.add(Cell(**known, samples=samples, beside=beside))
    for known in document["findings"]:
        results.find(Finding(**known))
    return results
