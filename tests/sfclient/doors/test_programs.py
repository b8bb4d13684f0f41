"""A program that ends without leaving the block ends all the same, and so does its call."""

import random
import signal

import pytest

from ..conftest import listen
from .far_side import open_far_side
from .programs import PROGRAMS, run

LONG = 3600.0  # of a session, in seconds: a process takes its time to begin


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if program.is_slow else [])
        for name, program in PROGRAMS.items()
    ],
)
def test_a_program_that_ends_without_leaving_the_block(name: str) -> None:
    program = PROGRAMS[name]
    with open_far_side(listen, token_lifetime=LONG) as far:
        url = far.do(far.simulator.new_session_url)
        done = run(program.text, url, program.interrupt)
        for number in range(len(far.simulator.calls)):
            assert far.ended(number).ended.by == "client"
    assert done.status == program.status, done
    assert tuple(done.printed[: len(program.printed)]) == program.printed, done
    assert program.told in done.told
    assert bool(done.told) == bool(program.told), done.told
    assert "Fatal Python error" not in done.told
    assert "Exception ignored" not in done.told


WAITING = {
    "blocking": """
        print("begun", flush=True)
        with blocking.open_call(url, audio) as call:
            for event in call:
                pass
        """,
    "asyncio": """
        async def main():
            print("begun", flush=True)
            async with aio.open_call(url, audio) as call:
                async for event in call:
                    pass

        asyncio.run(main())
        """,
}


@pytest.mark.slow
@pytest.mark.parametrize("door", WAITING)
def test_ctrl_c_at_any_moment_ends_a_program(door: str) -> None:
    chance = random.Random(17)
    with open_far_side(listen, token_lifetime=LONG) as far:
        for _ in range(30):
            url = far.do(far.simulator.new_session_url)
            done = run(WAITING[door], url, True, chance.uniform(0, 0.1))
            assert done.status == -signal.SIGINT, done
            assert done.told.endswith("KeyboardInterrupt"), done
        for number in range(len(far.simulator.calls)):
            far.ended(number)
