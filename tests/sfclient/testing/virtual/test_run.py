"""A run on the virtual clock is the same twice, and time stands while anything else than time is waited for."""

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from sfclient import Audio, AudioFileError, MemoryInput, open_call
from sfclient.simulator import EchoAgent, SimulatedCall
from sfclient.testing import open_memory_agent, run_virtually
from sfclient.testing.virtual import _clock, _scheduling

from . import conversation


async def scheduling() -> list[int]:
    """In which order tasks run that are due at the same time."""
    order = []

    async def task(number: int) -> None:
        for _ in range(3):
            await trio.sleep(0.01)
            order.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(8):
            nursery.start_soon(task, number)
    return order


def test_the_order_of_tasks_hangs_on_the_seed_alone():
    first = run_virtually(scheduling, seed=1)
    random.random()
    assert run_virtually(scheduling, seed=1) == first
    assert run_virtually(scheduling, seed=2) != first


def test_without_a_seed_the_oldest_task_is_the_first():
    assert run_virtually(scheduling) == [*range(8)] * 3


@pytest.mark.parametrize("dialect", ["widget", "ws-media"])
def test_who_looks_on_changes_nothing(dialect, tmp_path):
    """A conversation that is recorded and watched is the same conversation."""
    options = {"record": tmp_path / "both.wav", "timeline": True, "tap": True}
    plain = run_virtually(conversation.converse, dialect, 6.0, conversation.NETWORK)
    converse = partial(conversation.converse, **options)
    assert run_virtually(converse, dialect, 6.0, conversation.NETWORK) == plain


@pytest.mark.parametrize("rests", ["never", "when there is no room"])
def test_an_agent_who_never_rests_does_not_hold_time_for_ever(rests, monkeypatch):
    monkeypatch.setattr(_clock, "LONGEST_MOMENT", 2000)

    async def agent(call: SimulatedCall) -> None:
        while rests == "never":
            await trio.lowlevel.checkpoint()
        while True:
            await call.send("x" * 1000)

    async def main() -> str:
        async with (
            open_memory_agent(agent) as there,
            open_call(there.session(), Audio("none", "none"), max_seconds=1) as call,
        ):
            return (await call.wait_ended()).reason

    assert run_virtually(main) == "its 1 s were over"


def test_the_module_random_hangs_on_the_seed_and_is_as_it_was_afterwards():
    async def draw() -> float:
        return random.random()

    random.seed(5)
    drawn = [run_virtually(draw), run_virtually(draw), run_virtually(draw, seed=1)]
    assert drawn[0] == drawn[1] != drawn[2]
    after = random.random()
    random.seed(5)
    assert random.random() == after


@pytest.mark.parametrize("dialect", ["widget", "ws-media"])
@pytest.mark.parametrize("network", [None, conversation.NETWORK], ids=["", "network"])
def test_a_conversation_is_the_same_twice(dialect, network):
    hashes = {run_virtually(conversation.converse, dialect, 6.0, network) for _ in range(2)}
    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("minutes", "hash_seeds"),
    [(0.1, "1"), pytest.param(60, "12", marks=pytest.mark.slow)],
    ids=["seconds", "an hour"],
)
def test_a_conversation_is_the_same_in_another_process(minutes, hash_seeds):
    folder = Path(__file__).parent
    here = run_virtually(conversation.converse, "widget", 60 * minutes, conversation.NETWORK)
    command = [sys.executable, str(folder / "conversation.py"), "widget", str(minutes)]
    there = [
        subprocess.run(
            command,
            env=os.environ | {"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for seed in hash_seeds
    ]
    assert there == [here] * len(there)


def test_hours_pass_at_once():
    async def sleep() -> float:
        await trio.sleep(3 * 3600)
        with trio.move_on_after(3600):
            await trio.sleep_forever()
        return trio.current_time()

    began = time.monotonic()
    assert run_virtually(sleep) == 4 * 3600
    assert time.monotonic() - began < 60  # of 14400


async def with_a_limit(work) -> str:
    """Whether a limit in time of a second was kept."""
    with trio.move_on_after(1):
        await work()
        return "done"
    return "too late"


def test_time_stands_while_a_thread_works():
    async def work() -> None:
        await trio.to_thread.run_sync(time.sleep, 0.02, abandon_on_cancel=True)

    assert run_virtually(with_a_limit, work) == "done"


def test_time_stands_while_a_socket_is_waited_for():
    def answer() -> None:
        time.sleep(0.02)
        theirs.send(b"there")

    async def work() -> None:
        thread = threading.Thread(target=answer)  # none of trio's
        thread.start()
        async with trio.SocketStream(trio.socket.from_stdlib_socket(ours)) as stream:
            assert await stream.receive_some() == b"there"
        thread.join()

    ours, theirs = socket.socketpair()
    with theirs:
        assert run_virtually(with_a_limit, work) == "done"


def test_a_thread_that_never_ends_is_not_waited_for_for_ever(monkeypatch):
    monkeypatch.setattr(_clock, "PATIENCE_SECONDS", 0.02)
    release = threading.Event()

    async def work() -> None:
        await trio.to_thread.run_sync(release.wait, abandon_on_cancel=True)

    try:
        assert run_virtually(with_a_limit, work) == "too late"
    finally:
        release.set()


def test_who_waits_until_all_tasks_are_blocked_is_woken_in_time():
    async def main() -> float:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 5)
            await trio.testing.wait_all_tasks_blocked()
            return trio.current_time()

    assert run_virtually(main) == 0


def test_files_are_written_as_ever_and_without_a_thread(tmp_path):
    began = []

    async def main() -> None:
        path = tmp_path / "both.wav"
        microphone = MemoryInput(conversation.voice(3, 48_000, 300))
        async with (
            open_memory_agent(EchoAgent()) as there,
            open_call(
                there.session(),
                Audio(microphone, tmp_path / "agent.wav"),
                record=path,
                max_seconds=4,
            ) as call,
        ):
            began.extend(threading.enumerate())
            await call.wait_ended()

    before = threading.enumerate()
    recordings = []
    for _ in range(2):
        run_virtually(main)
        recordings.append([(tmp_path / name).read_bytes() for name in ("both.wav", "agent.wav")])
    assert recordings[0] == recordings[1]
    assert [len(recording) > 120_000 for recording in recordings[0]] == [True, True]
    assert not {thread.name for thread in began} - {thread.name for thread in before}


def test_a_disk_that_is_full_is_told_though_nobody_writes_beside(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise AudioFileError("the disk is full")

    monkeypatch.setattr("sfclient._devices._wav_writer.WavWriter.write", full)

    async def main() -> None:
        async with (
            open_memory_agent(EchoAgent()) as there,
            open_call(
                there.session(), Audio("none", "none"), record=tmp_path / "both.wav", max_seconds=1
            ) as call,
        ):
            await call.wait_ended()

    with pytest.raises(AudioFileError, match="the disk is full"):
        run_virtually(main)


def test_one_virtual_run_at_a_time():
    async def main() -> None:
        with pytest.raises(RuntimeError, match="another virtual run is under way"):
            await trio.to_thread.run_sync(run_virtually, trio.sleep, 1)

    run_virtually(main)


def test_what_it_raises_is_raised_and_nothing_of_it_is_left():
    switch = getattr(trio._core._run, _scheduling.SWITCH)
    chance = getattr(trio._core._run, _scheduling.CHANCE)

    async def main() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_virtually(main)
    assert getattr(trio._core._run, _scheduling.SWITCH) is switch
    assert getattr(trio._core._run, _scheduling.CHANCE) is chance


def test_ctrl_c_ends_it():
    async def main() -> None:
        await trio.sleep(1)
        signal.raise_signal(signal.SIGINT)
        await trio.sleep_forever()

    # In the background it is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_virtually(main)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("name", [_scheduling.SWITCH, _scheduling.CHANCE])
def test_a_trio_that_cannot_be_seeded_is_refused_by_name(name, monkeypatch):
    monkeypatch.delattr(trio._core._run, name)
    with pytest.raises(RuntimeError, match=f"trio {trio.__version__} has no {name} any more"):
        run_virtually(trio.sleep, 1)
    monkeypatch.undo()
    run_virtually(trio.sleep, 1)
