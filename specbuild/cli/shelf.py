"""Long sequences in a memo: kept in parts, each read when something of it is asked for."""

import pickle
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from typing import Any, BinaryIO, Final, TypeVar, overload

from specbuild.engine.task import Task, TaskText

T = TypeVar("T")
PART: Final = 64
_BUILTINS: Final = frozenset(("set", "frozenset"))


class Reader(pickle.Unpickler):
    """Makes nothing but this package's own values: a cache runs no code."""

    def find_class(self, module: str, name: str) -> Any:
        if module == "builtins" and name in _BUILTINS:
            return super().find_class(module, name)
        if module.startswith("specbuild.") and "." not in name:
            found: Callable[..., Any] = super().find_class(module, name)
            if isinstance(found, type):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a memo")


def read(stream: BinaryIO) -> Any:
    """The next value. Raises what pickle raises for what is none."""
    return Reader(stream).load()


class Shelf(Sequence[T]):
    """A sequence whose parts stay as bytes until they are looked at."""

    __slots__ = ("_parts", "_read", "_size")

    def __init__(self, size: int, parts: Sequence[bytes]) -> None:
        self._size = size
        self._parts = parts
        self._read: list[Sequence[T] | None] = [None] * len(parts)

    @staticmethod
    def of(values: Sequence[T]) -> "Shelf[T]":
        if isinstance(values, Shelf):
            return values
        parts = [pickle.dumps([*values[at : at + PART]], 5) for at in range(0, len(values), PART)]
        return Shelf(len(values), parts)

    def __reduce__(self) -> tuple[Any, ...]:
        return Shelf, (self._size, self._parts)

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...

    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        if isinstance(index, slice):
            return [self[at] for at in range(self._size)[index]]
        at = index + self._size if index < 0 else index
        if not 0 <= at < self._size:
            raise IndexError(index)
        return self._part(at // PART)[at % PART]

    def __iter__(self) -> Iterator[T]:
        for number in range(len(self._parts)):
            yield from self._part(number)

    def _part(self, number: int) -> Sequence[T]:
        found = self._read[number]
        if found is None:
            found = self._read[number] = read(BytesIO(self._parts[number]))
        return found


class Texts(Sequence[TaskText]):
    """The texts of a task file, which tasks hold, too: those are not kept twice."""

    __slots__ = ("_places", "_tasks")

    def __init__(self, tasks: Sequence[Task], places: Sequence[int | TaskText]) -> None:
        self._tasks = tasks
        self._places = places  # positions of tasks, or texts of no task

    def __reduce__(self) -> tuple[Any, ...]:
        return Texts, (self._tasks, self._places)

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> TaskText: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[TaskText]: ...

    def __getitem__(self, index: int | slice) -> TaskText | Sequence[TaskText]:
        if isinstance(index, slice):
            return [self._at(place) for place in self._places[index]]
        return self._at(self._places[index])

    def _at(self, place: int | TaskText) -> TaskText:
        return self._tasks[place].text if isinstance(place, int) else place
