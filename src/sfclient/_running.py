"""Time in which the program ran: what a busy, stopped or suspended program slept through counts against nobody."""

import trio

LATE = 1.5  # times as long as it should have slept, a program was kept from running


async def sleep_on_time(seconds: float) -> bool:
    """Sleep; whether the program was woken in time."""
    began = trio.current_time()
    await trio.sleep(seconds)
    return trio.current_time() < began + LATE * seconds
