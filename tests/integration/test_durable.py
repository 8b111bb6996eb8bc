"""Files that are written whole, or whose writer is told."""

import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from specbuild.git import durable


@pytest.fixture
def small() -> Iterator[None]:
    """As on a disk that is nearly full: so far a file may grow, and no further."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    "write",
    [durable.put_new, durable.put_anew, lambda path, data: durable.put(path, data, durable=False)],
)
def test_what_could_not_be_written_whole_is_an_error(
    tmp_path: Path, write: Callable[[str, bytes], None]
) -> None:
    with pytest.raises(OSError, match="large"):
        write(str(tmp_path / "file"), b"x" * 8192)
