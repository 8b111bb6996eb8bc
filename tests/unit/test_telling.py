"""Events of several threads, told to all listeners in one order."""

import threading
import time
from collections.abc import Callable

from specbuild.cli.telling import Telling
from specbuild.engine.events import Event, Warned


def said(events: list[Event]) -> list[str]:
    return [event.message for event in events if isinstance(event, Warned)]


def test_listeners_are_told_in_their_order_and_at_once() -> None:
    told: list[str] = []
    tell = Telling([lambda _: told.append("first"), lambda _: told.append("second")])
    tell(Warned("a"))
    assert told == ["first", "second"]


def test_of_many_threads_each_listener_hears_the_same_order_and_one_event_at_a_time() -> None:
    first: list[Event] = []
    second: list[Event] = []
    busy = threading.Lock()

    def slow(event: Event) -> None:
        assert busy.acquire(blocking=False)
        first.append(event)
        time.sleep(0.0002)
        busy.release()

    tell = Telling([slow, second.append])

    def speak(name: str, *, wait: bool) -> None:
        for number in range(50):
            tell(Warned(f"{name}{number}"), wait=wait)

    threads = [threading.Thread(target=speak, args=(name,), kwargs={"wait": name in "ab"}) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert first == second
    assert len(first) == 200
    for name in "abcd":
        assert [word for word in said(first) if word[0] == name] == [f"{name}{n}" for n in range(50)]


def test_what_a_listener_says_comes_after_what_it_is_told() -> None:
    heard: list[Event] = []

    def echo(event: Event) -> None:
        if isinstance(event, Warned) and event.message == "a":
            tell(Warned("b"))

    tell = Telling([echo, heard.append])
    tell(Warned("a"))
    assert said(heard) == ["a", "b"]


def test_a_thread_that_a_listener_waits_for_is_not_held_up() -> None:
    heard: list[Event] = []

    def asks(event: Event) -> None:
        if isinstance(event, Warned) and event.message == "question":
            thread = threading.Thread(target=tell, args=(Warned("answer"),), kwargs={"wait": False})
            thread.start()
            thread.join(10)
            assert not thread.is_alive()

    tell = Telling([asks, heard.append])
    tell(Warned("question"))
    assert said(heard) == ["question", "answer"]


def test_who_waits_returns_only_when_its_event_was_told() -> None:
    heard: list[Event] = []
    begun, go_on = threading.Event(), threading.Event()

    def holds(event: Event) -> None:
        if isinstance(event, Warned) and event.message == "long":
            begun.set()
            assert go_on.wait(10)
        heard.append(event)

    tell: Callable[[Event], None] = Telling([holds])
    telling = threading.Thread(target=tell, args=(Warned("long"),))
    telling.start()
    assert begun.wait(10)
    threading.Timer(0.05, go_on.set).start()
    tell(Warned("short"))
    assert said(heard) == ["long", "short"]
    telling.join()


def test_after_a_listener_that_fails_the_next_event_is_told_again() -> None:
    heard: list[Event] = []

    def fails(event: Event) -> None:
        if isinstance(event, Warned) and event.message == "bad":
            raise ValueError

    tell = Telling([fails, heard.append])
    try:
        tell(Warned("bad"))
    except ValueError:
        tell(Warned("good"))
    assert said(heard) == ["good"]
