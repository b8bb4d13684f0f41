"""What must hold of the compiled engine on the generated traces, each with a verdict and what was seen."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from playout_players import Watched, watch_engine
from playout_score import BLOCK, account
from playout_traces import Laid, Speech, Trace

FIRST_SOUND = 60 + BLOCK  # ms after the first message at the latest, of what comes ahead of time
SPARE = (
    20 + BLOCK
)  # ms above the target, of which 20 are a message: what is there between two arrivals


class Verdict(NamedTuple):
    holds: bool
    seen: str


def _frames(watched: Watched) -> dict[str, int]:
    """Of what was done, as the log tells it."""
    done = dict.fromkeys(("remove", "insert", "cut", "hold"), 0)
    for kind, a, n in watched.pieces:
        if kind in done:
            done[kind] += a if kind == "hold" else n
    return done


def _gaps(laid: Laid, watched: Watched) -> list[float]:
    return account(laid, watched.played).gaps


def is_exact(laid: Laid, watched: Watched) -> Verdict:
    """Ahead of time: bit for bit, nothing stretched, soon."""
    begin = int(np.argmax(watched.output != 0)) if watched.output.any() else 0
    said = int(np.argmax(laid.samples != 0))
    output = watched.output[begin - said :]
    same = np.array_equal(output[: len(laid.samples)], laid.samples)
    first = int(np.argmax(watched.played.sounded)) * BLOCK + watched.played.first - laid.arrivals[0]
    touched = sum(_frames(watched).values())
    exact = "bit-exact" if same else "NOT exact"
    holds = same and not touched and first <= FIRST_SOUND
    return Verdict(holds, f"{exact}, {touched} frames touched, first sound after {first:.0f} ms")


def repaid(watched: Watched, since: float, until: float) -> float:
    """ms from `since` to the last time before `until` at which more is queued than wanted."""
    now = watched.played.now
    over = np.array([state.queued > state.target + SPARE for state in watched.states])
    late = now[over & (now > since) & (now <= until)]
    return float(late[-1] - since) if len(late) else 0.0


def is_repaid_within(limit: float) -> Callable[[Laid, Watched], Verdict]:
    """The delay that each stall left is gone so many ms after its end."""

    def check(laid: Laid, watched: Watched) -> Verdict:
        arrived, counts = np.unique(laid.arrivals, return_counts=True)
        ends = arrived[counts > 10].tolist()
        ends_of_time = [*(end - 2000.0 for end in ends[1:]), np.inf]
        took = [repaid(watched, end, until) for end, until in zip(ends, ends_of_time, strict=True)]
        gaps = _gaps(laid, watched)
        told = "/".join(f"{ms / 1000:.1f}" for ms in took)
        holds = max(took) <= limit and len(gaps) <= len(ends)
        return Verdict(holds, f"repaid after {told} s of {limit / 1000:g}, gaps {_told(gaps)}")

    return check


def keeps_up(laid: Laid, watched: Watched) -> Verdict:
    """A slow producer: no gap over 60 ms."""
    gaps = _gaps(laid, watched)
    return Verdict(max(gaps, default=0.0) <= 60, f"gaps {_told(gaps)}, {_done(watched)}")


def does_not_grow(laid: Laid, watched: Watched) -> Verdict:
    """Drift: no gap, no growth."""
    gaps, most = _gaps(laid, watched), max(state.queued for state in watched.states)
    return Verdict(
        not gaps and most <= 80,
        f"gaps {_told(gaps)}, queued at most {most:.0f} ms, {_done(watched)}",
    )


def is_not_trimmed(laid: Laid, watched: Watched) -> Verdict:
    """Turns ahead of time: nothing removed, nothing cut."""
    gaps, done = _gaps(laid, watched), _frames(watched)
    holds = not gaps and not done["remove"] and not done["cut"]
    return Verdict(holds, f"gaps {_told(gaps)}, {_done(watched)}")


def is_paid_out(laid: Laid, watched: Watched) -> Verdict:
    """A lead of a paced sender: not kept."""
    gaps = _gaps(laid, watched)
    took = repaid(watched, laid.arrivals[0], np.inf)
    holds = not gaps and took < 0.5 * (laid.arrivals[-1] - laid.arrivals[0])
    return Verdict(
        holds, f"paid out after {took / 1000:.1f} s, gaps {_told(gaps)}, {_done(watched)}"
    )


def _told(gaps: list[float]) -> str:
    return f"{len(gaps)} of at most {max(gaps):.0f} ms" if gaps else "none"


def _done(watched: Watched) -> str:
    done = {kind: round(frames / 16) for kind, frames in _frames(watched).items() if frames}
    return ", ".join(f"{kind} {ms} ms" for kind, ms in done.items()) or "nothing done"


CHECKS: dict[str, Callable[[Laid, Watched], Verdict]] = {
    "burst": is_exact,
    "stall-500": is_repaid_within(5500),
    "stall-1000": is_repaid_within(5500),
    "stall-2000": is_repaid_within(11_000),
    "begin-1000-nothing-before": is_repaid_within(7000),
    "begin-1000": is_repaid_within(5500),
    "slow": keeps_up,
    "drift": does_not_grow,
    "turns": is_not_trimmed,
    "lead": is_paid_out,
}
"""By how the name of a trace begins; the first that fits."""


def verdict(trace: Trace, speech: Speech, phase: int = 0) -> Verdict | None:
    for name, check in CHECKS.items():
        if trace.name.startswith(name):
            laid = trace.lay(speech, phase)
            return check(laid, watch_engine(laid))
    return None
