"""What can be pressed on the live screen while a call lasts."""

from collections.abc import Callable
from typing import NamedTuple

from sfclient._call import Call

HANG_UP = "q"


def mute(call: Call) -> None:
    """Or the other way round."""
    call.mute(not call.muted)


class Key(NamedTuple):
    word: str
    """What it is called on the screen."""
    act: Callable[[Call], object]


KEYS = {
    "m": Key("mute", mute),
    "i": Key("interrupt", Call.flush),
    HANG_UP: Key("hang up", Call.hang_up),
}


def shown(call: Call | None) -> tuple[tuple[str, str], ...]:
    """What can be pressed now: before there is a call, only to give it up."""
    if call is None:
        return ((HANG_UP, "give up"),)
    unmute = {"m": "unmute"} if call.muted else {}
    return tuple((letter, unmute.get(letter, key.word)) for letter, key in KEYS.items())
