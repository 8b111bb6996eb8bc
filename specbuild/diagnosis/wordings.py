"""The wordings by which failures tell what they are: patterns with bounded work on any output."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple


class Found(NamedTuple):
    """A wording that was found in the output."""

    kind: str
    facts: Mapping[str, str]  # named groups of the pattern, where they matched
    line: str  # the line that it stands on
    before: str  # what stands above it
    at: int


HEAD, TAIL, WIDTH = 8_000, 48_000, 600
"""How much of an output is looked at, in characters, and of each line of it."""

_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]{0,500}(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

_HOST = r"(?P<host>[A-Za-z0-9][\w.-]{0,252})"
_IP = r"(?P<host>[0-9A-Za-z.:-]{1,60})"
_PORT = r"(?P<port>\d{1,5})"
_NAME = r"""['"‘’“”`]?(?P<name>[\w@./+:-]{1,200}?)['"‘’“”`]?"""
_VERB = r"(?:cannot (?:create|open|touch|remove|stat) )?"
_BARE = r"(?P<path>[^\s:'‘’][^:\n'‘’]{0,400})"
_PATH = r"""['"‘’“”`](?P<path>[^'"‘’“”`\n]{1,400})['"‘’“”`]"""
_FULL = r"(?:[Nn]o space left on device|[Dd]isk quota exceeded)"

# kind -> wordings; what matches last in the output wins.
_WORDINGS: Mapping[str, Sequence[str]] = {
    "out-of-disk": (
        rf"{_PATH}(?: write error)?: {_FULL}",
        rf"(?:^|: )(?P<path>[^\s:'‘’]{{0,200}}/[^\s:'‘’]{{1,200}}): {_FULL}",
        rf"cannot create (?P<path>[^\n:'‘’]{{1,400}}): {_FULL}",
        rf"\b(?:open|write|close|mkdir|create|fsync) (?P<path>/[^\n:'‘’]{{1,400}}): {_FULL}",
        rf"(?:{_FULL}|ENOSPC|EDQUOT)(?:[^\n]{{0,60}}?{_PATH})?",
        r"\b(?:echo|printf): I/O error",  # dash on a full disk
        r"\[Errno 27\] File too large|\bFile size limit exceeded|\bEFBIG\b",
    ),
    "out-of-memory": (
        r"JavaScript heap out of memory|java\.lang\.OutOfMemoryError|runtime: out of memory",
        r"Cannot allocate memory|\bENOMEM\b|\bMemoryError\b|std::bad_alloc|virtual memory exhausted",
        r"memory allocation of \d+ bytes failed|^fatal: Out of memory|\bOut of memory\b",
    ),
    "port-in-use": (
        rf"EADDRINUSE[^\n]{{0,60}}?:{_PORT}\b",
        rf"listen (?:tcp|udp)[46]? [^\n]{{0,80}}?:{_PORT}: bind: address already in use",
        rf"[Pp]ort {_PORT}\b[^\n]{{0,40}}(?:already|is) (?:in use|allocated)",
        rf":{_PORT}[^\n]{{0,40}}port is already allocated",
        r"(?i:address already in use)|\bEADDRINUSE\b|port is already allocated",
    ),
    "dns": (
        rf"Could not resolve (?:host(?:name)?|proxy):? {_HOST}",
        rf"(?:ENOTFOUND|EAI_AGAIN) {_HOST}",
        rf"lookup {_HOST}(?: on [^\n]{{0,80}}?)?: (?:no such host|server misbehaving|i/o timeout)",
        rf"UnknownHostException: {_HOST}",
        rf"(?:Failed to resolve|Temporary failure resolving|resolve host address) ['‘\"]{_HOST}['’\"]",
        rf"could not translate host name \"{_HOST}\"",
        rf"^[\w/.-]{{1,60}}: {_HOST}: (?:Name or service not known|Temporary failure in name resolution)",
        r"Name or service not known|Temporary failure in name resolution|nodename nor servname provided",
        r"\bENOTFOUND\b|\bEAI_AGAIN\b|\bgaierror\b|No address associated with hostname",
    ),
    "tls": (
        r"CERTIFICATE_VERIFY_FAILED|SSL certificate problem|certificate verif(?:y|ication) failed",
        r"\bx509: |tls: failed to verify certificate|PKIX path building failed|SSLHandshakeException",
        r"DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        r"UNABLE_TO_GET_ISSUER_CERT\w*|CERT_HAS_EXPIRED|ERR_TLS_CERT_ALTNAME_INVALID|ERR_SSL_\w+",
        r"\[SSL: \w+\]|\bSSLError\b|curl: \((?:35|51|58|60|77)\)|wrong version number",
        r"(?i:self[- ]signed certificate|certificate has expired)",
    ),
    "connection-refused": (
        rf"Failed to connect to {_HOST} port {_PORT}",
        rf"connect to host {_HOST} port {_PORT}: Connection refused",
        rf"ECONNREFUSED \[?{_IP}\]?:{_PORT}\b",
        rf"dial (?:tcp|udp)[46]? \[?{_IP}\]?:{_PORT}: connect: connection refused",
        r"(?i:connection refused)|\bECONNREFUSED\b|Couldn't connect to server",
    ),
    "unreachable": (
        r"(?i:network is unreachable|no route to host)|\bENETUNREACH\b|\bEHOSTUNREACH\b",
        r"\bECONNRESET\b|(?i:connection reset by peer)",
    ),
    "timeout": (
        rf"connect to host {_HOST} port {_PORT}: (?:Connection|Operation) timed out",
        rf"ETIMEDOUT {_HOST}:{_PORT}\b",
        r"\bE(?:SOCKET)?TIMEDOUT\b|UND_ERR_(?:CONNECT|HEADERS|BODY)_TIMEOUT|SocketTimeoutException",
        r"(?i:(?:connection|operation|read|connect|request|handshake) timed[ -]?out|connection timeout)",
        r"\bi/o timeout\b|context deadline exceeded|Client\.Timeout exceeded|curl: \(28\)",
        r": timed out$|\bTimeoutError\b|\bTimeoutExpired\b|ReadTimeout\b|ConnectTimeout\b|Failed: Timeout >",
    ),
    "missing-module": (
        r"(?P<python>No module named) ['\"]?(?P<name>[\w.]{1,200})",
        r"(?P<python>ImportError): cannot import name ['\"](?P<name>\w{1,200})['\"]",
        r"(?P<node>Cannot find (?:module|package)) ['\"](?P<name>[^'\"\n]{1,400})['\"]",
        r"(?P<go>no required module provides package|cannot find package) \"?(?P<name>[\w./-]{1,200}[\w-])",
        r"(?P<java>ClassNotFoundException|NoClassDefFoundError): (?P<name>[\w./$]{1,200})",
        r"(?P<java>package) (?P<name>[\w.]{1,200}) does not exist",
        r"(?P<ruby>cannot load such file) -- (?P<name>[\w./-]{1,200})",
        r"(?P<perl>Can't locate) (?P<name>[\w/]{1,200})\.pm in @INC",
        r"(?P<c>fatal error): (?P<name>[\w./+-]{1,200}\.h(?:pp|h)?): No such file",
    ),
    "command-not-found": (
        rf"exec: {_NAME}: executable file not found",
        rf"\bspawn {_NAME} ENOENT",
        rf"command not found: {_NAME}$",
        rf"(?:^|: ){_NAME}: (?:command )?not found$",
        rf"\benv: {_NAME}: No such file or directory",
        rf"^make(?:\[\d+\])?: {_NAME}: No such file or directory",
        rf"_execute_child[^\0]{{0,700}}?FileNotFoundError: \[Errno 2\] [^\n:]{{1,40}}: {_NAME}$",
        rf"^(?:\S{{1,80}}: )?(?:line )?\d+: {_NAME}: (?:No such file or directory|cannot execute)",
    ),
    "host-key": (r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED",),
    "permission-denied": (
        rf"Permission denied[,:] (?:\w+ )?{_PATH}",
        r"(?P<ssh>Permission denied) \((?:publickey|password)[^)\n]{0,60}\)",
        r"(?P<login>Authentication failed|could not read (?:Username|Password)|401 Unauthorized)",
        r"(?P<login>403 Forbidden|HTTP Error 40[13]|[Ii]nvalid (?:API key|api[_-]key|x-api-key|credentials))",
        rf"(?P<readonly>Read-only file system|\bEROFS\b)(?:[^\n]{{0,40}}?{_PATH})?",
        rf"(?:\bEACCES\b|\bEPERM\b|Operation not permitted)[^\n]{{0,60}}?{_PATH}",
        r"AccessDeniedException: (?P<path>[^\n]{1,400})$",
        r"FileNotFoundException: (?P<path>[^\n]{1,400}) \(Permission denied\)",
        r"(?:open|mkdir|exec|unlink|stat|chmod) (?P<path>/[^\n:]{0,400}): permission denied",
        rf"(?:^|: ){_VERB}['‘]?{_BARE}['’]?: (?:Permission denied|Operation not permitted)",
        r"(?i:permission denied)|\bPermissionError\b|\bEACCES\b|\bEPERM\b",
    ),
    "test-failed": (
        r"^(?P<pytest>FAILED|ERROR) (?P<name>[^\s:]{1,300}\.py(?:::\S{1,300})?)",
        r"^(?:FAIL|ERROR): (?P<unittest>\w{1,200}) \(",
        r"^[ \t]{0,40}--- FAIL: (?P<go>[\w/]{1,200})",
        r"^test (?P<cargo>[\w:]{1,200}) \.\.\. FAILED",
        r"^[ \t]{0,40}not ok \d+ - (?P<node>[^\n#]{1,200})",
        r"^[ \t]{0,40}● (?P<jest>[^\n]{1,200})",
        r"^=+ [^\n]{0,80}?\b\d+ (?:failed|errors?)\b|^FAILED \((?:failures|errors)=|test result: FAILED",
        r"^(?:# |ℹ )fail [1-9]|^Tests:[ ]{1,20}\d+ failed|^[ ]{1,20}\d+ failing|^FAIL\s|✖ failing tests",
        r"Tests run: \d+, Failures: (?:[1-9]\d*|0, Errors: [1-9])|\d+ examples?, [1-9]\d* failures?",
    ),
}
_PATTERNS = {
    kind: tuple(re.compile(pattern, re.MULTILINE) for pattern in patterns)
    for kind, patterns in _WORDINGS.items()
}
_PLACES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"host='{_HOST}', port={_PORT}",
        rf"(?:host|to|at) \"?{_HOST}\"?(?: \([^)\n]{{0,60}}\))?,? port {_PORT}",
        rf"/dev/(?:tcp|udp)/{_HOST}/{_PORT}",
        rf"\b[a-z][a-z0-9+]{{1,12}}://(?:[^\s/@]{{1,80}}@)?{_HOST}(?::{_PORT})?",
        rf"\('{_HOST}', {_PORT}\)",
        rf"\b(?P<host>localhost|\d{{1,3}}(?:\.\d{{1,3}}){{3}}|[a-z0-9-]{{1,63}}(?:\.[a-z0-9-]{{1,63}}){{1,8}}):{_PORT}\b",
        r"\bhost(?:name)?[ =:]{1,3}['\"]?(?P<host>[A-Za-z0-9][\w.-]{0,252})",
        rf"\b[Pp]ort[ =:]{{1,3}}{_PORT}\b",
    )
)
_SOURCE_LINE = re.compile(r"\.(?:py|js|mjs|cjs|ts|tsx|go|java|rs|rb|c|h|cpp|sh|md|php|kt|toml)$")


def excerpt(text: str) -> str:
    """Head and tail of a text, without terminal escapes, its lines cut: bounded work for the patterns."""
    if len(text) > HEAD + TAIL:
        text = f"{text[:HEAD]}\n…\n{text[-TAIL:]}"
    text = _CONTROL.sub(lambda match: "\n" if match[0] == "\r" else "", _ESCAPE.sub("", text))
    return "\n".join(line[:WIDTH] for line in text.split("\n"))


def _matches(text: str, kind: str) -> Iterator[Found]:
    for pattern in _PATTERNS[kind]:
        for match in pattern.finditer(text):
            start = text.rfind("\n", 0, match.start()) + 1
            end = text.find("\n", match.end())
            end = len(text) if end < 0 else end
            facts = {name: value for name, value in match.groupdict().items() if value}
            yield Found(kind, facts, text[start:end], text[max(0, start - 4_000) : start], start)


def last(text: str, kind: str) -> Found | None:
    """The last wording of a kind."""
    return _last(_matches(text, kind))


def _last(found: Iterable[Found]) -> Found | None:
    """The last; on one line the earlier pattern's, and where it names nothing, what one above it names."""
    places = list(found)
    places.reverse()  # sorting is stable: of equals, the earlier pattern's comes last
    places.sort(key=lambda each: (each.at, bool(each.facts)))
    if not places:
        return None
    telling = next((each for each in reversed(places) if each.facts), places[-1])
    near = places[-1].at - telling.at < 4_000
    return telling._replace(at=places[-1].at) if near else places[-1]


_PYTEST_CAUSE = re.compile(r"^(?:E  |FAILED |ERROR )")


def by_wording(text: str) -> Found | None:
    """The wording that says most: the last one, save that a failed test steps back behind what broke it."""
    test = _first_test(text)
    causes = [
        found for kind in _PATTERNS if kind != "test-failed" for found in [_cause(text, kind, test)] if found
    ]
    return max(causes, key=lambda found: found.at, default=test)


def _cause(text: str, kind: str, test: Found | None) -> Found | None:
    if test is None:
        return last(text, kind)
    # In a log of tests, any wording may be what a test expects: only errors that pytest shows count.
    return _last(
        found
        for found in _matches(text, kind)
        if _PYTEST_CAUSE.match(found.line) and "assert" not in found.line.lower()
    )


def _first_test(text: str) -> Found | None:
    """A failed test: the first that has a name."""
    return min(_matches(text, "test-failed"), key=lambda found: (not found.facts, found.at), default=None)


def place(found: Found) -> tuple[str, str]:
    """Host and port, each empty where the output names none: on the line itself, else the nearest above."""
    host, port = found.facts.get("host", ""), found.facts.get("port", "")
    for area in (found.line, found.before):
        for pattern in _PLACES:
            for match in reversed(list(pattern.finditer(area))):
                if host and port:
                    return host.rstrip("."), port
                groups = match.groupdict()
                other, number = groups.get("host") or "", groups.get("port") or ""
                if _SOURCE_LINE.search(other) or (number and not 0 < int(number) < 65536):
                    continue
                if not host or (not port and other in ("", host)):
                    host, port = host or other, port or number
    return host.rstrip("."), port


def unnamed(kind: str, text: str) -> Found:
    """A failure that only its exit code tells of."""
    return Found(kind, {}, "", text[-600:], 0)
