"""A load over processes, for real: what is placed, what is measured, and what a worker costs that is killed."""

import os
import signal

import psutil
import pytest
import trio

from sfclient.simulator import CallEndedError, SimulatedCall, open_simulator
from sfclient.testing.load import Load, LoadReport, Progress, hold_load
from sfclient.testing.script import Hear, Hold, Script

from ...conftest import noise

CALLS = 6
GREETING = noise(0.4, 16_000)


async def greet(call: SimulatedCall) -> None:
    await call.client_ready()
    try:
        await call.send_audio(GREETING)
        await call.wait_ended()
    except CallEndedError:
        pass


def worker_processes() -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills a process")
async def test_a_worker_that_is_killed_costs_its_own_calls_which_are_not_placed_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # It is to be killed while it holds calls, and what is told of them is as old as all waits together.
    monkeypatch.setattr("sfclient.testing.load._hold.PROGRESS_SECONDS", 0.1)
    monkeypatch.setattr("sfclient.testing.load._following.NEWS_SECONDS", 0.1)
    killed: list[int] = []

    def kill_one(progress: Progress) -> None:
        if progress.placed == CALLS and not killed:
            killed.append(worker_processes()[0].pid)
            os.kill(killed[0], signal.SIGKILL)

    async with open_simulator(greet) as simulator:
        monkeypatch.setenv("SYNTHFLOW_API_KEY", simulator.key)
        load = Load(
            Script("is greeted", [Hear(3.0), Hold(2.0)]),
            "agent",
            calls=CALLS,
            seconds=30,
            rate=50,
            in_all=CALLS,
            order={"base_url": simulator.base_url},
        )
        with trio.fail_after(50):
            report: LoadReport = await hold_load(load, workers=2, on_progress=kill_one)
        assert len(simulator.calls) == report.placed == CALLS
    assert not worker_processes()
    (lost,) = (worker for worker in report.workers if worker.lost)
    assert lost.lost == "its process is gone"
    assert (lost.lost_calls, report.lost_calls) == (3, 3)
    assert report.all.counts["passed"] == 3
    assert not report.passed
    assert len(report.all.times["connect"]) == len(report.all.times["ready"]) == 3
