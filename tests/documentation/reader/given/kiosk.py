"""What pieces of a kiosk's program take from the rest of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sfclient import Audio, request_session


@asynccontextmanager
async def session() -> AsyncIterator[dict[str, Any]]:
    """A session of the service, and sound from nowhere; looks at what came of a call that is left in `events`."""
    names: dict[str, Any] = {
        "session": await request_session("ASSISTANT_ID", api_key="..."),
        "audio": Audio("none", "none"),
    }
    yield names
    assert "Disconnected" in f"{names['events'][-1]!r}"
