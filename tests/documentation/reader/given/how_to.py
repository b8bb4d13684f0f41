"""What pieces on the how-to pages take from the rest of their programs."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sfclient import Audio, open_call, request_result, request_session
from sfclient.simulator import EchoAgent, open_simulator

Names = dict[str, Any]
KEY = os.environ["SYNTHFLOW_API_KEY"]


@asynccontextmanager
async def result() -> AsyncIterator[Names]:
    """The `call_id` of a call that is over."""
    numbers = {"from_number": "+49301234", "to_number": "+49305678"}
    session = await request_session("AGENT_ID", api_key=KEY, dialect="ws-media", **numbers)
    async with open_call(session, Audio("none", "none"), max_seconds=1) as call:
        await call.wait_ended()
    names: Names = {"request_result": request_result, "call_id": call.call_id, "key": KEY}
    yield names
    assert names["result"].call_id == call.call_id


@asynccontextmanager
async def simulator() -> AsyncIterator[Names]:
    """A `simulator` that is open."""
    async with open_simulator(EchoAgent()) as simulator:
        audio = Audio("none", "none")
        yield {"simulator": simulator, "audio": audio, "open_call": open_call}
        assert len(simulator.calls) == 1
