"""Failures really produced on this machine, and what is said of them."""

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from specbuild.diagnosis import Diagnosis, diagnose

OPENSSL = shutil.which("openssl")
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed")


def run(recipe: str, folder: Path, *, fails: bool = True) -> tuple[str, int]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C", "PYTHON": sys.executable}
    done = subprocess.run(
        ["sh", "-eu", "-c", recipe],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode != 0) == fails, done.stdout
    return done.stdout, done.returncode


def diagnosed(recipe: str, folder: Path) -> Diagnosis:
    output, exit_code = run(recipe, folder)
    diagnosis = diagnose(f"the recipe failed with exit code {exit_code}", output, exit_code)
    assert diagnosis is not None, output
    return diagnosis


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def open_port() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield int(server.getsockname()[1])


def test_a_connection_refused_to_python_names_host_and_port(tmp_path: Path, closed_port: int) -> None:
    url = f"http://127.0.0.1:{closed_port}/"
    recipe = f'"$PYTHON" -c \'import urllib.request as r; r.urlopen(r.Request("{url}"))\' {url}'
    diagnosis = diagnosed(recipe, tmp_path)
    assert diagnosis.kind == "connection-refused"


def test_a_connection_refused_told_with_its_address_names_it(tmp_path: Path, closed_port: int) -> None:
    recipe = (
        f"echo 'connecting to 127.0.0.1:{closed_port}'; "
        f'"$PYTHON" -c \'import socket; socket.create_connection(("127.0.0.1", {closed_port}))\''
    )
    diagnosis = diagnosed(recipe, tmp_path)
    assert diagnosis.kind == "connection-refused"
    assert f"127.0.0.1:{closed_port}" in diagnosis.summary
    assert f"nc -vz 127.0.0.1 {closed_port}" in diagnosis.fixes


@needs_curl
def test_a_connection_refused_to_curl_names_host_and_port(tmp_path: Path, closed_port: int) -> None:
    diagnosis = diagnosed(f"curl -sS http://127.0.0.1:{closed_port}/", tmp_path)
    assert diagnosis.kind == "connection-refused"
    assert f"127.0.0.1:{closed_port}" in diagnosis.summary


@needs_node
def test_a_connection_refused_to_node_names_host_and_port(tmp_path: Path, closed_port: int) -> None:
    diagnosis = diagnosed(f'node -e \'require("net").connect({closed_port}, "127.0.0.1")\'', tmp_path)
    assert diagnosis.kind == "connection-refused"
    assert f"127.0.0.1:{closed_port}" in diagnosis.summary


def test_a_connection_refused_to_git_names_host_and_port(tmp_path: Path, closed_port: int) -> None:
    diagnosis = diagnosed(f"git ls-remote http://127.0.0.1:{closed_port}/x.git", tmp_path)
    assert diagnosis.kind == "connection-refused"
    assert f"127.0.0.1:{closed_port}" in diagnosis.summary


@needs_curl
def test_a_name_that_does_not_resolve_is_told_by_curl(tmp_path: Path) -> None:
    diagnosis = diagnosed("curl -sS --noproxy '*' http://nohost.invalid/", tmp_path)
    assert diagnosis.kind == "dns"
    assert "nohost.invalid" in diagnosis.summary


def test_a_name_that_does_not_resolve_is_told_by_git(tmp_path: Path) -> None:
    diagnosis = diagnosed("git -c http.proxy= ls-remote http://nohost.invalid/x.git", tmp_path)
    assert diagnosis.kind == "dns"
    assert "nohost.invalid" in diagnosis.summary


def test_a_name_that_does_not_resolve_is_told_by_python(tmp_path: Path) -> None:
    recipe = '"$PYTHON" -c \'import socket; socket.create_connection(("nohost.invalid", 80))\''
    assert diagnosed(recipe, tmp_path).kind == "dns"


@needs_node
def test_a_name_that_does_not_resolve_is_told_by_node(tmp_path: Path) -> None:
    diagnosis = diagnosed('node -e \'require("net").connect(80, "nohost.invalid")\'', tmp_path)
    assert diagnosis.kind == "dns"
    assert "nohost.invalid" in diagnosis.summary


@contextlib.contextmanager
def tls_server(folder: Path) -> Iterator[int]:
    """A server on loopback whose certificate nobody but itself has signed."""
    command = f"{OPENSSL} req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost"
    run(command, folder, fails=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True):
                        pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


@needs_openssl
def test_a_self_signed_certificate_is_told_by_python(tmp_path: Path) -> None:
    with tls_server(tmp_path) as port:
        url = f"https://127.0.0.1:{port}/"
        recipe = f'echo GET {url}; "$PYTHON" -c \'import urllib.request as r; r.urlopen("{url}", timeout=9)\''
        diagnosis = diagnosed(recipe, tmp_path)
    assert diagnosis.kind == "tls"
    assert "signed by itself" in diagnosis.summary
    assert str(port) in diagnosis.summary


@needs_openssl
@needs_curl
def test_a_self_signed_certificate_is_told_by_curl(tmp_path: Path) -> None:
    with tls_server(tmp_path) as port:
        diagnosis = diagnosed(f"curl -sS --noproxy '*' https://127.0.0.1:{port}/", tmp_path)
    assert diagnosis.kind == "tls"


@needs_openssl
@needs_node
def test_a_self_signed_certificate_is_told_by_node(tmp_path: Path) -> None:
    with tls_server(tmp_path) as port:
        diagnosis = diagnosed(f'node -e \'require("https").get("https://127.0.0.1:{port}/")\'', tmp_path)
    assert diagnosis.kind == "tls"


@needs_curl
def test_a_server_that_does_not_answer_is_a_timeout(tmp_path: Path, open_port: int) -> None:
    diagnosis = diagnosed(f"curl -sS --noproxy '*' -m 1 http://127.0.0.1:{open_port}/", tmp_path)
    assert diagnosis.kind == "timeout"


def test_a_python_read_that_times_out_is_a_timeout(tmp_path: Path, open_port: int) -> None:
    recipe = f'"$PYTHON" -c \'import urllib.request as r; r.urlopen("http://127.0.0.1:{open_port}/", timeout=0.2)\''
    assert diagnosed(recipe, tmp_path).kind == "timeout"


def test_a_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    output, exit_code = run("nosuchcommand-x --flag", tmp_path)
    assert exit_code == 127
    diagnosis = diagnose("", output, exit_code)
    assert diagnosis is not None
    assert diagnosis.kind == "command-not-found"
    assert "nosuchcommand-x" in diagnosis.summary


def test_a_command_that_python_cannot_start_is_named(tmp_path: Path) -> None:
    diagnosis = diagnosed('"$PYTHON" -c \'import subprocess as s; s.run(["nosuchcommand-x"])\'', tmp_path)
    assert diagnosis.kind == "command-not-found"
    assert "nosuchcommand-x" in diagnosis.summary


@needs_node
def test_a_command_that_node_cannot_start_is_named(tmp_path: Path) -> None:
    diagnosis = diagnosed('node -e \'require("child_process").spawn("nosuchcommand-x")\'', tmp_path)
    assert diagnosis.kind == "command-not-found"
    assert "nosuchcommand-x" in diagnosis.summary


def test_a_shebang_of_an_interpreter_that_is_not_there_is_a_command_not_found(tmp_path: Path) -> None:
    script = tmp_path / "build.sh"
    script.write_text("#!/usr/bin/env nosuchcommand-x\n")
    script.chmod(0o755)
    diagnosis = diagnosed("./build.sh", tmp_path)
    assert diagnosis.kind == "command-not-found"
    assert "nosuchcommand-x" in diagnosis.summary


def test_a_script_without_the_executable_bit_is_permission_denied(tmp_path: Path) -> None:
    (tmp_path / "build.sh").write_text("#!/bin/sh\n")
    output, exit_code = run("./build.sh", tmp_path)
    assert exit_code == 126
    diagnosis = diagnose("", output, exit_code)
    assert diagnosis is not None
    assert diagnosis.kind == "permission-denied"
    assert any(fix.startswith("chmod +x ./build.sh") for fix in diagnosis.fixes)


def test_a_file_that_may_not_be_read_is_permission_denied(tmp_path: Path) -> None:
    (tmp_path / "secret").touch(mode=0)
    nobody = ""
    if os.geteuid() == 0:  # root may read everything
        if shutil.which("setpriv") is None:
            pytest.skip("running as root, without setpriv")
        nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups "
    diagnosis = diagnosed(f"{nobody}cat {tmp_path}/secret", tmp_path)
    assert diagnosis.kind == "permission-denied"
    assert f"{tmp_path}/secret" in diagnosis.summary


def test_python_at_its_limit_of_memory_is_out_of_memory(tmp_path: Path) -> None:
    diagnosis = diagnosed("ulimit -v 400000; \"$PYTHON\" -c 'x = bytearray(1 << 30)'", tmp_path)
    assert diagnosis.kind == "out-of-memory"


def test_a_recipe_killed_by_the_kernel_is_diagnosed_by_its_signal(tmp_path: Path) -> None:
    output, exit_code = run("sh -c 'kill -9 $$'", tmp_path)
    assert exit_code == 137
    diagnosis = diagnose("", output, exit_code)
    assert diagnosis is not None
    assert diagnosis.kind == "out-of-memory"
    assert "SIGKILL" in diagnosis.summary


def test_a_recipe_beyond_its_processor_time_is_a_timeout(tmp_path: Path) -> None:
    output, exit_code = run("ulimit -S -t 1; \"$PYTHON\" -c 'while True: pass'", tmp_path)
    diagnosis = diagnose("", output, exit_code)
    assert diagnosis is not None
    assert diagnosis.kind == "timeout"


def test_a_program_that_crashes_is_said_to_have_crashed(tmp_path: Path) -> None:
    output, exit_code = run("ulimit -c 0; \"$PYTHON\" -c 'import ctypes; ctypes.string_at(0)'", tmp_path)
    diagnosis = diagnose("", output, exit_code)
    assert diagnosis is not None
    assert diagnosis.kind == "crashed"


def test_a_file_beyond_the_limit_of_file_sizes_is_out_of_disk(tmp_path: Path) -> None:
    recipe = 'ulimit -f 1; "$PYTHON" -c \'open("big", "wb").write(bytes(1 << 20))\''
    diagnosis = diagnosed(recipe, tmp_path)
    assert diagnosis.kind == "out-of-disk"
    assert any("ulimit -f" in fix for fix in diagnosis.fixes)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize(
    "recipe", ["echo x > /dev/full", "cat /bin/sh > /dev/full", "dd if=/dev/zero of=/dev/full"]
)
def test_a_full_disk_is_out_of_disk(tmp_path: Path, recipe: str) -> None:
    assert diagnosed(recipe, tmp_path).kind == "out-of-disk"


def test_a_module_missing_in_python_is_named(tmp_path: Path) -> None:
    diagnosis = diagnosed('"$PYTHON" -c "import nosuchmodule_x.part"', tmp_path)
    assert diagnosis.kind == "missing-module"
    assert "python3 -m pip install nosuchmodule_x" in diagnosis.fixes


def test_a_module_missing_for_python_m_is_named(tmp_path: Path) -> None:
    diagnosis = diagnosed('"$PYTHON" -m nosuchmodule_x', tmp_path)
    assert diagnosis.kind == "missing-module"
    assert "nosuchmodule_x" in diagnosis.summary


@needs_node
@pytest.mark.parametrize(
    "recipe",
    ["node -e 'require(\"nosuchmodule-x\")'", "node --input-type=module -e 'import \"nosuchmodule-x\"'"],
)
def test_a_module_missing_in_node_is_named(tmp_path: Path, recipe: str) -> None:
    diagnosis = diagnosed(recipe, tmp_path)
    assert diagnosis.kind == "missing-module"
    assert "npm install nosuchmodule-x" in diagnosis.fixes


def test_a_port_in_use_is_told_by_python(tmp_path: Path, open_port: int) -> None:
    recipe = f'echo serving at 127.0.0.1:{open_port}; "$PYTHON" -m http.server -b 127.0.0.1 {open_port}'
    diagnosis = diagnosed(recipe, tmp_path)
    assert diagnosis.kind == "port-in-use"
    assert str(open_port) in diagnosis.summary


@needs_node
def test_a_port_in_use_is_told_by_node(tmp_path: Path, open_port: int) -> None:
    recipe = f'node -e \'require("net").createServer().listen({open_port}, "127.0.0.1")\''
    diagnosis = diagnosed(recipe, tmp_path)
    assert diagnosis.kind == "port-in-use"
    assert str(open_port) in diagnosis.summary


def test_a_failing_pytest_names_the_test(tmp_path: Path) -> None:
    (tmp_path / "test_sum.py").write_text("def test_sum():\n    assert 1 + 1 == 3\n")
    diagnosis = diagnosed('"$PYTHON" -m pytest -q -p no:cacheprovider test_sum.py', tmp_path)
    assert diagnosis.kind == "test-failed"
    assert "test_sum.py::test_sum" in diagnosis.summary


def test_a_failing_unittest_names_the_test(tmp_path: Path) -> None:
    (tmp_path / "test_sum.py").write_text(
        "import unittest\nclass Sums(unittest.TestCase):\n    def test_sum(self):\n        self.assertEqual(2, 3)\n"
    )
    diagnosis = diagnosed('"$PYTHON" -m unittest test_sum', tmp_path)
    assert diagnosis.kind == "test-failed"
    assert "test_sum" in diagnosis.summary


@needs_node
def test_a_failing_node_test_names_the_test(tmp_path: Path) -> None:
    (tmp_path / "sum.test.js").write_text(
        'require("node:test")("adds up", () => { require("node:assert").equal(2, 3); });\n'
    )
    diagnosis = diagnosed("node --test --test-reporter=tap sum.test.js", tmp_path)
    assert diagnosis.kind == "test-failed"
    assert "adds up" in diagnosis.summary


def test_a_pytest_broken_by_a_refused_connection_is_told_as_that(tmp_path: Path, closed_port: int) -> None:
    (tmp_path / "test_db.py").write_text(
        f"import socket\n\ndef test_db():\n    socket.create_connection(('127.0.0.1', {closed_port}))\n"
    )
    diagnosis = diagnosed('"$PYTHON" -m pytest -q -p no:cacheprovider test_db.py', tmp_path)
    assert diagnosis.kind == "connection-refused"
