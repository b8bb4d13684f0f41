"""``--network``: all that goes to the service goes through it, and what is no network is told."""

import pytest
import trio

from sfclient import Audio, MemoryInput, MemoryOutput, open_call, request_session
from sfclient.cli import main
from sfclient.cli._arguments import make_parser
from sfclient.cli._simulator import run_simulator
from sfclient.testing import Proxy

from ..conftest import UnhurriedClock
from ..raw_servers import closed_port

NUMBERS = {"from_number": "+49301234", "to_number": "+49305678"}


@pytest.fixture
def proxies(monkeypatch: pytest.MonkeyPatch) -> list[Proxy]:
    """Those by which a URL was led."""
    led: list[Proxy] = []
    through = Proxy.through

    def spy(self: Proxy, url: str) -> str:
        led.append(self)
        return through(self, url)

    monkeypatch.setattr(Proxy, "through", spy)
    return led


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_all_urls_that_the_simulator_gives_out_lead_through_its_network(
    host: str,
    proxies: list[Proxy],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    fast_clock: UnhurriedClock,
) -> None:
    monkeypatch.setenv("SYNTHFLOW_API_KEY", "key")
    peer = await closed_port()
    port = peer.authority.rpartition(":")[2]
    options = ["simulator", "--network", "jitter", "--network-seed", "4"]
    options += ["--host", host, "--port", port]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_simulator, make_parser().parse_args(options))
        out = err = ""
        with trio.fail_after(30):
            while "\n" not in out:
                await trio.sleep(0.001)
                told = capsys.readouterr()
                out, err = out + told.out, err + told.err
        (proxy,) = proxies
        base_url = out.strip()
        assert base_url == f"http://{proxy.authority}"
        assert base_url.endswith(f":{port}")
        assert err.startswith("In between lies the network jitter (seed 4): 10 to 90 ms each way")
        for number, order in enumerate(({}, {"dialect": "ws-media", **NUMBERS})):
            before = proxy.statistics()
            session = await request_session("a", api_key="key", base_url=base_url, **order)
            async with open_call(session, Audio(MemoryInput(), MemoryOutput())):
                pass
            after = proxy.statistics()
            # A ws-media call asks for where to, too, and is opened again.
            assert after.connections - before.connections == (2, 3)[number]
            assert after.down.sent_bytes > before.down.sent_bytes
        nursery.cancel_scope.cancel()


async def test_the_key_that_all_know_does_not_go_beyond_this_machine(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SYNTHFLOW_API_KEY", raising=False)
    options = ["simulator", "--network", "steady", "--host", "0.0.0.0"]
    assert await run_simulator(make_parser().parse_args(options)) == 2
    assert "the default key is known to everybody" in capsys.readouterr().err


async def test_a_port_that_is_taken_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    options = ["simulator", "--network", "steady", "--port", str(port)]
    assert await run_simulator(make_parser().parse_args(options)) == 1
    await listener.aclose()
    told = capsys.readouterr()
    assert f"error: cannot listen on 127.0.0.1 port {port}" in told.err
    assert told.out == ""


@pytest.mark.parametrize("command", ["demo", "simulator"])
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--network", "bad"], "there is no network 'bad': use steady, "),
        (["--network", "trace:none.txt"], "the trace 'none.txt' cannot be read: "),
        (["--network-seed", "1"], "--network-seed goes with --network only"),
        (["--network", "steady", "--network-seed", "x"], "argument --network-seed: "),
    ],
)
def test_what_is_no_network_is_wrong_use(
    command: str, options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"sfclient: {told}")
