"""What to say of each kind of failure: a summary that names names, causes, and lines to paste."""

import posixpath
import re
import shlex
from collections.abc import Callable, Mapping
from typing import NamedTuple

from specbuild.diagnosis.wordings import Found, place


class Diagnosis(NamedTuple):
    """What a failure may be; `fixes` are lines to paste into a shell, some with a remark behind `#`."""

    kind: str
    summary: str
    causes: tuple[str, ...]
    fixes: tuple[str, ...]


_SERVICES = {
    "22": "ssh",
    "25": "SMTP",
    "80": "HTTP",
    "443": "HTTPS",
    "465": "SMTP",
    "587": "SMTP",
    "2375": "Docker",
    "3306": "MySQL",
    "5432": "PostgreSQL",
    "5672": "RabbitMQ",
    "6379": "Redis",
    "9092": "Kafka",
    "9200": "Elasticsearch",
    "11211": "memcached",
    "27017": "MongoDB",
}
_ASK = {"5432": "pg_isready -h {host} -p {port}", "6379": "redis-cli -h {host} -p {port} ping"}

SIGNALS = {
    1: ("terminated", "SIGHUP"),
    2: ("terminated", "SIGINT"),
    4: ("crashed", "SIGILL, an illegal instruction"),
    6: ("crashed", "SIGABRT, abort()"),
    7: ("crashed", "SIGBUS"),
    8: ("crashed", "SIGFPE"),
    9: ("out-of-memory", "SIGKILL"),
    11: ("crashed", "SIGSEGV, a segmentation fault"),
    15: ("terminated", "SIGTERM"),
    24: ("timeout", "SIGXCPU"),
    25: ("out-of-disk", "SIGXFSZ"),
}

_UNMADE = re.compile(
    r"did not (?:make|produce|create) (?P<one>[^\n,]{1,400})"
    r"|[`'\"](?P<quoted>[^`'\"\n]{1,400})[`'\"]"
    r"|(?P<bare>(?<![\w/])(?:[\w.@+-]{1,100}/){0,20}[\w@+-]{1,100}\.\w{1,10})\b"
)


def _at(host: str, port: str) -> str:
    service = f" ({_SERVICES[port]}'s port)" if port in _SERVICES else ""
    if host and port:
        return f"{f'[{host}]' if ':' in host else host}:{port}{service}"
    return host or (f"port {port}{service}" if port else "the other side")


def _refused(found: Found) -> Diagnosis:
    host, port = place(found)
    host_word, port_word = host or "HOST", port or "PORT"
    fixes = [f"nc -vz {host_word} {port_word}"]
    if port in _ASK:
        fixes.append(_ASK[port].format(host=host_word, port=port_word))
    if not host or host in ("localhost", "::1") or host.startswith("127."):
        fixes.append(f"ss -ltn 'sport = :{port}'" if port else "ss -ltn")
    return Diagnosis(
        "connection-refused",
        f"connection refused: nothing listens at {_at(host, port)}",
        (
            "the server is not running, or still starting",
            "host or port is not the one that it listens at (look in .env and configuration)",
            "a firewall refuses the connection",
        ),
        tuple(fixes),
    )


def _unreachable(found: Found) -> Diagnosis:
    host, port = place(found)
    return Diagnosis(
        "unreachable",
        f"no connection to {_at(host, port)}",
        ("the network or a VPN is down", "a firewall or proxy cuts the connection", "the server went away"),
        (f"ping -c 3 {host or 'HOST'}", f"nc -vz {host or 'HOST'} {port or 'PORT'}"),
    )


def _dns(found: Found) -> Diagnosis:
    host, _ = place(found)
    return Diagnosis(
        "dns",
        f"the name {host} cannot be resolved" if host else "a host name cannot be resolved",
        (
            "the name is misspelt",
            "there is no network, or its name server does not answer",
            "a VPN is needed",
        ),
        (f"getent hosts {host or 'HOST'}", "cat /etc/resolv.conf"),
    )


def _tls(found: Found) -> Diagnosis:
    host, port = place(found)
    line = found.line.lower()
    if "self" in line and "signed" in line:
        why = "its certificate is signed by itself"
    elif "expired" in line:
        why = "its certificate has expired, or the clock here is wrong"
    elif "wrong version" in line or "wrong_version" in line:
        why = "what answers there does not speak TLS"
    else:
        why = "its certificate is not trusted here"
    return Diagnosis(
        "tls",
        f"no secure connection to {_at(host, port)}: {why}",
        (
            "the authority that signed it is not among the trusted ones (a company's proxy?)",
            "the certificate is for another host name",
            "the clock is wrong, or the certificate has expired",
        ),
        (
            f"openssl s_client -connect {host or 'HOST'}:{port or '443'} </dev/null",
            "export SSL_CERT_FILE=/path/to/ca.pem NODE_EXTRA_CA_CERTS=/path/to/ca.pem  # your authority's",
            "date",
        ),
    )


def _host_key(found: Found) -> Diagnosis:
    host, _ = place(found)
    return Diagnosis(
        "host-key",
        f"ssh does not know the key of {host or 'the host'}",
        ("it was never connected to from here", "the host was installed anew", "somebody stands between"),
        (f"ssh {host or 'HOST'}  # look at the fingerprint before you answer yes",),
    )


def _network_timeout(found: Found) -> Diagnosis:
    host, port = place(found)
    return Diagnosis(
        "timeout",
        f"no answer in time from {_at(host, port)}",
        ("the server is down, overloaded or slow", "a firewall drops the packets", "the time limit is short"),
        (f"nc -vz -w 5 {host or 'HOST'} {port or 'PORT'}", f"ping -c 3 {host or 'HOST'}"),
    )


def of_timeout() -> Diagnosis:
    return Diagnosis(
        "timeout",
        "it took longer than its timeout",
        (
            "it waits for input, a lock or the network",
            "it is slow, or hangs in a loop",
            "the timeout is too short for this machine",
        ),
        ('timeout = "1h"  # in [build] or the [[rule]] of specbuild.toml', "- timeout: 1h  # or in the body"),
    )


def _command(found: Found) -> Diagnosis:
    name = found.facts.get("name", "")
    word = shlex.quote(name) if name else "COMMAND"
    fixes = [f"command -v {word}"]
    if "/" in name:
        fixes = [f"ls -l {word}", f"head -n 1 {word}  # is its interpreter there?"]
    elif name in ("jest", "mocha", "tsc", "eslint", "vitest", "prettier", "vite", "next"):
        fixes.append(f"npm install && npx {word}")
    elif name in ("pytest", "ruff", "mypy", "black", "coverage", "flake8", "tox"):
        fixes.append(f"python3 -m pip install {word}")
    elif name == "python":
        fixes.append("command -v python3")
    return Diagnosis(
        "command-not-found",
        f"the command {name} is not there" if name else "a command is not there",
        ("it is not installed", "it is installed where PATH does not lead", "its name is misspelt"),
        (*fixes, 'echo "$PATH"'),
    )


def _permission(found: Found) -> Diagnosis:
    facts, path = found.facts, found.facts.get("path", "")
    word = shlex.quote(path) if path else "PATH"
    if "ssh" in facts:
        return Diagnosis(
            "permission-denied",
            "permission denied: ssh's login was refused",
            ("the key is not known there", "no key is loaded here", "it is another user's name there"),
            ("ssh-add -l", f"ssh -v {place(found)[0] or 'HOST'} true"),
        )
    if "login" in facts:
        return Diagnosis(
            "permission-denied",
            f"permission denied: credentials were refused ({facts['login']})",
            ("a token or password is missing, wrong or expired", "the account lacks this right"),
            ("env | cut -d= -f1 | grep -i -E 'token|key|secret|password'  # which are set",),
        )
    if "readonly" in facts:
        return Diagnosis(
            "permission-denied",
            f"the file system of {path} is read-only" if path else "a file system is read-only",
            ("it is mounted read-only", "the disk had errors"),
            (f"findmnt -T {word if path else '.'}",),
        )
    return Diagnosis(
        "permission-denied",
        f"permission denied: {path}" if path else "permission denied",
        ("the file belongs to another user", "its mode forbids it", "a script lacks the executable bit"),
        (f"ls -ld {word}", f"chmod +x {word}  # a script", f"chmod u+rw {word}  # a file", "id"),
    )


def _memory(found: Found) -> Diagnosis:
    fixes = ["free -h", "ulimit -a", "specbuild -j 1  # fewer tasks at once"]
    if "heap" in found.line and "JavaScript" in found.line:
        fixes.insert(0, "export NODE_OPTIONS=--max-old-space-size=4096")
    elif "java.lang" in found.line:
        fixes.insert(0, "export JAVA_TOOL_OPTIONS=-Xmx4g")
    return Diagnosis(
        "out-of-memory",
        "out of memory",
        ("it needs more memory than there is", "a limit (ulimit, container) is too low", "a leak, or a loop"),
        tuple(fixes),
    )


def _disk(found: Found) -> Diagnosis:
    path = found.facts.get("path", "")
    # What a failed task made is gone again, and df wants something that is there.
    word = shlex.quote(posixpath.dirname(path)) if path.startswith("/") else "."
    if "watchers" in found.line:
        return Diagnosis(
            "out-of-disk",
            "too many files are watched",
            ("the kernel's limit of file watchers is reached",),
            ("sudo sysctl fs.inotify.max_user_watches=524288",),
        )
    if "ile too large" in found.line or "ile size limit" in found.line or "EFBIG" in found.line:
        return _file_limit()
    return Diagnosis(
        "out-of-disk",
        f"no space left for {path}" if path else "no space left on the disk",
        ("the disk is full", "it has no inodes left", "a quota is reached"),
        (f"df -h {word}", f"df -i {word}", "du -xsh .[!.]* * | sort -h | tail"),
    )


def _file_limit() -> Diagnosis:
    return Diagnosis(
        "out-of-disk",
        "a file grew beyond the limit of file sizes",
        ("ulimit -f is set", "a loop writes without end"),
        ("ulimit -f", "ulimit -f unlimited"),
    )


def _module(found: Found) -> Diagnosis:
    facts, name = found.facts, found.facts.get("name", "")
    local = name.startswith((".", "/"))
    first = shlex.quote(name if name.startswith("@") else name.split("." if "python" in facts else "/")[0])
    fixes: tuple[str, ...]
    if "python" in facts:
        fixes = (
            f"python3 -m pip install {first}",
            'python3 -c "import sys; print(sys.executable, sys.path)"',
        )
    elif "node" in facts:
        scoped = "/".join(name.split("/")[:2]) if name.startswith("@") else name.split("/")[0]
        fixes = (
            (f"ls -l {shlex.quote(name)}*",) if local else (f"npm install {shlex.quote(scoped)}", "npm ci")
        )
    elif "go" in facts:
        fixes = (f"go get {shlex.quote(name)}", "go mod tidy")
    elif "ruby" in facts:
        fixes = (f"gem install {first}", "bundle install")
    elif "perl" in facts:
        fixes = (f"cpan {shlex.quote(name.replace('/', '::'))}",)
    elif "c" in facts:
        fixes = (f"apt-file search {shlex.quote(name)}",)
    else:
        fixes = ("java -version", 'echo "$CLASSPATH"')
    return Diagnosis(
        "missing-module",
        f"the module {name} is missing",
        (
            "an earlier task should make it, and has not"
            if local
            else "it is not installed in this environment",
            "another interpreter or environment runs than the one you installed into",
            "its name is misspelt",
        ),
        fixes,
    )


def _port(found: Found) -> Diagnosis:
    port = place(found)[1]
    return Diagnosis(
        "port-in-use",
        f"port {port} is already in use" if port else "a port is already in use",
        (
            "an earlier run of the server still lives",
            "another program uses the port",
            "two tasks use the same",
        ),
        (f"ss -ltnp 'sport = :{port}'", f"lsof -i :{port}") if port else ("ss -ltnp",),
    )


def _test(found: Found) -> Diagnosis:
    facts = found.facts
    runners: Mapping[str, str] = {
        "unittest": "python3 -m unittest -k {}",
        "go": "go test -run {} ./...",
        "cargo": "cargo test {}",
        "node": "node --test --test-name-pattern={}",
        "jest": "npx jest -t {}",
    }
    runner = next((name for name in runners if name in facts), None)
    name = facts.get("name", "") or (facts[runner].strip() if runner else "")
    again: tuple[str, ...] = ()
    if runner:
        again = (runners[runner].format(shlex.quote(name)),)
    elif name:
        again = (f"pytest -x {shlex.quote(name)}",)
    return Diagnosis(
        "test-failed",
        f"a test failed: {name}" if name else "tests failed",
        ("the code that it tests is wrong", "the test expects what is no longer meant"),
        again,
    )


def of_target(message: str) -> Diagnosis:
    named = _UNMADE.search(message)
    path = named[named.lastgroup or 0].strip("`'\"") if named else ""
    folder = shlex.quote(path.rpartition("/")[0] or ".")
    return Diagnosis(
        "target-not-produced",
        f"it ended, but {path} is not as promised" if path else "it ended, but changed nothing",
        (
            "the recipe writes to another path or folder than the task's target",
            "it failed without saying so by its exit code",
            "the target that the task's text or rule names is not the one that is meant",
        ),
        (f"ls -la {folder}", "specbuild lint  # which targets were understood"),
    )


def by_signal(signal: int) -> Diagnosis:
    kind, name = SIGNALS[signal]
    if kind == "out-of-disk":
        return _file_limit()
    if kind == "timeout":
        return Diagnosis(
            "timeout", f"it used up its processor time ({name})", ("ulimit -t is set",), ("ulimit -t",)
        )
    if kind == "out-of-memory":
        return Diagnosis(
            kind,
            f"it was killed ({name}), most often for want of memory",
            ("the kernel or a container killed it when memory ran out", "a person or a limit killed it"),
            ("dmesg | tail  # does it name an out-of-memory kill?", "free -h", "specbuild -j 1"),
        )
    if kind == "crashed":
        return Diagnosis(
            kind,
            f"it crashed ({name})",
            (
                "a bug in the program or one of its native libraries",
                "its stack overflowed (endless recursion)",
            ),
            ("ulimit -c unlimited  # then run it again for a core file",),
        )
    return Diagnosis(kind, f"it was ended from outside ({name})", ("somebody or something stopped it",), ())


_EXPLAIN: Mapping[str, Callable[[Found], Diagnosis]] = {
    "out-of-disk": _disk,
    "out-of-memory": _memory,
    "port-in-use": _port,
    "dns": _dns,
    "tls": _tls,
    "host-key": _host_key,
    "connection-refused": _refused,
    "unreachable": _unreachable,
    "timeout": _network_timeout,
    "missing-module": _module,
    "command-not-found": _command,
    "permission-denied": _permission,
    "test-failed": _test,
}


def explain(found: Found) -> Diagnosis:
    return _EXPLAIN[found.kind](found)
