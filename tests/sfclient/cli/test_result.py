"""What became of a call: told as the service tells it, and no more than a terminal can bear."""

import json
from typing import Any

import pytest

from sfclient.simulator import SimulatedCall, open_simulator

from ..raw_servers import closed_port, serving, sleep_forever
from .conftest import KEY, SILENT, WS_MEDIA, Command, sfclient

RECORD = {"status": "completed", "end_call_reason": "caller_hangup", "transcript": "bot: Hello!"}


def answering(status: int, fields: dict[str, Any]) -> dict[str, Any]:
    return {"answers": {"GET /calls/c-7": (status, fields)}, "key": KEY}


async def result_of(call_id: str, base_url: str, **options: Any) -> Command:
    return await sfclient("result", call_id, "--base-url", base_url, **options)


class TestPrinted:
    async def test_call_that_was_held(self) -> None:
        async def agent(call: SimulatedCall) -> None:
            call.transcript = "bot: Grüß Gott!\nhuman: Good bye."
            await call.send_audio(bytes(640))

        async with open_simulator(agent, key=KEY) as sim:
            call = await sfclient("call", "a", *WS_MEDIA, "--base-url", sim.base_url, *SILENT)
            assert call.status == 0, call.stderr
            call_id = call.stdout.splitlines()[1].removeprefix("Connected to call ")
            done = await result_of(call_id, sim.base_url)
        assert (done.status, done.stderr) == (0, "")
        assert done.stdout.splitlines() == [
            "status: completed",
            "end reason: agent_hangup",
            "transcript:",
            "  bot: Grüß Gott!",
            "  human: Good bye.",
        ]

    @pytest.mark.parametrize("wrapped", [False, True])
    async def test_either_shape_of_a_record(self, wrapped: bool) -> None:
        fields = {"status": "ok", "response": {"calls": [RECORD]}} if wrapped else RECORD
        async with open_simulator(**answering(200, fields)) as sim:
            done = await result_of("c-7", sim.base_url)
        assert (done.status, done.stderr) == (0, "")
        assert done.stdout.splitlines() == [
            "status: completed",
            "end reason: caller_hangup",
            "transcript:",
            "  bot: Hello!",
        ]

    @pytest.mark.parametrize(
        ("fields", "told"),
        [
            ({"status": "queue"}, ["status: queue", "end reason: ", "transcript:"]),
            (
                {"status": None, "end_call_reason": 7, "transcript": ["bot: Hello!"]},
                ["status: ", "end reason: 7", "transcript:", '  ["bot: Hello!"]'],
            ),
        ],
    )
    async def test_what_the_service_leaves_out_or_words_otherwise(
        self, fields: dict[str, Any], told: list[str]
    ) -> None:
        async with open_simulator(**answering(200, fields)) as sim:
            done = await result_of("c-7", sim.base_url)
        assert (done.status, done.stderr) == (0, "")
        assert done.stdout.splitlines() == told

    async def test_long_transcript_is_told_to_its_end(self) -> None:
        line = "human: " + "and so on, " * 2000
        async with open_simulator(
            **answering(200, RECORD | {"transcript": f"{line}.\nbye"})
        ) as sim:
            done = await result_of("c-7", sim.base_url)
        assert done.stdout.splitlines()[3:] == [f"  {line}.", "  bye"]

    async def test_record_cannot_steer_the_terminal(self) -> None:
        nasty = "\x1b[2J\x1b]0;owned\x07\r\x08\x9b1A\u202edlrow\0\ud800"
        fields = {name: f"{text}{nasty}" for name, text in RECORD.items()}
        fields["transcript"] += "\nhuman: \x1b[31mred"
        async with open_simulator(**answering(200, fields)) as sim:
            done = await result_of("c-7", sim.base_url)
        assert (done.status, done.stderr) == (0, "")
        lines = done.stdout.split("\n")
        assert lines.pop() == ""
        assert all(line.isprintable() for line in lines)
        assert lines[0].startswith("status: completed")
        assert lines[1].startswith("end reason: caller_hangup")
        assert "  bot: Hello!" in lines[3]
        assert lines[-1] == "  human:  [31mred"

    async def test_terminal_that_lacks_letters(self) -> None:
        fields = RECORD | {"transcript": "bot: Grüß Gott, \N{WAVING HAND SIGN}!"}
        async with open_simulator(**answering(200, fields)) as sim:
            done = await result_of("c-7", sim.base_url, env={"PYTHONIOENCODING": "ascii"})
        assert done.status == 0, done.stderr
        assert "Gott" in done.stdout


class TestWrongUse:
    async def test_call_that_nobody_knows(self) -> None:
        async with open_simulator(key=KEY) as sim:
            done = await result_of("c-8", sim.base_url)
        assert done.status == 2
        done.check_error("knows no call 'c-8'")
        assert done.stdout == ""

    async def test_call_id_is_one_part_of_the_path(self) -> None:
        async with open_simulator(key=KEY) as sim:
            done = await result_of("../c 7?x#y", sim.base_url)
        assert done.status == 2
        assert sim.requests == {"GET /calls/..%2Fc%207%3Fx%23y": 1}

    @pytest.mark.parametrize("key", [None, "", " ", "wrong-key-77"])
    async def test_key(self, key: str | None) -> None:
        async with open_simulator(**answering(401, {"error": "no"})) as sim:
            done = await result_of("c-7", sim.base_url, key=key)
        assert done.status == 2
        done.check_error(
            "key" if key and key.strip() else "there is no API key: set SYNTHFLOW_API_KEY"
        )
        assert "wrong-key-77" not in done.stderr
        assert bool(sim.requests) == bool(key and key.strip())

    async def test_key_that_the_service_does_not_know(self) -> None:
        async with open_simulator(key=KEY) as sim:
            done = await result_of("c-7", sim.base_url, key="wrong-key-77")
        assert done.status == 2
        done.check_error("refused the API key (HTTP 401)")

    @pytest.mark.parametrize(
        ("args", "told"),
        [
            ([], "CALL_ID"),
            (["a", "b"], "unrecognized arguments: b"),
            ([""], "call ID is empty"),
            (["c", "--region", "mars"], "no region 'mars': choose us or eu"),
            (["c", "--base-url", "nonsense"], "base URL must be like https://"),
            (["c", "--base-url", "http://192.0.2.1"], "in the clear"),
            (["c", "--dialect", "widget"], "unrecognized arguments"),
        ],
    )
    async def test_arguments(self, args: list[str], told: str) -> None:
        done = await sfclient("result", *args)
        assert done.status == 2
        assert told in done.stderr
        assert done.stdout == ""


class TestFarSide:
    async def test_unreachable(self) -> None:
        done = await result_of("c-7", (await closed_port()).base_url)
        assert done.status == 1
        done.check_error("cannot reach 127.0.0.1")

    @pytest.mark.slow
    async def test_answer_that_never_comes(self) -> None:
        async with serving(sleep_forever) as peer:
            done = await result_of("c-7", peer.base_url)
        assert done.status == 1
        done.check_error("did not answer within")

    @pytest.mark.parametrize(
        ("status", "fields", "told"),
        [
            (429, {}, "HTTP 429"),
            (500, {"error": f"it broke: {KEY}\x1b[2J"}, "it broke: ***"),
            (200, {"response": {"calls": []}}, "ask again later"),
            (200, {}, "no status of a call"),
            (200, {"response": {"calls": [{}]}}, "no status of a call"),
            (200, RECORD | {"call_id": "c-8"}, "record of another call"),
        ],
    )
    async def test_answer_without_a_record(
        self, status: int, fields: dict[str, Any], told: str
    ) -> None:
        async with open_simulator(**answering(status, fields)) as sim:
            done = await result_of("c-7", sim.base_url)
        assert done.status == 1
        done.check_error(told)
        assert done.stdout == ""

    @pytest.mark.parametrize("body", [b"<html>", b"[]", json.dumps("c-7").encode(), b""])
    async def test_answer_that_is_no_object(self, body: bytes) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        async with serving(head + body) as peer:
            done = await result_of("c-7", peer.base_url)
        assert done.status == 1
        done.check_error("no record of a call")
