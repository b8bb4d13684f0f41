"""Events on their way to the program: what nobody reads is kept as it came, and no more of it than is bounded."""

import json
import tracemalloc
from collections.abc import Callable

import pytest

from sfclient import Connected, DeviceLost, MessageReceived
from sfclient._dialects import PassOn
from sfclient._event_queue import UNREAD_BYTES, EventQueue
from sfclient._secrets import Secrets

EMPTY_LISTS = ", ".join(["[]"] * 12_000)
MOST_TRACED = UNREAD_BYTES + (300 << 10)  # with the queue itself, and what is kept for each of 1000


async def test_text_is_hidden_and_parsed_when_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def parse(text: str) -> None:
        done.append("parsed")

    def hide(text: str) -> str:
        done.append("hidden")
        return "***"

    monkeypatch.setattr("sfclient._event_queue.json_object", parse)
    queue = EventQueue()
    queue.pass_on(PassOn("tok-73ab"), hide, 0.0)
    assert done == []
    assert await queue.receive() == MessageReceived("***", None)
    assert done == ["parsed", "hidden", "parsed"]


async def test_secret_that_is_known_only_later_is_hidden_too() -> None:
    secrets = Secrets()
    queue = EventQueue()
    queue.pass_on(PassOn('{"url": "wss:\\/\\/a\\/tok\\u002d73ab"}'), secrets.hidden, 0.0)
    secrets.add("tok-73ab")
    told = {"url": "wss://a/***"}
    assert await queue.receive() == MessageReceived(json.dumps(told), told)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": "tok\\u002d73ab", "a": "b"}',
        '["tok\\u002d73ab"]',
        '{"a": "tok\\u002d73ab", "b": 1' + "0" * 5000 + "}",
        '{"a": "tok\\u002d73ab',
    ],
    ids=["replaced", "list", "unreadable number", "incomplete"],
)
async def test_secret_that_json_hides_is_hidden_wherever_it_is(text: str) -> None:
    queue = EventQueue()
    queue.pass_on(PassOn(text), Secrets("tok-73ab").hidden, 0.0)
    event = await queue.receive()
    assert isinstance(event, MessageReceived)
    assert "73ab" not in event.text
    assert "73ab" not in str(event.fields)


async def test_order_is_kept_among_texts_and_other_events() -> None:
    queue = EventQueue()
    for number in range(3):
        queue.pass_on(PassOn(f'{{"n": {number}}}'), str, 0.0)
        queue.tell(DeviceLost())
    events = [await queue.receive() for _ in range(6)]
    assert events[::2] == [MessageReceived(f'{{"n": {n}}}', {"n": n}) for n in range(3)]
    assert events[1::2] == [DeviceLost()] * 3


async def test_text_that_was_cut_says_so_and_is_not_looked_into() -> None:
    queue = EventQueue()
    queue.pass_on(PassOn("{}", 7), str, 0.0)
    assert await queue.receive() == MessageReceived("{}", None, 7)


@pytest.mark.parametrize("text", ["\N{GRINNING FACE}" * 9, "schön", "\ud83d, half of a pair", ""])
async def test_any_text_comes_as_it_is(text: str) -> None:
    queue = EventQueue()
    queue.pass_on(PassOn(text), str, 0.0)
    assert await queue.receive() == MessageReceived(text, None)


@pytest.mark.parametrize(
    ("letter", "fit"), [("x", 16), ("ü", 8), ("\N{GRINNING FACE}", 4)], ids=["1", "2", "4 bytes"]
)
async def test_unread_texts_are_bounded_by_their_bytes(letter: str, fit: int) -> None:
    queue = EventQueue()
    for _ in range(20):
        queue.pass_on(PassOn(letter * (1 << 16)), str, 0.0)
    assert queue.dropped_events == 20 - fit
    queue.tell(Connected())  # of which there are few
    assert queue.dropped_events == 20 - fit
    for _ in range(fit):
        assert await queue.receive() == MessageReceived(letter * (1 << 16), None)
        queue.pass_on(PassOn(letter * (1 << 16)), str, 0.0)  # there is room again
    assert queue.dropped_events == 20 - fit


@pytest.mark.parametrize(
    "text",
    [
        lambda n: f'{{"n": {n}, "a": [{EMPTY_LISTS}]}}',  # parsed, it is 16 times as much
        lambda n: f"\N{GRINNING FACE}{n:050000}",  # in a str, 4 bytes a character
        lambda n: f"{n:01000}",
    ],
    ids=["objects", "wide", "many"],
)
def test_unread_texts_take_no_more_memory_than_their_bytes(text: Callable[[int], str]) -> None:
    queue = EventQueue()
    tracemalloc.start()
    for number in range(1100):
        queue.pass_on(PassOn(text(number)), str, 0.0)
    traced, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert queue.dropped_events >= 100
    assert traced < MOST_TRACED
