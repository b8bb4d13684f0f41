"""A conversation by a script, with an agent."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sfclient._events import Event
from sfclient._session import GetSession, Session
from sfclient.testing.script._model import Script
from sfclient.testing.script._outcome import Outcome


async def hold_conversation(
    script: Script,
    session: Session | GetSession | str,
    *,
    folder: str | Path | None = None,
    on_event: Callable[[Event], None] | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
    **options: Any,
) -> Outcome:
    """Hold it, and say what became of it."""
    raise NotImplementedError
