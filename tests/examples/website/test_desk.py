"""Sessions and starts, asked for as a page, a rude visitor, or another website would."""

import asyncio
import json
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import pytest
import trio

from sfclient import Audio, Session, StartedCall, open_call
from sfclient.simulator import EchoAgent
from website import Rate, app, website

from ...sfclient.conftest import BASE_URL, START, UnhurriedClock
from .conftest import SITE, Visited, visit

TOKEN = "GET /websocket/token/agent"
SECRET = "a-key-of-the-owner-42"


async def test_a_visitor_gets_a_session_and_holds_a_call(
    dialect: str, fast_clock: UnhurriedClock
) -> None:
    async with visit(dialect, serve={"agent": EchoAgent()}) as visited:
        answered = await visited.post("/session")
        assert answered.status_code == 200
        assert answered.headers["Cache-Control"] == "no-store"
        told = answered.json()
        assert set(told) == {"dialect", "url", "codec", "framing", "handle"}

        async def start_call(server_name: str) -> StartedCall:
            posted = {"handle": told["handle"], "server_name": server_name}
            return StartedCall(**(await visited.post("/start", posted)).json())

        session = Session(told["url"], told["dialect"], told["codec"], told["framing"], start_call)
        async with open_call(session, Audio("none", "none")) as call:
            while not call.connected:
                await anext(call)
        assert len(visited.simulator.calls) == 1


async def test_a_handle_starts_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    async with visit("ws-media") as visited:
        handle = (await visited.post("/session")).json()["handle"]
        posted = {"handle": handle, "server_name": "nobody"}
        answers = [await visited.post("/start", posted) for _ in range(3)]
        assert [answered.status_code for answered in answers[1:]] == [410, 410]
        assert answers[1].json()["error"] == "handle_used"
        assert visited.simulator.requests[START] == 1

        late = (await visited.post("/session")).json()["handle"]
        now = app.time.monotonic()
        monkeypatch.setattr(app.time, "monotonic", lambda: now + 61)
        answered = await visited.post("/start", {"handle": late, "server_name": "nobody"})
        assert answered.status_code == 410
        assert visited.simulator.requests[START] == 1


async def test_two_starts_at_once_start_one_call() -> None:
    async with visit("ws-media") as visited:
        handle = (await visited.post("/session")).json()["handle"]
        posted = {"handle": handle, "server_name": "nobody"}
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(visited.post, "/start", posted)
        assert visited.simulator.requests[START] == 1


async def test_who_asks_for_a_hundred_sessions_at_once_gets_five() -> None:
    answers: list[httpx.Response] = []

    async def ask() -> None:
        answers.append(await visited.post("/session"))

    async with visit() as visited:
        async with trio.open_nursery() as nursery:
            for _ in range(100):
                nursery.start_soon(ask)
        statuses = sorted(answered.status_code for answered in answers)
        assert statuses == [200] * 5 + [429] * 95
        assert visited.simulator.requests[TOKEN] == 5
        refused = await visited.post("/session")
        assert refused.json()["error"] == "too_many_requests"
        assert refused.headers["Cache-Control"] == "no-store"
        assert 11 <= int(refused.headers["Retry-After"]) == refused.json()["retry_after"] <= 12
        assert (await visited.post("/session", by="192.0.2.2")).status_code == 200


async def test_all_visitors_together_are_limited_too() -> None:
    async with visit(in_all=Rate(2, 60)) as visited:
        answers = [await visited.post("/session", by=f"192.0.2.{n}") for n in range(4)]
        assert [answered.status_code for answered in answers] == [200, 200, 429, 429]
        assert answers[-1].json()["error"] == "busy"
        assert "Retry-After" in answers[-1].headers


@pytest.mark.parametrize("path", ["/session", "/start"])
@pytest.mark.parametrize(
    ("origin", "allowed", "status"),
    [
        (SITE, None, 200),
        ("http://site.example", None, 200),  # as behind a proxy that ends TLS
        ("https://evil.example", None, 403),
        ("https://site.example.evil.example", None, 403),
        ("https://site.example:8443", None, 403),
        ("null", None, 403),
        ("", None, 403),
        (None, None, 403),
        ("https://other.example", ["https://other.example"], 200),
        (SITE, ["https://other.example"], 403),
        ("http://other.example", ["https://other.example"], 403),
        (None, ["https://other.example"], 403),
    ],
)
async def test_only_pages_of_the_website_may_ask(
    path: str, origin: str | None, allowed: list[str] | None, status: int
) -> None:
    async with visit(origins=allowed) as visited:
        answered = await visited.post(path, headers={"Origin": origin})
        if path == "/start" and status == 200:
            status = 400  # as there is no handle in it
        assert answered.status_code == status
        if status == 403:
            assert answered.json()["error"] == "wrong_origin"
            assert not visited.simulator.requests


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        ({"headers": {"Content-Type": "text/plain"}}, 415, "wrong_type"),
        ({"headers": {"Content-Type": None}, "content": b"{}"}, 415, "wrong_type"),
        ({"content": b"x" * 5000}, 413, "too_large"),
        ({"content": b"x" * 4096}, 400, "bad_request"),
        ({"content": b"{"}, 400, "bad_request"),
        ({"content": b""}, 400, "bad_request"),
        ({"content": b"[" * 4096}, 400, "bad_request"),
        ({"content": b"\xff\xfe"}, 400, "bad_request"),
        ({"json": []}, 400, "bad_request"),
        ({"json": "text"}, 400, "bad_request"),
        ({"json": None}, 400, "bad_request"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*ByteStream")  # of httpx, which the app has not read on
@pytest.mark.parametrize("path", ["/session", "/start"])
async def test_what_is_no_json_object_is_refused(
    path: str, request_: dict[str, Any], status: int, code: str
) -> None:
    async with visit() as visited:
        answered = await visited.post(path, **request_)
        assert (answered.status_code, answered.json()["error"]) == (status, code)
        assert not visited.simulator.requests


@pytest.mark.parametrize(
    "posted",
    [
        {},
        {"handle": "x"},
        {"server_name": "x"},
        {"handle": 1, "server_name": "x"},
        {"handle": None, "server_name": "x"},
        {"handle": "HANDLE", "server_name": ""},
        {"handle": "HANDLE", "server_name": ["x"]},
        {"handle": "HANDLE", "server_name": "a\nb"},
        {"handle": "HANDLE", "server_name": "\ud800"},
    ],
)
async def test_a_start_that_lacks_something_uses_no_handle(posted: dict[str, Any]) -> None:
    async with visit("ws-media") as visited:
        handle = (await visited.post("/session")).json()["handle"]
        if posted.get("handle") == "HANDLE":
            posted = {**posted, "handle": handle}
        body = json.dumps(posted).encode()
        answered = await visited.post("/start", content=body)
        assert (answered.status_code, answered.json()["error"]) == (400, "bad_request")
        answered = await visited.post("/start", {"handle": handle, "server_name": "nobody"})
        assert answered.json().get("error") != "handle_used"


@pytest.mark.parametrize("guess", ["", "x", "\ud800", "a" * 2000])
async def test_a_handle_that_was_guessed_starts_nothing(guess: str) -> None:
    async with visit("ws-media") as visited:
        await visited.post("/session")
        body = json.dumps({"handle": guess, "server_name": "x"}).encode()
        assert (await visited.post("/start", content=body)).status_code == 410
        assert not visited.simulator.requests[START]


async def test_a_body_that_does_not_come_is_not_waited_for(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def dribble() -> Any:
        while True:
            yield b" "
            await trio.sleep(1)

    async with visit() as visited:
        answered = await visited.post("/session", content=dribble())
        assert (answered.status_code, answered.json()["error"]) == (408, "too_slow")


REFUSED = {"error": f"the key {SECRET} is bad"}


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (401, 500, "out_of_order"),
        (403, 500, "out_of_order"),
        (404, 500, "out_of_order"),
        (402, 500, "out_of_order"),
        (429, 503, "service_busy"),
        (503, 503, "service_busy"),
        (500, 502, "unavailable"),
        (502, 502, "unavailable"),
        (200, 502, "unavailable"),  # and no session in it
    ],
)
async def test_a_service_that_refuses_is_told_without_its_words(
    dialect: str, status: int, code: int, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    if dialect == "ws-media" and status == 404:
        told, code = "unavailable", 502  # of this question it knows no agent that could be unknown
    route = TOKEN if dialect == "widget" else BASE_URL
    serve = {"answers": {route: (status, REFUSED)}, "key": SECRET}
    async with visit(dialect, serve=serve) as visited:
        answered = await visited.post("/session")
    assert (answered.status_code, answered.json()["error"]) == (code, told)
    assert SECRET not in answered.text + str(answered.headers)
    assert "key" not in answered.text
    assert SECRET not in caplog.text
    fault = logging.ERROR if told == "out_of_order" else logging.WARNING
    (record,) = (record for record in caplog.records if record.name.startswith("website"))
    assert record.levelno == fault
    assert "HTTP" in record.message or "sessionURL" in record.message or "wsMedia" in record.message


@pytest.mark.parametrize("run", [trio.run, lambda function: asyncio.run(function())])
def test_a_service_that_is_down_is_told_as_unavailable(run: Callable[..., httpx.Response]) -> None:
    visited = Visited(website("agent", api_key=SECRET, base_url="http://127.0.0.1:9"))
    answered = run(partial(visited.post, "/session"))
    assert (answered.status_code, answered.json()["error"]) == (502, "unavailable")
    assert "127.0.0.1" not in answered.text


@pytest.mark.parametrize(("status", "may_have_begun"), [(503, False), (500, True)])
async def test_a_start_that_failed_is_not_tried_again(status: int, may_have_begun: bool) -> None:
    serve = {"answers": {START: (status, {})}}
    async with visit("ws-media", serve=serve) as visited:
        handle = (await visited.post("/session")).json()["handle"]
        posted = {"handle": handle, "server_name": "nobody"}
        told = (await visited.post("/start", posted)).json()
        assert told["may_have_begun"] is may_have_begun
        assert (await visited.post("/start", posted)).status_code == 410
        assert visited.simulator.requests[START] == 1


async def test_the_key_is_in_no_answer_and_no_log(
    dialect: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with visit(dialect, serve={"key": SECRET}) as visited:
        answered = [await visited.post("/session"), await visited.ask("GET", "/")]
        session = answered[0].json()
        if dialect == "ws-media":
            posted = {"handle": session["handle"], "server_name": "nobody"}
            answered.append(await visited.post("/start", posted))
    for answer in answered:
        assert SECRET not in answer.text + str(answer.headers)
    assert SECRET not in caplog.text
    assert str(session["handle"]) not in caplog.text
    assert session["url"].rpartition("/")[2] not in caplog.text or dialect == "ws-media"
