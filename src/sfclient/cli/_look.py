"""A look at a call: what a screen shows of it at this moment."""

from operator import attrgetter

from sfclient._interface import Call
from sfclient.cli._facts import Facts, Late, Snapshot, State
from sfclient.cli._keys import Key, shown


def look_at(
    call: Call | None, facts: Facts, title: str, now: float, keys: list[Key], is_ending: bool
) -> Snapshot:
    """At `now`, in seconds since the call was begun; None is one that is still being set up."""
    pressed = shown(keys, call)
    if call is None:
        return Snapshot(title, now, State.ENDING if is_ending else State.CONNECTING, keys=pressed)
    levels, network = call.levels(), call.network()
    return Snapshot(
        title,
        now,
        State.ENDING if is_ending else facts.state(call.muted),
        facts.side("caller", *levels.caller, now),
        facts.side("agent", *levels.agent, now),
        facts.answers(),
        network.queued_seconds,
        network.delay_seconds,
        Late(
            network.late,
            network.longest_gap_seconds,
            network.down_stalls + network.up_stalls,
            network.down_stalled_seconds + network.up_stalled_seconds,
        ),
        troubles=facts.troubles(now),
        notes=tuple(sorted(facts.notes, key=attrgetter("at"))),  # some are found out late
        keys=pressed,
        echo=call.echo(),
    )
