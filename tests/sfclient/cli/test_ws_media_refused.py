"""A ws-media call that is not to be: wrong use, refusals of the service, failures under way."""

from pathlib import Path

import pytest

from sfclient.simulator import SimulatedCall, open_simulator

from .conftest import KEY, SILENT, WS_MEDIA, figures, read_wav, sfclient

BASE_URL = "GET /calls/outbound-test-ws-media/base-url"
START = "POST /calls/outbound-test-ws-media"
CALL_ID = "6b3c1d0e-call"


class TestWrongUse:
    @pytest.mark.parametrize(
        ("args", "told"),
        [
            (["--dialect", "ws-media", "--to", "+2"], ("two phone numbers", "from")),
            (["--dialect", "ws-media", "--from", "+1"], ("two phone numbers", "to")),
            (["--dialect", "ws-media", "--from", "", "--to", " "], ("two phone numbers",)),
            ([*WS_MEDIA, "--codec", "opus"], ("'opus': choose l16 or pcmu or pcma",)),
            ([*WS_MEDIA, "--framing", "ogg"], ("'ogg': choose payload or rtp",)),
            ([*WS_MEDIA, "--agent-version", "7"], ("draft or the UUID of a version, not '7'",)),
            (["--from", "+1"], ("widget", "from", "leave it out")),
            (["--to", "+2"], ("widget", "to", "leave it out")),
            (["--lead-name", "Ada"], ("widget", "lead", "leave it out")),
            (["--codec", "pcmu"], ("widget", "'pcmu': choose l16")),
        ],
    )
    async def test_option_that_does_not_fit(self, args: list[str], told: tuple[str, ...]) -> None:
        async with open_simulator(key=KEY) as sim:
            done = await sfclient("call", "a", "--base-url", sim.base_url, *args, *SILENT)
        assert done.status == 2
        done.check_error(*told)
        assert not sim.requests

    @pytest.mark.parametrize(
        ("args", "told"),
        [
            ([*WS_MEDIA, "--region", "mars"], ("'mars'", "us or eu")),
            (["--region", "eu"], ("widget", "'eu'", "leave it out")),
        ],
    )
    async def test_region_that_is_not_there(self, args: list[str], told: tuple[str, ...]) -> None:
        """There is no --base-url: an error that came later would be another one, of the network."""
        done = await sfclient(
            "call", "a", *args, *SILENT, env={"HTTPS_PROXY": "http://127.0.0.1:1"}
        )
        assert done.status == 2
        done.check_error(*told)

    async def test_session_url(self) -> None:
        """The call would have to be started with the key, which whoever gives a URL need not have."""
        async with open_simulator(key=KEY) as sim:
            url = f"{sim.base_url.replace('http', 'ws')}/ws-media"
            done = await sfclient("call", "--session-url", url, "--dialect", "ws-media", *SILENT)
        assert done.status == 2
        done.check_error("session URL alone", "give an ASSISTANT_ID")
        assert not sim.requests

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("--from", "+1"),
            ("--to", "+2"),
            ("--lead-name", "Ada"),
            ("--agent-version", "draft"),
            ("--codec", "l16"),
            ("--framing", "rtp"),
            ("--region", "eu"),
            ("--base-url", "https://127.0.0.1"),
        ],
    )
    async def test_option_that_a_session_url_leaves_no_choice_of(
        self, option: str, value: str
    ) -> None:
        done = await sfclient("call", "--session-url", "ws://127.0.0.1:1/", option, value, *SILENT)
        assert done.status == 2
        done.check_error("goes with an ASSISTANT_ID, not with a --session-url")

    async def test_dialect_that_nobody_speaks(self) -> None:
        done = await sfclient("call", "a", "--dialect", "klingon", *SILENT)
        assert done.status == 2
        assert "widget, ws-media" in done.stderr.replace("'", "")

    @pytest.mark.parametrize("key", [None, "wrong-key-77"])
    async def test_key(self, key: str | None, tmp_path: Path) -> None:
        stats = tmp_path / "s.json"
        async with open_simulator(key=KEY) as sim:
            done = await sfclient(
                *("call", "a", *WS_MEDIA, "--base-url", sim.base_url, *SILENT, "--stats", stats),
                key=key,
            )
        assert done.status == 2
        done.check_error("key")
        assert "wrong-key-77" not in done.stderr
        assert figures(stats)["call_id"] is None


class TestFarSide:
    @pytest.mark.parametrize(
        ("route", "status", "exits", "told"),
        [
            (BASE_URL, 503, 1, "not enabled"),
            (BASE_URL, 429, 1, "wait"),
            (BASE_URL, 402, 2, "credit"),
            (START, 400, 2, "refuses the call"),
            (START, 404, 2, "no such agent"),
            (START, 429, 1, "wait"),
            (START, 500, 1, "HTTP 500"),
            (START, 502, 1, f"its call {CALL_ID} may have begun"),
        ],
    )
    async def test_refused(
        self, route: str, status: int, exits: int, told: str, tmp_path: Path
    ) -> None:
        stats = tmp_path / "s.json"
        fields = {"error": f"no, {KEY}\x1b[2J\n", "callId": CALL_ID}
        if status != 502:
            del fields["callId"]
        async with open_simulator(key=KEY, answers={route: (status, fields)}) as sim:
            done = await sfclient(
                "call", "agent-7", *WS_MEDIA, "--base-url", sim.base_url, *SILENT, "--stats", stats
            )
        assert done.status == exits
        done.check_error(told, call_id=fields.get("callId"))
        assert f"HTTP {status}" in done.stderr
        assert sim.requests[route] == 1
        assert not sim.calls
        tell = figures(stats)
        assert tell["call_id"] == (CALL_ID if status == 502 else None)
        assert tell["ended"]["by"] == ("agent" if exits == 1 else "caller")
        assert tell["ended"]["reason"] in done.stderr

    async def test_sid_that_the_service_does_not_know_itself(self, tmp_path: Path) -> None:
        stats = tmp_path / "s.json"
        order = {"callId": CALL_ID, "sid": "tok-73ab-sid"}
        async with open_simulator(key=KEY, answers={START: (200, order)}) as sim:
            done = await sfclient(
                "call", "agent-7", *WS_MEDIA, "--base-url", sim.base_url, *SILENT, "--stats", stats
            )
        assert done.status == 1
        done.check_error("closed before the call began: 1008", call_id=CALL_ID)
        tell = figures(stats)
        assert tell["call_id"] == CALL_ID
        assert (tell["ended"]["by"], tell["ended"]["code"]) == ("agent", 1008)

    @pytest.mark.parametrize("code", [None, 1009])
    async def test_failure_in_mid_call(self, code: int | None, tmp_path: Path) -> None:
        async def fail(call: SimulatedCall) -> None:
            async for _ in call.audio():
                break
            await (call.close(code, "too long") if code else call.reset())

        both, stats = tmp_path / "both.wav", tmp_path / "s.json"
        async with open_simulator(fail, key=KEY) as sim:
            done = await sfclient(
                *("call", "agent-7", *WS_MEDIA, "--base-url", sim.base_url, *SILENT),
                *("--record", both, "--stats", stats),
            )
            (call,) = sim.calls
        assert done.status == 1
        tell = figures(stats)
        assert tell["call_id"] == call.call_id
        assert (tell["ended"]["by"], tell["ended"]["code"]) == (
            "agent" if code else "network",
            code,
        )
        done.check_error(tell["ended"]["reason"], call_id=call.call_id)
        read_wav(both, 16_000, 2)

    async def test_end_whose_reason_only_the_record_tells(self) -> None:
        async def fail(call: SimulatedCall) -> None:
            async for _ in call.audio():
                break
            await call.close(1011, "the agent broke")

        async with open_simulator(fail, key=KEY) as sim:
            done = await sfclient("call", "a", *WS_MEDIA, "--base-url", sim.base_url, *SILENT)
        assert done.status == 0, done.stderr
        assert done.stdout.endswith("Disconnected from server (by agent, 1011: the agent broke)\n")
