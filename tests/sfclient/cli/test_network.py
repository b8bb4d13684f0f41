"""``--network``: all that goes to the service goes through it, or it is told that this cannot be."""

import os
from functools import partial

import pytest
import trio

from sfclient import Audio, MemoryInput, MemoryOutput, UsageError, open_call, request_session
from sfclient.cli import main
from sfclient.cli._arguments import make_parser
from sfclient.cli._network import way_through
from sfclient.cli._simulator import run_simulator
from sfclient.testing import Network, Proxy

from ..conftest import UnhurriedClock

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
    options = ["simulator", "--network", "jitter", "--network-seed", "4", "--host", host]
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


async def test_toward_tls_the_network_is_the_proxy_of_the_environment_for_the_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    through = partial(way_through, Network())
    async with through("https://agents.example/v2") as url:
        assert url == "https://agents.example/v2"
        assert os.environ["https_proxy"].startswith("http://127.0.0.1:")
        with pytest.raises(UsageError, match="behind a proxy"):
            async with through(url):
                pass
    assert "https_proxy" not in os.environ
    with pytest.raises(UsageError, match="on this machine"):
        async with through("https://localhost/"):
            pass
    monkeypatch.setenv("NO_PROXY", ".example")
    with pytest.raises(UsageError, match=r"NO_PROXY names agents\.example"):
        async with through("https://agents.example/v2"):
            pass
    assert "https_proxy" not in os.environ
