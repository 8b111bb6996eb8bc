"""Trees as the tools see them: laid out, told to each tool, compared with what must come out."""

import os
import subprocess
import time

from harness.measure import Command, Unmeasured
from harness.peers.base import Peer, Place
from tree import PLAIN, Tree, content, inputs, lay

BEGIN = "begin\n"
"""What a slow task has written of its output before it waits."""


def laid(peer: Peer, tree: Tree, folder: str, bin_: str) -> Place:
    """A new repository in `folder` with the tree, ready for the first build."""
    home = f"{folder}.home"
    os.makedirs(home, exist_ok=True)
    files = peer.files(tree)
    if peer.ignored:
        files[".gitignore"] = "".join(f"{pattern}\n" for pattern in peer.ignored)
    lay(folder, tree, files)
    place = Place(folder, bin_, peer.environment(home, bin_))
    peer.prepare(place)
    return place


def command(place: Place, words: tuple[str, ...], given: str = os.devnull) -> Command:
    return Command(words, place.folder, place.environment, given)


def slow(log: str, seconds: float) -> str:
    """Work that notes in `log` that it runs, and leaves its output half-written for a while."""
    return f"echo OUTPUT >> {log}; (echo begin; sleep {seconds:g}; cat INPUTS) > OUTPUT"


def noting(log: str) -> str:
    """The plain work, noted in `log`."""
    return f"echo OUTPUT >> {log}; {PLAIN}"


def read(path: str) -> str | None:
    """None: it is not there."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None


def expected(folder: str, number: int, head: str = "") -> str:
    """What out/NUMBER.txt must hold by the inputs as they are now."""
    below = expected(folder, number // 10, head) if number >= 10 else ""
    return head + (read(f"{folder}/in/{number}.txt") or "") + below


def wrong(folder: str, count: int, head: str = "") -> list[int]:
    """The tasks whose outputs are not what they must be."""
    return [n for n in range(count) if read(f"{folder}/out/{n}.txt") != expected(folder, n, head)]


def check(folder: str, count: int) -> None:
    bad = wrong(folder, count)
    if bad:
        raise Unmeasured(
            f"{len(bad)} of {count} outputs are wrong after the build, the first out/{bad[0]}.txt"
        )


def hand_made(folder: str, count: int) -> None:
    """The outputs as a build would make them, committed."""
    os.makedirs(f"{folder}/out", exist_ok=True)
    for number in range(count):
        with open(f"{folder}/out/{number}.txt", "w", encoding="utf-8") as file:
            file.write(
                "".join([content(number), *(read(f"{folder}/{path}") or "" for path in inputs(number)[1:])])
            )
    for words in (("add", "--all"), ("commit", "-q", "--no-verify", "-m", "outputs")):
        subprocess.run(["git", *words], cwd=folder, check=True)


def settle(folder: str, seconds: float) -> None:
    """Lets a clean-up that git left in the background end, and `seconds` go by."""
    until = time.monotonic() + 120
    while os.path.exists(f"{folder}/.git/gc.pid") and time.monotonic() < until:
        time.sleep(0.2)
    time.sleep(seconds)
