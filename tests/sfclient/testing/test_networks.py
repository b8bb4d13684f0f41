"""Networks by name do what the line about them says; what is no network is told with file and line."""

import os
from itertools import pairwise
from pathlib import Path

import pytest
import trio

from sfclient import UsageError
from sfclient.cli._arguments import make_parser
from sfclient.testing import NETWORKS, Link, Trace, network_named, read_trace
from sfclient.testing._timetable import Timetable

from ..conftest import UnhurriedClock
from .test_proxy import between, read

MESSAGE = 640  # bytes in 20 ms of the agent's speech
SENT = [0.02 * number for number in range(50 * 60)]


def arrivals(link: Link, length: int = MESSAGE) -> list[float]:
    """Of a minute of messages of so many bytes."""
    timetable = Timetable(link, (0, "down"), 0.0)
    return [timetable.due(sent, length) for sent in SENT]


def delays(link: Link, length: int = MESSAGE) -> list[float]:
    return [at - sent for at, sent in zip(arrivals(link, length), SENT, strict=True)]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_the_same_with_the_same_seed(name: str) -> None:
    assert network_named(name) == network_named(name, 0)
    assert network_named(name, 7) == network_named(name, 7)
    has_chance = name in ("jitter", "stall")
    assert (network_named(name, 7) != network_named(name, 8)) is has_chance


def test_a_steady_network_delays_each_way_alike() -> None:
    network = network_named("steady")
    assert delays(network.up) == delays(network.down) == pytest.approx([0.03] * len(SENT))


def test_jitter_is_another_for_each_message_direction_and_seed() -> None:
    network, other = network_named("jitter"), network_named("jitter", 1)
    late = delays(network.down)
    assert 0.01 <= min(late) < 0.03
    assert 0.08 < max(late) <= 0.09
    assert len(set(late[:500])) > 400
    assert (
        len({tuple(delays(link)) for link in (network.up, network.down, other.up, other.down)}) == 4
    )


@pytest.mark.parametrize("seed", range(5))
def test_a_stall_comes_about_every_ten_seconds_for_two_both_ways_at_once(seed: int) -> None:
    network = network_named("stall", seed)
    assert network.up == network.down
    stalls = [
        (before, after) for before, after in pairwise(arrivals(network.down)) if after - before > 1
    ]
    assert [after - before for before, after in stalls] == pytest.approx([2.0] * 6, abs=0.03)
    for number, (before, _) in enumerate(stalls):
        assert 10 * number + 4 <= before <= 10 * number + 5.6
    assert arrivals(network.down) != arrivals(network_named("stall", seed + 1).down)


@pytest.mark.parametrize("down", [32_000, 8000])
def test_a_slow_producer_loses_a_second_in_nine(down: int) -> None:
    network = network_named("slow-producer", down=down)
    late = delays(network.down, down // 50)
    assert late[450] - late[0] == pytest.approx(1.0)
    assert delays(network.up) == pytest.approx([0.03] * len(SENT))


@pytest.mark.parametrize(("name", "pace"), [("burst-3x", 3), ("burst-10x", 10)])
@pytest.mark.parametrize("down", [32_000, 8000])
def test_a_burst_is_held_for_a_second_and_comes_faster_than_it_is_played(
    name: str, pace: int, down: int
) -> None:
    network = network_named(name, down=down)
    at = arrivals(network.down, down // 50)
    steps = [after - before for before, after in pairwise(at)]
    within = [step for step in steps if step < 0.1]
    assert within == pytest.approx([0.02 / pace] * len(within))
    assert at[0] == pytest.approx(1.03 + 0.02 / pace)
    assert len(steps) - len(within) == 58  # a minute of speech, held for a second each time
    assert max(delays(network.down, down // 50)) < 1.04
    assert delays(network.up) == pytest.approx([0.03] * len(SENT))


@pytest.mark.parametrize("down", [32_000, 8000])
def test_what_is_no_sound_is_not_held(down: int) -> None:
    timetable = Timetable(network_named("burst-3x", down=down).down, (0, "down"), 0.0)
    pong, message = timetable.due(1.0, 4), timetable.due(1.5, 2 + down // 50)
    assert pong == pytest.approx(1.03, abs=0.001)
    assert message == pytest.approx(2.53, abs=0.01)


def test_what_is_throttled_has_room_for_a_quarter_more_than_sound_needs() -> None:
    network = network_named("throttled")
    assert max(delays(network.down)) == pytest.approx(0.03 + 0.02 / 1.25)
    assert max(delays(network.up, 1920)) == pytest.approx(0.03 + 0.02 / 1.25)
    assert delays(network.down, 2 * MESSAGE)[50] == pytest.approx(0.65, abs=0.05)


def test_a_trace_is_followed_in_both_directions(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_bytes(b"\xef\xbb\xbf30.0\r\n50\n1e2\n\n")
    network = network_named(f"trace:{path}", 3)
    assert network.up == network.down
    assert network.down.trace == Trace((0.03, 0.05, 0.1)) == read_trace(path)


TRACES = {
    "": "1: the trace is empty: give an arrival time in ms in each line",
    "\n\n": "1: the trace is empty: give an arrival time in ms in each line",
    "30\nsoon\n": "2: 'soon' is no time: give one number in ms in each line",
    "30\n\n70\n": "2: '' is no time: give one number in ms in each line",
    "30 50\n": "1: '30 50' is no time: give one number in ms in each line",
    "\0" * 99: f"1: {chr(0) * 40 + '...'!r} is no time: give one number in ms in each line",
    "30\n-1\n": "2: the arrival time is -1 ms: times count from the beginning, and are not negative",
    "30\nnan\n": "2: the arrival time is nan: give milliseconds",
    "30\n1e999\n": "2: the arrival time is inf: give milliseconds",
    "3600001\n": "1: the arrival time is 3600001 ms, more than an hour after it was sent (0 ms): take off the "
    "same from all",
    "90\n80\n": "2: the arrival time is 80 ms, before the one that was sent earlier (90 ms): messages keep their order",
    "0\n10\n": "2: the arrival time is 10 ms, before it was sent (20 ms): add the same to all",
}


@pytest.mark.parametrize(("text", "told"), TRACES.items(), ids=range(len(TRACES)))
def test_what_is_no_trace_is_told_with_file_and_line(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.txt"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        network_named(f"trace:{path}")
    assert str(caught.value) == f"{path}:{told}"


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    huge = tmp_path / "huge.txt"
    with huge.open("wb") as file:
        file.truncate(1 << 30)
    told = {
        tmp_path: "is no trace, but a folder or a device",
        os.devnull: "is no trace, but a folder or a device",
        tmp_path / "none.txt": "cannot be read: [Errno 2]",
        "a\0b": "cannot be read: ",
        huge: "is too long for a trace: give at most 32 MiB",
        "": "wants a file, as in trace:FILE",
    }
    for path, words in told.items():
        with pytest.raises(UsageError) as caught:
            network_named(f"trace:{path}")
        assert words in str(caught.value)


@pytest.mark.parametrize("name", ["", "Steady", "burst", "trace", "\ud800"])
def test_an_unknown_name_is_told_with_those_that_are_known(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        network_named(name)
    assert repr(name) in str(caught.value)
    assert all(known in str(caught.value) for known in [*NETWORKS, "trace:FILE"])


@pytest.mark.parametrize("byterate", [0, -1, float("nan"), float("inf")])
def test_a_speed_of_sound_that_cannot_be_is_refused(byterate: float) -> None:
    for speeds in ({"up": byterate}, {"down": byterate}):
        with pytest.raises(ValueError, match="is no number of bytes in a second of sound"):
            network_named("steady", **speeds)


@pytest.mark.parametrize("arrivals", [(), (0.1, 0.05), (-0.1,), (float("nan"),), (0.0, 0.01)])
def test_a_trace_that_cannot_be_is_refused(arrivals: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="arrival"):
        Trace(arrivals)


def test_the_help_of_the_command_names_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        make_parser().parse_args(["demo", "--help"])
    words = "".join(capsys.readouterr().out.split())  # it breaks lines within a name, too
    assert "between:" + ",".join(NETWORKS) in words


@pytest.mark.parametrize("name", ["jitter", "burst-3x"])
async def test_real_sockets_keep_to_the_timetable(name: str, fast_clock: UnhurriedClock) -> None:
    network = network_named(name)
    count = 60
    async with between(network) as ends:
        (connection,) = ends.proxy._open
        began = connection.down._timetable._began
        sent: list[float] = []

        async def speak() -> None:
            for _ in range(count):
                sent.append(trio.current_time())
                await ends.server.send_all(bytes([len(sent)]) * MESSAGE)
                await trio.sleep(0.02)

        late = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(speak)
            timetable = Timetable(network.down, (0, "down"), began)
            for number in range(count):
                assert await read(ends.client, MESSAGE) == bytes([number + 1]) * MESSAGE
                late.append(trio.current_time() - timetable.due(sent[number], MESSAGE))
    assert min(late) >= -1e-9
    # Within two messages: a busy machine takes a message late from its socket.
    assert sorted(late)[count // 2] < 0.04
