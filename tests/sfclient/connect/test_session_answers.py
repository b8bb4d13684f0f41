"""What the service may answer to the request for a session, in order or not."""

import traceback

import pytest
import trio

from sfclient import (
    AgentNotFoundError,
    Audio,
    AuthenticationError,
    InsecureURLError,
    NetworkError,
    ServiceError,
    SfclientError,
    open_call,
)

from ..raw_servers import Resolver, serving
from .conftest import KEY, URL, failing, failing_in, http, request_from


class TestRefusals:
    @pytest.mark.parametrize("status", [401, 403])
    async def test_key_refused(self, status: int) -> None:
        async with serving(http(status, {"error": "no such key"})) as peer:
            with failing(AuthenticationError, f'HTTP {status}.*"no such key"') as caught:
                await request_from(peer)
        assert caught[0].status == status

    async def test_agent_unknown(self) -> None:
        async with serving(http(404, {"error": "gone"})) as peer:
            with failing(AgentNotFoundError, "'agent-7'.*HTTP 404.*gone.*widget") as caught:
                await request_from(peer, "agent-7")
        assert caught[0].status == 404

    @pytest.mark.parametrize("status", [204, 206, 301, 400, 418, 429, 500, 502, 503, 599])
    async def test_any_other_status_is_the_services_fault(self, status: int) -> None:
        async with serving(http(status, b"" if status == 204 else b"<html>oops")) as peer:
            with failing(ServiceError, f"HTTP {status}") as caught:
                await request_from(peer)
        assert caught[0].status == status
        assert "oops" not in str(caught[0])

    @pytest.mark.parametrize("status", [302, 303, 307, 308])
    async def test_redirects_are_not_followed(self, status: int) -> None:
        async with serving(http(200, {"sessionURL": URL})) as elsewhere:
            async with serving(http(status, b"", f"Location: {elsewhere.base_url}/")) as peer:
                with failing(ServiceError, f"HTTP {status}"):
                    await request_from(peer)
        assert elsewhere.connections == 0

    @pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 500])
    async def test_key_echoed_by_the_service_is_not_repeated(self, status: int) -> None:
        body = {"error": f"the key {KEY} and again Bearer {KEY}" + "x" * 10_000}
        async with serving(http(status, body)) as peer:
            with pytest.raises(SfclientError, match="the key") as info:
                await request_from(peer, api_key=f" {KEY} ")
        assert KEY not in "".join(traceback.format_exception(info.value))
        assert len(str(info.value)) < 500

    @pytest.mark.parametrize("error", [None, 7, "", [], {"message": "nested"}])
    async def test_odd_error_fields_are_left_out(self, error: object) -> None:
        async with serving(http(500, {"error": error})) as peer:
            with failing(ServiceError, "^the service answered HTTP 500$"):
                await request_from(peer)

    async def test_error_from_the_service_cannot_steer_the_terminal(self) -> None:
        async with serving(
            http(500, {"error": "a\x1b]0;owned\x07\x1b[2J\nsfclient: all is well"})
        ) as peer:
            with failing(ServiceError) as caught:
                await request_from(peer)
        assert str(caught[0]).isprintable()


class TestAnswers:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"<html>hello</html>",
            b'{"sessionURL": ',
            b"\xff\xfe\x00",
            b"[1]",
            b'"wss://x"',
            b"null",
            b"[" * 100_000,
            b"1" * 5_000,
        ],
        ids=lambda body: repr(body[:12]),
    )
    async def test_no_json_object(self, body: bytes) -> None:
        async with serving(http(200, body)) as peer:
            with failing(ServiceError, "no JSON object") as caught:
                await request_from(peer)
        assert caught[0].status == 200

    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"sessionUrl": URL},
            {"sessionURL": None},
            {"sessionURL": 7},
            {"sessionURL": ""},
            {"sessionURL": [URL]},
            {"sessionURL": {"url": URL}},
        ],
        ids=str,
    )
    async def test_no_session_url(self, fields: dict[str, object]) -> None:
        async with serving(http(200, fields)) as peer:
            with failing(ServiceError, "no sessionURL"):
                await request_from(peer)

    @pytest.mark.parametrize(
        "url",
        [
            "https://agents.example/tok-73ab",
            "tok-73ab",
            "wss:tok-73ab",
            f"{URL}&a={'tok-73ab' * 1000}",
        ],
        ids=lambda url: url[:50],
    )
    async def test_session_url_of_the_wrong_kind_is_the_services_fault(self, url: str) -> None:
        async with serving(http(200, {"sessionURL": url})) as peer:
            with failing(ServiceError):
                async with open_call(await request_from(peer), Audio("none", "none")):
                    pass

    async def test_plain_session_url_beyond_this_machine_is_refused(
        self, resolver: Resolver
    ) -> None:
        async with serving(http(200, {"sessionURL": URL.replace("wss", "ws")})) as peer:
            with failing(InsecureURLError, "agents.example"):
                async with open_call(await request_from(peer), Audio("none", "none")):
                    pass
        assert not resolver.asked

    async def test_endless_answer_is_cut_off(self) -> None:
        sent = 0

        async def babble(stream: trio.abc.Stream) -> None:
            nonlocal sent
            await stream.receive_some()
            await stream.send_all(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                await stream.send_all(b" " * 65_536)
                sent += 65_536

        async with serving(babble) as peer:
            with failing(ServiceError, "does not stop"):
                await request_from(peer)
        assert sent < 20 << 20

    async def test_endless_header_is_cut_off(self) -> None:
        async def babble(stream: trio.abc.Stream) -> None:
            await stream.receive_some()
            await stream.send_all(b"HTTP/1.1 200 OK\r\nX: ")
            while True:
                await stream.send_all(b"x" * 65_536)

        async with serving(babble) as peer:
            with failing(ServiceError, "a head that does not end"):
                await request_from(peer)

    @pytest.mark.parametrize("answer", [b"\x00\x01\x02\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n\r\n"])
    async def test_answer_that_is_no_http(self, answer: bytes) -> None:
        async with serving(answer) as peer:
            with failing(ServiceError, "127.0.0.1 answered something that is no HTTP/1.1"):
                await request_from(peer)

    @pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n"])
    async def test_no_answer(self, answer: bytes) -> None:
        async with serving(answer) as peer:
            with failing(NetworkError, "127.0.0.1 closed the connection without an answer"):
                await request_from(peer)

    async def test_answer_cut_short(self) -> None:
        whole = http(200, {"sessionURL": URL})
        async with serving(whole[:-5]) as peer:
            with failing(NetworkError, "failed"):
                await request_from(peer)

    async def test_body_that_does_not_decompress(self) -> None:
        async with serving(http(200, b"no gzip", "Content-Encoding: gzip")) as peer:
            with failing_in(NetworkError, ServiceError):
                await request_from(peer)
