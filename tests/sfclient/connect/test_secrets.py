"""Keys and tokens that the far side repeats: they are in no error, log, chain or close reason."""

import base64
import dataclasses
import gc
import json
import logging
import pickle
import ssl
import traceback
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import quote

import pytest
import trio

from sfclient import (
    InsecureURLError,
    NetworkError,
    ServiceError,
    Session,
    SfclientError,
    UsageError,
    request_result,
    request_session,
)
from sfclient._dialects import json_object
from sfclient._event_queue import masked
from sfclient._secrets import Secrets
from sfclient._websocket import WebSocketClosed, open_websocket

from ..raw_servers import Resolver, accepted, close_frame, frame, read_head, serving
from .conftest import (
    KEY,
    PATH,
    TOKEN,
    URL,
    connect,
    failing,
    failing_in,
    http,
    request_from,
)

ECHO = f"{KEY} Bearer {KEY} token={TOKEN} wss://a.example/?t={TOKEN} x-app://a/{TOKEN}"
FORMS: list[Callable[[str], str]] = [
    str,
    str.upper,
    lambda secret: quote(secret, safe=""),
    lambda secret: json.dumps(secret),
    lambda secret: base64.b64encode(secret.encode()).decode(),
    lambda secret: base64.b64encode(f"user:{secret}".encode()).decode(),
    lambda secret: base64.b64encode(f"me:{secret}:you".encode()).decode(),
    lambda secret: base64.urlsafe_b64encode(f"{secret}?".encode()).decode(),
]


def cores(secret: str) -> list[str]:
    """What must not be left of it, in whichever form."""
    encoded = [base64.b64encode(bytes(n) + secret.encode()).decode()[4:-4] for n in range(3)]
    return [secret.lower(), quote(secret, safe="").lower(), *(text.lower() for text in encoded)]


class TestMasking:
    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("secret", [KEY, 'a"b\\c/d+e=f?>~\x7f', "x" * 500, "schlüssel-9"])
    async def test_every_form_of_a_secret(self, secret: str, form: Callable[[str], str]) -> None:
        text = Secrets(secret).printable(f"you sent {form(secret)}, which is wrong")
        assert text.startswith("you sent ")
        assert text.endswith(", which is wrong")
        assert not [core for core in cores(secret) if core in text.lower()]

    @pytest.mark.parametrize(
        ("url", "secret"),
        [
            ("wss://a.example/start?token=tok-73ab&a=b", "tok-73ab"),
            ("wss://a.example/start?token=to%2Fk-73ab", "to/k-73ab"),
            ("wss://a.example/start?token=to%2Fk-73ab", "to%2Fk-73ab"),
            ("wss://a.example/start?tok-73ab", "tok-73ab"),
            ("wss://a.example/start/0123456789abcdef", "0123456789abcdef"),
            ("wss://a.example/start#tok-73ab", "tok-73ab"),
        ],
    )
    async def test_what_a_url_holds(self, url: str, secret: str) -> None:
        secrets = Secrets()
        secrets.add_url(url)
        assert secrets.masked(f"no {secret} at start") == "no *** at start"

    async def test_a_text_for_the_program_keeps_what_is_no_secret_for_sure(self) -> None:
        secrets = Secrets(KEY)
        secrets.add_url(f"wss://a.example/?token={TOKEN}&mode=realtime&lang=en-US1")
        text = f"realtime en-US1 https://x.example/?q=1 {KEY} {TOKEN}"
        assert secrets.hidden(text) == "realtime en-US1 https://x.example/?q=1 *** ***"

    @pytest.mark.parametrize(
        "text",
        [
            '{"a": "to\\/k-73ab"}',  # as PHP writes it
            '{"to\\u002fk-73ab": 1}',
            '{"a": "to/k-73ab", "a": 1}',
        ],
    )
    async def test_a_message_holds_none_in_escapes_either(self, text: str) -> None:
        told, fields = masked(text, json_object(text), Secrets("to/k-73ab").hidden)
        assert "k-73ab" not in f"{told} {fields}"
        assert fields is not None

    async def test_a_message_too_deep_to_be_looked_into(self) -> None:
        fields: dict[str, Any] = {}
        for _ in range(100_000):
            fields = {"a": fields}
        assert masked(KEY, fields, Secrets(KEY).hidden) == ("***", None)

    async def test_urls_and_authorizations_that_are_not_ours(self) -> None:
        text = (
            "see https://x.example/?t=1 ftp://u:p@h Bearer abc1 Basic\tdef2 a token=1 or the bearer"
        )
        masked = "see https://*** ftp://*** Bearer *** Basic *** a token=*** or the bearer"
        assert Secrets().printable(text) == masked

    @pytest.mark.parametrize(
        "text",
        [
            "max_duration_600s_reached",
            "gpt-4o-realtime overloaded at 2026-06-15T10:00:00Z",
            "Basic plan exceeded: the bearer token expired",
            "request 123e4567-e89b-12d3-a456-426614174000",
        ],
    )
    async def test_honest_text_is_told_as_it_is(self, text: str) -> None:
        assert Secrets(KEY).masked(text) == text

    async def test_what_is_too_short_to_be_one(self) -> None:
        assert Secrets("a", "", "abc").masked("abc, a banana") == "abc, a banana"

    async def test_it_is_masked_before_it_is_cut(self) -> None:
        assert KEY[:4] not in Secrets(KEY).printable("x" * 195 + KEY)

    async def test_a_long_text_takes_no_long_time(self) -> None:
        with trio.fail_after(2):
            Secrets(KEY).masked("a" * 300_000 + "://" + "a.+-" * 100_000 + "a-" * 99_000)
            await trio.lowlevel.checkpoint()

    async def test_they_are_not_in_its_repr(self) -> None:
        assert KEY not in repr(Secrets(KEY))

    async def test_a_session_that_is_handed_on_takes_no_key_along(self) -> None:
        session = Session(URL, secrets=Secrets(KEY))
        assert KEY.encode() not in pickle.dumps(session)
        copy = dataclasses.asdict(session)["secrets"]
        assert copy.hidden(KEY) == KEY
        assert pickle.loads(pickle.dumps(session)) == session


async def echo(stream: trio.abc.Stream, status: int) -> None:
    await read_head(stream)
    body = json.dumps({"error": ECHO, "more": ECHO})
    await stream.send_all(
        f"HTTP/1.1 {status} {ECHO}\r\nLocation: https://{KEY}.example/{TOKEN}\r\nX-Echo: {ECHO}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
    )


class TestEchoes:
    """Whatever is told of it passes `failing_in`, and the log of each test is looked at too."""

    @pytest.fixture(params=[200, 201, 302, 400, 401, 404, 410, 429, 500, 503])
    async def echoes(self, request: pytest.FixtureRequest) -> AsyncIterator[Any]:
        async with serving(lambda stream: echo(stream, request.param)) as peer:
            yield peer

    async def test_answer_to_a_request(self, echoes: Any) -> None:
        with failing_in(SfclientError):
            await request_from(echoes)
        options = {"api_key": KEY, "base_url": echoes.base_url}
        with failing_in(SfclientError):
            await request_result("call", **options)
        numbers = {"from_number": "1", "to_number": "2"}
        with failing_in(SfclientError):
            await request_session("a", dialect="ws-media", **options, **numbers)

    async def test_answer_to_the_start_of_a_call(self, echoes: Any) -> None:
        answers = [http(200, {"wsMediaBaseUrl": "wss://a.example"})]

        async def answer(stream: trio.abc.Stream) -> None:
            if answers:
                await read_head(stream)
                await stream.send_all(answers.pop())
            else:
                await echo(stream, 502)

        async with serving(answer) as peer:
            options = {"dialect": "ws-media", "from_number": "1", "to_number": "2"}
            session = await request_from(peer, **options)
            assert session.start_call is not None
            assert KEY not in repr(session)
            with failing_in(SfclientError, match="HTTP 502"):
                await session.start_call("server")

    async def test_answer_to_the_upgrade(self, echoes: Any) -> None:
        with failing_in(SfclientError):
            async with open_websocket(f"ws://{echoes.authority}{PATH}", secrets=Secrets(KEY)):
                pass

    @pytest.mark.parametrize(
        "line",
        [
            f"X {ECHO}: bad name",
            f"Content-Length: {ECHO}",
            f"Transfer-Encoding: {ECHO}",
            f"X: \0{ECHO}",
            f"Sec-WebSocket-Accept: {ECHO}",
        ],
        ids=lambda line: repr(line[:12]),
    )
    @pytest.mark.parametrize("status", ["101 Switching", "200 OK", ECHO])
    async def test_lines_that_are_illegal(self, status: str, line: str) -> None:
        head = f"HTTP/1.1 {status}\r\nUpgrade: websocket\r\nConnection: upgrade\r\n{line}\r\n\r\n"
        async with serving(head.encode()) as peer:
            with failing_in(SfclientError):
                await request_from(peer)
            with failing_in(SfclientError):
                await connect(f"ws://{peer.authority}{PATH}")

    async def test_close_ping_and_what_breaks_the_protocol(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        reason = f"{KEY} {TOKEN} ws://x/{TOKEN} no"

        async def close(stream: trio.abc.Stream) -> None:
            await stream.send_all(accepted(await read_head(stream)))
            await stream.send_all(frame(9, reason.encode()) + frame(10, reason.encode()))
            await stream.send_all(close_frame(4001, reason))

        async with serving(close) as peer:
            async with open_websocket(
                f"ws://{peer.authority}{PATH}", secrets=Secrets(KEY)
            ) as websocket:
                with pytest.raises(WebSocketClosed) as info:
                    await websocket.receive()
        assert info.value.reason == "*** *** ws://*** no"
        assert logging.getLogger("trio-websocket").isEnabledFor(logging.DEBUG)
        assert not [record for record in caplog.records if record.name == "trio-websocket"]

    async def test_the_library_still_logs_for_others(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        logging.getLogger("trio-websocket").debug("%s said %r", "other", {"path": 1})
        logging.getLogger("trio-websocket").debug("%(a)s", {"a": "and more"})
        assert "other said" in caplog.text
        assert "and more" in caplog.text


class TestErrors:
    async def test_they_keep_no_cycle(self) -> None:
        """So what they hold is gone with them, also where nobody collects garbage."""
        async with serving(http(500, {"error": "x"})) as peer:
            errors = []
            gc.collect()
            gc.disable()
            try:
                for go in (request_from(peer), connect(f"ws://{peer.authority}{PATH}")):
                    try:
                        await go
                    except SfclientError as error:
                        errors.append(weakref.ref(error))
                del go
                assert [error() for error in errors] == [None, None]
            finally:
                gc.enable()

    async def test_no_frame_that_made_the_request_is_on_the_traceback(self) -> None:
        async with serving(b"") as peer:
            with failing(NetworkError) as caught:
                await request_from(peer)
        frames = [frame for frame, _line in traceback.walk_tb(caught[0].__traceback__)]
        assert not [frame for frame in frames if "sfclient._http" in frame.f_globals["__name__"]]


def unverifying(what: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    if what == "nobody":
        context.verify_mode = ssl.CERT_NONE
    return context


class TestTrust:
    @pytest.mark.parametrize("what", ["nobody", "any name"])
    async def test_context_that_verifies_nothing_is_refused(
        self, what: str, resolver: Resolver
    ) -> None:
        context = unverifying(what)
        options = {"api_key": KEY, "ssl_context": context}
        with failing(InsecureURLError, "verify_mode.*check_hostname.*allow_insecure=True"):
            await request_session("a", **options)
        with failing(InsecureURLError, "ssl_context does not verify"):
            await request_result("c", **options)
        with failing(InsecureURLError, "ssl_context does not verify"):
            await connect(f"wss://agents.example{PATH}", ssl_context=context)
        assert not resolver.asked

    async def test_it_may_be_allowed_by_name(self, resolver: Resolver) -> None:
        context = unverifying("nobody")
        with failing(NetworkError, "cannot reach"):
            await connect("wss://a.invalid", ssl_context=context, allow_insecure=True)

    @pytest.mark.parametrize("user", ["user:hunter-2@", "hunter-2@", ":hunter-2@", "@"])
    async def test_user_in_the_base_url_is_refused_and_not_shown(
        self, user: str, resolver: Resolver
    ) -> None:
        with failing(UsageError, "base URL holds a user or password.*before the @") as caught:
            await request_session("a", api_key=KEY, base_url=f"https://{user}agents.example")
        assert "hunter" not in str(caught[0])
        assert not resolver.asked

    async def test_user_in_the_services_url_is_the_services_fault(self) -> None:
        url = f"wss://user:{TOKEN}@agents.example/"
        async with serving(http(200, {"sessionURL": url})) as peer:
            with failing(ServiceError, "session URL holds a user or password"):
                await request_from(peer)
