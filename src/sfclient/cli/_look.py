"""A look at a call: what a screen shows of it at this moment."""

from sfclient._call import Call
from sfclient.cli import _keys
from sfclient.cli._facts import Facts, Side, Snapshot, State


def look_at(call: Call | None, facts: Facts, title: str, now: float, is_ending: bool) -> Snapshot:
    """At `now`, in seconds since the call was begun; None is one that is still being set up."""
    keys = _keys.shown(call)
    if call is None:
        return Snapshot(title, now, State.ENDING if is_ending else State.CONNECTING, keys=keys)
    state = State.ENDING if is_ending else facts.state(call.muted)
    return Snapshot(
        title,
        now,
        state,
        Side(speaks=facts.speaks["caller"]),
        Side(speaks=facts.speaks["agent"]),
        facts.answers(),
        late=facts.late,
        troubles=facts.troubles(now),
        notes=tuple(facts.notes),
        keys=keys,
    )
