"""Sessions whose call waits to be started, each under a word that is good once."""

import secrets

from sfclient import Session

HANDLE_SECONDS = 60.0  # to open a websocket, on a phone, in a train


class Handles:
    """They are kept for a minute. How many there are is bounded by how often sessions are given out."""

    def __init__(self) -> None:
        self._sessions: dict[str, tuple[float, Session]] = {}

    def give(self, session: Session, now: float) -> str:
        """A word that nobody can guess, and that tells nothing."""
        self._forget(now)
        handle = secrets.token_urlsafe(32)
        self._sessions[handle] = now + HANDLE_SECONDS, session
        return handle

    def take(self, handle: str, now: float) -> Session | None:
        """The session, once; None if there is none under this word, or none any more."""
        self._forget(now)
        _, session = self._sessions.pop(handle, (0.0, None))
        return session

    def _forget(self, now: float) -> None:
        kept = {handle: entry for handle, entry in self._sessions.items() if entry[0] > now}
        self._sessions = kept

    def __len__(self) -> int:
        return len(self._sessions)
