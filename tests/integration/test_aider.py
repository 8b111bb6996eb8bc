"""A real agent, aider, against a small OpenAI-compatible server on the loopback address; no account, no key.

Needs aider in an environment of its own (700 MB, a minute):

    python3 -m venv .cache/aider && .cache/aider/bin/pip install aider-chat==0.86.2
    .venv/bin/pytest -q -m external tests/integration/test_aider.py
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from repositories import ROOT, Workshop, workshops

AIDER = ROOT / ".cache" / "aider" / "bin" / "aider"
pytestmark = [pytest.mark.external, pytest.mark.timeout(300)]

CONFIG = """
[build]
executor = "agent"

[executor.agent]
preset = "aider"
model = "openai/fake"
args = [
    "--weak-model", "openai/fake", "--openai-api-base", "{url}", "--openai-api-key", "dummy",
    "--edit-format", "diff", "--map-tokens", "0",
]

[[rule]]
timeout = "120s"
"""
EDIT = """I write the greeting.

hello.py
```python
<<<<<<< SEARCH
=======
print("hello")
>>>>>>> REPLACE
```
"""


class Server:
    """Answers every chat with one text, or refuses every one; remembers what it was asked."""

    def __init__(self, answer: str | int) -> None:
        self.answer = answer
        self.asked: list[Any] = []

    @contextmanager
    def running(self) -> Iterator[str]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                if isinstance(outer.answer, int):
                    self.reply(
                        outer.answer, {"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}
                    )
                else:
                    self.reply(200, completion(outer.answer))

            def reply(self, status: int, document: Any) -> None:
                data = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the library's word)
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def completion(text: str) -> Any:
    message = {"role": "assistant", "content": text}
    return {
        "id": "1", "object": "chat.completion", "created": 1, "model": "fake",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 2000, "completion_tokens": 40, "total_tokens": 2040},
    }  # fmt: skip


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Workshop]]:
    if not AIDER.exists():
        pytest.skip("aider is not set up; the head of this file says how")
    with workshops(tmp_path) as made:
        yield made


def variables() -> dict[str, str]:
    """aider first on PATH; the library below it asks nobody for prices."""
    import os

    return {
        "PATH": f"{AIDER.parent}{os.pathsep}{os.environ['PATH']}",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "AIDER_ANALYTICS": "false",
    }


def test_aider_does_a_task_and_its_edit_is_a_checkpoint(make: Callable[..., Workshop]) -> None:
    server = Server(EDIT)
    with server.running() as url:
        shop = make("- [ ] T001 Write a greeting in hello.py\n", config=CONFIG.format(url=url))
        done = shop.process("run", **variables())
    assert done.code == 0, done.out + done.err
    assert shop.git("show", "HEAD:hello.py") == 'print("hello")'
    assert shop.text("hello.py") == 'print("hello")\n'
    assert shop.git("show", "HEAD:tasks.md") == "- [x] T001 Write a greeting in hello.py"
    assert shop.subjects() == ["T001 Write a greeting in hello.py", "start"]
    assert shop.git("show", "--format=", "--name-only", "HEAD").split() == ["hello.py", "tasks.md"]
    assert shop.status() == ""
    prompt = json.dumps(server.asked[0]["messages"])
    assert "Task T001 of tasks.md: Write a greeting in hello.py" in prompt
    assert "Agents: " in done.err
    assert shop.stale() == []


def test_a_server_that_refuses_aider_makes_the_task_fail_though_aider_ends_with_0(
    make: Callable[..., Workshop],
) -> None:
    server = Server(401)
    with server.running() as url:
        shop = make("- [ ] T001 Write a greeting in hello.py\n", config=CONFIG.format(url=url))
        done = shop.process("run", **variables())
    assert server.asked, done.err
    assert done.code == 1, done.out + done.err
    assert "Error: the agent reports: litellm.AuthenticationError" in done.err
    assert shop.text("hello.py") is None
    assert shop.subjects() == ["start"]
    assert shop.status() == ""
    assert shop.stale() == ["T001"]
