"""Recorded wordings of programs that are not on every machine, and the bounds of the work."""

import time

import pytest

from specbuild.diagnosis import Diagnosis, diagnose


def told(output: str, exit_code: int | None = 1, message: str = "") -> Diagnosis:
    diagnosis = diagnose(message, output, exit_code)
    assert diagnosis is not None
    return diagnosis


def text(diagnosis: Diagnosis) -> str:
    return "\n".join((diagnosis.summary, *diagnosis.causes, *diagnosis.fixes))


WORDINGS = [
    ("connection-refused", "connect ECONNREFUSED 127.0.0.1:5432", "127.0.0.1:5432 (PostgreSQL"),
    ("connection-refused", "Error: connect ECONNREFUSED ::1:6379", "[::1]:6379 (Redis"),
    (
        "connection-refused",
        'Get "http://x/": dial tcp 10.0.0.7:80: connect: connection refused',
        "10.0.0.7:80",
    ),
    ("connection-refused", "dial tcp [::1]:9999: connect: connection refused", "[::1]:9999"),
    (
        "connection-refused",
        "ssh: connect to host build.example port 22: Connection refused",
        "build.example:22",
    ),
    (
        "connection-refused",
        (
            "fatal: unable to access 'https://git.example/x.git/': Failed to connect to git.example port 443 "
            "after 3 ms: Couldn't connect to server"
        ),
        "git.example:443",
    ),
    (
        "connection-refused",
        (
            'psql: error: connection to server at "localhost" (127.0.0.1), port 5432 failed: Connection refused\n'
            "\tIs the server running on that host and accepting TCP/IP connections?"
        ),
        "localhost:5432",
    ),
    (
        "connection-refused",
        (
            "requests.exceptions.ConnectionError: HTTPConnectionPool(host='api.local', port=8080): Max retries "
            "exceeded with url: / (Caused by NewConnectionError('Failed: [Errno 111] Connection refused'))"
        ),
        "api.local:8080",
    ),
    (
        "connection-refused",
        "Could not connect to Redis at 127.0.0.1:6379: Connection refused",
        "127.0.0.1:6379",
    ),
    (
        "connection-refused",
        "Connecting to jdbc:postgresql://db.internal:5432/app\njava.net.ConnectException: Connection refused",
        "db.internal:5432",
    ),
    (
        "connection-refused",
        "bash: connect: Connection refused\nbash: /dev/tcp/db/3306: Connection refused",
        "db:3306",
    ),
    ("unreachable", "connect: Network is unreachable", "no connection"),
    ("dns", "getaddrinfo ENOTFOUND api.example.test", "api.example.test"),
    ("dns", "getaddrinfo EAI_AGAIN registry.example", "registry.example"),
    ("dns", "ssh: Could not resolve hostname nope.example: Name or service not known", "nope.example"),
    (
        "dns",
        'Get "https://nope.example": dial tcp: lookup nope.example on 10.0.0.2:53: no such host',
        "nope.example",
    ),
    ("dns", 'Exception in thread "main" java.net.UnknownHostException: nope.example', "nope.example"),
    ("dns", "fatal: unable to access 'https://git.nope/': Could not resolve host: git.nope", "git.nope"),
    ("dns", 'could not translate host name "db" to address: Name or service not known', "db"),
    ("dns", "socket.gaierror: [Errno 8] nodename nor servname provided, or not known", "cannot be resolved"),
    ("dns", "wget: unable to resolve host address ‘nope.example’", "nope.example"),
    ("tls", "x509: certificate signed by unknown authority", "not trusted"),
    (
        "tls",
        "javax.net.ssl.SSLHandshakeException: PKIX path building failed: unable to find valid certification path",
        "not trusted",
    ),
    ("tls", "Error: self-signed certificate\n  code: 'DEPTH_ZERO_SELF_SIGNED_CERT'", "certificate"),
    ("tls", "server certificate verification failed. CAfile: none CRLfile: none", "openssl s_client"),
    ("tls", "curl: (60) SSL certificate problem: certificate has expired", "expired"),
    ("host-key", "Host key verification failed.\nfatal: Could not read from remote repository.", "ssh"),
    ("timeout", "curl: (28) Connection timed out after 5001 milliseconds", "no answer in time"),
    ("timeout", "Error: connect ETIMEDOUT 10.1.1.1:587", "10.1.1.1:587 (SMTP"),
    ("timeout", "smtp://127.0.0.1:587: Connection unexpectedly closed: timed out", "127.0.0.1"),
    ("timeout", "dial tcp 10.0.0.1:443: i/o timeout", "10.0.0.1:443"),
    ("timeout", "java.net.SocketTimeoutException: connect timed out", "no answer"),
    ("timeout", "ssh: connect to host far.example port 22: Connection timed out", "far.example:22"),
    ("timeout", "Error: SMTP connection timeout after 30s", "no answer"),
    ("command-not-found", "zsh: command not found: frobnicate", "frobnicate"),
    ("command-not-found", "bash: line 3: frobnicate: command not found", "frobnicate"),
    ("command-not-found", "sh: 1: jest: not found", "npx jest"),
    ("command-not-found", "/usr/bin/env: ‘node’: No such file or directory", "node"),
    ("command-not-found", "Error: spawn frobnicate ENOENT", "frobnicate"),
    ("command-not-found", 'exec: "frobnicate": executable file not found in $PATH', "frobnicate"),
    (
        "command-not-found",
        "make: frobnicate: No such file or directory\nmake: *** [all] Error 127",
        "frobnicate",
    ),
    ("permission-denied", "Error: EACCES: permission denied, open '/etc/shadow'", "/etc/shadow"),
    ("permission-denied", "open /var/x: permission denied", "/var/x"),
    ("permission-denied", "java.nio.file.AccessDeniedException: /opt/app", "/opt/app"),
    ("permission-denied", "java.io.FileNotFoundException: /opt/log (Permission denied)", "/opt/log"),
    ("permission-denied", "git@host.example: Permission denied (publickey).", "ssh-add"),
    (
        "permission-denied",
        "remote: Invalid credentials\nfatal: Authentication failed for 'https://x/'",
        "credentials",
    ),
    ("permission-denied", "touch: cannot touch '/ro/x': Read-only file system", "read-only"),
    (
        "out-of-memory",
        "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
        "NODE_OPT",
    ),
    ("out-of-memory", "java.lang.OutOfMemoryError: Java heap space", "JAVA_TOOL_OPTIONS"),
    ("out-of-memory", "fatal error: runtime: out of memory", "free -h"),
    ("out-of-disk", "Error: ENOSPC: no space left on device, write", "df -h"),
    ("out-of-disk", "Error: ENOSPC: System limit for number of file watchers reached", "max_user_watches"),
    ("out-of-disk", "write /data/x: disk quota exceeded\nDisk quota exceeded", "quota"),
    ("missing-module", "/usr/bin/python3: No module named pytest", "pip install pytest"),
    ("missing-module", "ModuleNotFoundError: No module named 'yaml.nodes'", "pip install yaml"),
    ("missing-module", "Error: Cannot find module '@scope/pkg/sub'", "npm install @scope/pkg"),
    ("missing-module", "Error: Cannot find module './models/user'\nRequire stack:", "ls -l ./models/user*"),
    (
        "missing-module",
        "main.go:4:2: no required module provides package github.com/a/b; to add it:",
        "github.com/a/b",
    ),
    (
        "missing-module",
        "Error: Could not find or load main class A\nCaused by: java.lang.ClassNotFoundException: A",
        "A",
    ),
    ("missing-module", "error: package org.junit does not exist", "org.junit"),
    ("missing-module", "x.c:1:10: fatal error: zlib.h: No such file or directory", "zlib.h"),
    ("missing-module", "cannot load such file -- rake (LoadError)", "gem install rake"),
    ("port-in-use", "Error: listen EADDRINUSE: address already in use :::3000", "3000"),
    ("port-in-use", "listen tcp :8080: bind: address already in use", "8080"),
    ("port-in-use", "java.net.BindException: Address already in use", "port is already in use"),
    ("port-in-use", "Error: Port 5173 is already in use", "5173"),
    ("port-in-use", "Bind for 0.0.0.0:5432 failed: port is already allocated", "5432"),
    (
        "test-failed",
        "--- FAIL: TestLogin (0.00s)\n    x_test.go:9: got 1\nFAIL\nFAIL\texample/x\t0.1s",
        "TestLogin",
    ),
    (
        "test-failed",
        "test auth::expired ... FAILED\n\ntest result: FAILED. 3 passed; 1 failed;",
        "auth::expired",
    ),
    (
        "test-failed",
        "FAIL src/a.test.js\n  ● login › rejects\n\nTests:       1 failed, 2 total",
        "login › rejects",
    ),
    ("test-failed", "  3 passing (8ms)\n  1 failing\n", "tests failed"),
    ("test-failed", "Tests run: 3, Failures: 1, Errors: 0, Skipped: 0", "tests failed"),
    ("test-failed", "FAIL: test_login (tests.AuthTest.test_login)\n\nFAILED (failures=1)", "test_login"),
]


@pytest.mark.parametrize(("kind", "output", "named"), WORDINGS, ids=[f"{k}-{o[:30]}" for k, o, _ in WORDINGS])
def test_a_recorded_wording_is_recognised_and_its_names_are_told(kind: str, output: str, named: str) -> None:
    diagnosis = told(output)
    assert diagnosis.kind == kind
    assert named in text(diagnosis)
    assert diagnosis.causes
    assert diagnosis.fixes or diagnosis.summary == "tests failed"


@pytest.mark.parametrize(
    ("output", "path", "folder"),
    [
        ("dd: error writing '/mnt/x/f': No space left on device", "/mnt/x/f", "/mnt/x"),
        ("OSError: [Errno 28] No space left on device: '/mnt/f'", "/mnt/f", "/mnt"),
        ("sh: 1: cannot create out.txt: Disk quota exceeded", "out.txt", "."),
        ("tee: out/log.txt: No space left on device", "out/log.txt", "."),
        ("open /mnt/a b: no space left on device", "/mnt/a b", "/mnt"),
        ("fatal: sha1 file '/r/o/1' write error: No space left on device", "/r/o/1", "/r/o"),
        ("bash: line 1: echo: write error: No space left on device", None, "."),
        ("java.io.IOException: No space left on device", None, "."),
    ],
)
def test_a_full_disk_is_told_by_the_path_that_had_no_room(output: str, path: str | None, folder: str) -> None:
    diagnosis = told(output)
    assert diagnosis.summary == f"no space left {f'for {path}' if path else 'on the disk'}"
    assert diagnosis.fixes[0] == f"df -h {folder}"


@pytest.mark.parametrize(
    ("exit_code", "kind"),
    [
        (126, "permission-denied"),
        (127, "command-not-found"),
        (137, "out-of-memory"),
        (-9, "out-of-memory"),
        (139, "crashed"),
        (-11, "crashed"),
        (134, "crashed"),
        (143, "terminated"),
        (-15, "terminated"),
        (152, "timeout"),
        (153, "out-of-disk"),
    ],
)
def test_an_exit_code_alone_tells_its_kind(exit_code: int, kind: str) -> None:
    assert told("something went on", exit_code).kind == kind


def test_an_ordinary_exit_code_without_known_words_tells_nothing() -> None:
    assert diagnose("the recipe failed with exit code 1", "hm\n", 1) is None


def test_a_timed_out_task_is_a_timeout_and_its_output_a_hint() -> None:
    diagnosis = diagnose("timed out", "connect ECONNREFUSED 127.0.0.1:5432", -9, timed_out=True)
    assert diagnosis is not None
    assert diagnosis.kind == "timeout"
    assert "127.0.0.1:5432" in diagnosis.causes[0]


def test_a_missing_target_is_told_by_its_name() -> None:
    diagnosis = told("done", 0, 'the target "out/a b.txt" is missing')
    assert diagnosis.kind == "target-not-produced"
    assert "out/a b.txt" in diagnosis.summary
    assert "ls -la out" in diagnosis.fixes


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ("it did not make Makefile, src/b.py", "Makefile"),
        ("it did not make src/auth/", "src/auth/"),
        ("target src/a.py is missing", "src/a.py"),
        ("nothing was changed: its targets are as they were", "changed nothing"),
    ],
)
def test_the_builder_s_words_for_a_missing_target_are_understood(message: str, named: str) -> None:
    diagnosis = told("", 0, message)
    assert diagnosis.kind == "target-not-produced"
    assert named in diagnosis.summary


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("the recipe ended with exit code 137", "out-of-memory"),
        ("it was killed by signal 11", "crashed"),
        ("timed out after 5 s", "timeout"),
        ("ended with exit status 127", "command-not-found"),
    ],
)
def test_what_is_not_given_is_taken_from_the_message(message: str, kind: str) -> None:
    assert told("", None, message).kind == kind


def test_of_an_agent_that_exits_0_after_an_error_the_error_is_the_first_cause() -> None:
    diagnosis = told("API Error: 401 Unauthorized\n", 0, "the target src/a.py was not made")
    assert diagnosis.kind == "target-not-produced"
    assert "401 Unauthorized" in diagnosis.causes[0]


def test_a_failing_test_that_mentions_an_error_is_a_failing_test() -> None:
    output = (
        "E       AssertionError: assert 'Permission denied' in 'ok'\n"
        "log: Connection refused\nFAILED tests/test_a.py::test_b - AssertionError\n1 failed in 0.1s"
    )
    diagnosis = told(output)
    assert diagnosis.kind == "test-failed"
    assert "pytest -x tests/test_a.py::test_b" in diagnosis.fixes


def test_what_broke_a_test_is_told_rather_than_the_test() -> None:
    output = "E   ModuleNotFoundError: No module named 'yaml'\nERROR tests/test_a.py\n=== 1 error in 0.1s ==="
    assert told(output).kind == "missing-module"


def test_the_last_error_of_an_output_wins() -> None:
    output = "cat: x: Permission denied\nretrying\ncurl: (6) Could not resolve host: nope.example\n"
    assert told(output).kind == "dns"


def test_names_from_an_output_are_quoted_in_what_is_to_be_pasted() -> None:
    diagnosis = told("PermissionError: [Errno 13] Permission denied: '/tmp/$(reboot) x'")
    assert all("'/tmp/$(reboot) x'" in fix for fix in diagnosis.fixes if "reboot" in fix)


def test_terminal_escapes_neither_hide_a_wording_nor_come_through() -> None:
    diagnosis = told("\x1b[31mError:\x1b[0m connect \x1b[1mECONNREFUSED\x1b[0m 127.0.0.1:5432\x1b]0;x\x07")
    assert diagnosis.kind == "connection-refused"
    assert "\x1b" not in text(diagnosis)


@pytest.mark.parametrize(
    "output",
    [
        "x" * 30_000_000,
        "a.b-" * 5_000_000,
        "Permission denied: '" * 1_000_000,
        "\n" * 10_000_000,
        "not ok 1 - x\n" * 1_000_000,
        "\x1b]0;" * 5_000_000,
        "connect to host " * 1_000_000,
        ": a" * 5_000_000,
    ],
    ids=["one line", "hosts", "quotes", "newlines", "tests", "escapes", "connects", "paths"],
)
def test_huge_output_takes_bounded_time(output: str) -> None:
    start = time.process_time()
    diagnose("failed", output, 1)
    diagnose(f"target {output}", output, 1)
    assert time.process_time() - start < 5
