"""hooks/pre-receive in a bare repository, reached over file://, git's daemon and git's http backend."""

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from gitbox import environment
from hooked import REPLACED, SCRIPTS, Clone, box

ROOT = Path(__file__).parents[2]
Make = Callable[..., Clone]
Serve = Callable[[Path], AbstractContextManager[str]]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    def clone(*tasks: str, **more: str) -> Clone:
        made = Clone(tmp_path / "clone", *tasks, **more)
        made.build()
        hook = made.remote / "hooks/pre-receive"
        shutil.copy(ROOT / "hooks/pre-receive", hook)
        assert os.access(hook, os.X_OK)
        return made

    with environment(tmp_path / "home"):
        yield clone


def two(make: Make) -> Clone:
    return make(box("T001", "a.txt", "in.txt"), box("T002", "b.txt", "a.txt"), **{"in.txt": "1\n"})


def test_the_server_takes_what_is_up_to_date(make: Make) -> None:
    clone = two(make)
    pushed = clone.push("-q", "origin", "main")
    assert pushed == (0, "")
    assert clone.there() == clone.head()


def test_the_server_refuses_what_is_stale_though_completed(make: Make) -> None:
    clone = two(make)
    clone.type("in.txt", "2\n")
    clone.commit("edit")
    pushed = clone.push()
    assert pushed.code == 1
    assert "remote: specbuild: main" in pushed.said
    assert "is refused: 1 task is stale" in pushed.said
    assert "T001 do t001: input-changed: in.txt" in pushed.said
    assert "SPECBUILD=0" not in pushed.said  # a server is not told so
    assert clone.there() is None
    clone.build()
    assert clone.push().code == 0


def test_the_server_takes_unfinished_work_and_deletions(make: Make) -> None:
    clone = two(make)
    clone.tasks(
        box("T001", "a.txt", "in.txt", ticked=True),
        box("T002", "b.txt", "a.txt", ticked=True),
        box("T003", "c.txt"),
        box("T004", "d.txt", keep=True),
    )
    clone.commit("new tasks")
    assert clone.push("origin", "main", "main:old").code == 0
    assert clone.push("origin", ":old").code == 0
    clone.git("tag", "v1")
    assert clone.push("-q", "origin", "v1") == (0, "")


def test_the_server_refuses_a_branch_and_takes_nothing_of_that_push(make: Make) -> None:
    clone = two(make)
    clone.git("branch", "good")
    clone.type("in.txt", "2\n")
    clone.commit("edit")
    assert clone.push("origin", "good", "main").code == 1
    assert clone.there("refs/heads/good") is None


def test_a_server_without_specbuild_refuses_and_says_why(make: Make) -> None:
    clone = two(make)
    pushed = clone.push(PATH="/usr/bin:/bin")
    assert pushed.code == 1
    assert "the server finds no specbuild" in pushed.said
    command = str(Path(SCRIPTS) / "specbuild")
    assert clone.push(PATH="/usr/bin:/bin", SPECBUILD_COMMAND=command).code == 0


def server_environment(folder: Path) -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if name not in REPLACED}
    return {**env, "PATH": f"{SCRIPTS}{os.pathsep}{env['PATH']}", "GIT_PROJECT_ROOT": str(folder)}


@contextmanager
def daemon(folder: Path) -> Iterator[str]:
    """git daemon on a free port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [
            *("git", "daemon", "--listen=127.0.0.1", f"--port={port}", "--export-all", "--reuseaddr"),
            *("--enable=receive-pack", f"--base-path={folder}", str(folder)),
        ],
        env=server_environment(folder),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < until, "git daemon did not start"
                time.sleep(0.05)
        yield f"git://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 15)
        process.wait()


@contextmanager
def http(folder: Path) -> Iterator[str]:
    """git's own http backend, as a CGI program."""
    backend = Path(
        subprocess.run(["git", "--exec-path"], capture_output=True, check=True, text=True).stdout.strip()
    )
    variables = {**server_environment(folder), "GIT_HTTP_EXPORT_ALL": "1", "REMOTE_USER": "ada"}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            length = int(self.headers.get("Content-Length") or 0)
            body = (
                self._chunks()
                if self.headers.get("Transfer-Encoding") == "chunked"
                else self.rfile.read(length)
            )
            told = {
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            }
            done = subprocess.run(
                [backend / "git-http-backend"],
                env={**variables, **told},
                input=body,
                capture_output=True,
                check=False,
            )
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            fields = [line.decode().split(": ", 1) for line in head.split(b"\r\n")]
            code = next((int(value.split()[0]) for name, value in fields if name == "Status"), 200)
            self.send_response(code)
            for name, value in fields:
                if name != "Status":
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815  (the base class' word)

        def _chunks(self) -> bytes:
            found = b""
            while size := int(self.rfile.readline().strip() or b"0", 16):
                found += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return found

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("serve", [daemon, http])
def test_over_the_network_both_sides_judge(make: Make, serve: Serve) -> None:
    clone = two(make)
    clone.hook("install")
    with serve(clone.remote.parent) as url:
        clone.git("remote", "set-url", "origin", f"{url}/remote.git")
        clone.git("--git-dir", str(clone.remote), "config", "http.receivepack", "true")
        assert clone.push().code == 0
        clone.type("in.txt", "2\n")
        stale = clone.commit("edit")
        pushed = clone.push("origin", "main", SPECBUILD="0")
        assert pushed.code == 1
        assert "remote: specbuild: main" in pushed.said
        assert "built 2 tasks, push again" in clone.push().said
        assert clone.there() != stale
        assert clone.push().code == 0
        assert clone.there() == clone.head()
