"""What a listener got: the accounting of the laboratory of playout, the same for every policy.

- *Delay* of a block of speech: when it was played, less when it was due, less the least transit of the trace.
- *Interruption*: 60 ms or more in which speech should have played and did not; 50 ms of playing end it. A turn that
  begins late is no interruption. Of 150 ms or more: those that webrtc-stats would count.
- *Underrun*: each time it ran dry within speech. *Concealed*: what should have been speech and was none, in per cent of
  speech. *Stretched*: 30 ms around each operation in it.
- *Impairment*: ITU-T G.107's of delay (100 ms are for network and devices) and of loss (Bpl of 4.3, G.711).

Rates are per minute of speech, and pooled over a family; delays of a family are means of its traces by minutes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from playout_traces import MESSAGE, Bools, Floats, Laid

BLOCK = 10.0  # ms
LONGEST = 4000  # ms of delay that are told apart


class Played(NamedTuple):
    """What became of a trace, block by block."""

    first: float
    """When the first block was asked for, in ms."""
    position: Floats
    """Of the media in ms: before each block, and after the last."""
    sounded: Bools
    """The whole block was media, or a pause held."""
    stretched: Bools
    """A period was removed or inserted, in speech or in a pause."""

    @property
    def now(self) -> Floats:
        return self.first + BLOCK * np.arange(len(self.sounded))


def _no_delay() -> NDArray[np.int64]:
    return np.zeros(LONGEST, np.int64)


@dataclass
class Score:
    """What is counted; adds up over phases, traces, families."""

    speech_ms: float = 0.0
    interrupted_ms: float = 0.0
    stretched_ms: float = 0.0
    underruns: int = 0
    gaps: list[float] = field(default_factory=list)
    delay: NDArray[np.int64] = field(default_factory=_no_delay)
    """Blocks of speech per ms of delay."""

    def __iadd__(self, other: "Score") -> "Score":
        for name in vars(self):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self

    def interruptions(self, least: float) -> float:
        return sum(gap >= least for gap in self.gaps) / self.minutes

    def percentile(self, percent: float) -> float:
        total = np.cumsum(self.delay)
        return float(np.searchsorted(total, percent / 100 * total[-1]))

    @property
    def minutes(self) -> float:
        return self.speech_ms / 60_000

    @property
    def mean(self) -> float:
        return float(self.delay @ (np.arange(LONGEST) + 0.5) / self.delay.sum())

    @property
    def impairment(self) -> float:
        x = np.log2((100.5 + np.arange(LONGEST)) / 100)
        of_delay = 25 * ((1 + x**6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2)
        lost = 100 * self.interrupted_ms / self.speech_ms
        return float(self.delay @ of_delay / self.delay.sum() + 95 * lost / (lost + 4.3))

    def row(self) -> dict[str, float]:
        """As it is told in JSON."""
        return {
            "minutes": self.minutes,
            "interruptions_per_min": self.interruptions(60),
            "interruptions_150_per_min": self.interruptions(150),
            "underruns_per_min": self.underruns / self.minutes,
            "delay_mean_ms": self.mean,
            "delay_p50_ms": self.percentile(50),
            "delay_p95_ms": self.percentile(95),
            "delay_p99_ms": self.percentile(99),
            "concealed_percent": 100 * self.interrupted_ms / self.speech_ms,
            "stretched_percent": 100 * self.stretched_ms / self.speech_ms,
        }


def account(laid: Laid, played: Played) -> Score:
    message = (played.position / MESSAGE + 1e-9).astype(int)
    blocks = int(
        np.searchsorted(message[:-1], len(laid.due))
    )  # after the last message nothing is due
    sounded, stretched = played.sounded[:blocks], played.stretched[:blocks]
    now, position, message = played.now[:blocks], played.position[:blocks], message[:blocks]
    speech = laid.spoken[message]
    heard = sounded & speech
    first = message[heard]
    delay = now[heard] - (position[heard] - MESSAGE * first) - laid.due[first] - laid.base
    missing = ~sounded & _within_speech(laid, played.position[1 : blocks + 1])
    dry = missing & np.append([False], sounded[:-1])
    return Score(
        speech_ms=BLOCK * int(speech.sum()),
        interrupted_ms=BLOCK * int(missing.sum()),
        stretched_ms=30.0 * int((stretched & speech).sum()),
        underruns=int(dry.sum()),
        gaps=_gaps(sounded, missing),
        delay=np.bincount(np.clip(delay, 0, LONGEST - 1).astype(int), minlength=LONGEST),
    )


def _within_speech(laid: Laid, position: Floats) -> Bools:
    """Whether what comes next is speech, and not the begin of a turn."""
    message = np.minimum((position / MESSAGE + 1e-9).astype(int), len(laid.due) - 1)
    begins = laid.starts[message] & (np.abs(position - MESSAGE * message) < 1e-6)
    ended = position >= MESSAGE * len(laid.due)
    return laid.spoken[message] & ~begins & ~ended


def _gaps(sounded: Bools, missing: Bools) -> list[float]:
    """ms that were missing between two stretches of 50 ms of playing, for all that miss something."""
    played = np.convolve(sounded, np.ones(5))[: len(sounded)] == 5
    group = np.cumsum(played)[missing]
    return [BLOCK * int(count) for count in np.bincount(group) if count] if len(group) else []


# ---- tables


def pooled(scores: Sequence[Score]) -> dict[str, float]:
    """Of a family."""
    total = Score()
    for score in scores:
        total += score
    row = total.row() | {"impairment": total.impairment}
    weights = [score.speech_ms for score in scores]
    for name in row:
        if name.startswith("delay"):
            row[name] = float(np.average([score.row()[name] for score in scores], weights=weights))
    return row


COLUMNS = {
    "interruptions_per_min": ("i60/min", "8.2f"),
    "interruptions_150_per_min": ("i150", "6.2f"),
    "underruns_per_min": ("dry/min", "8.2f"),
    "delay_mean_ms": ("mean", "6.0f"),
    "delay_p50_ms": ("p50", "6.0f"),
    "delay_p95_ms": ("p95", "6.0f"),
    "delay_p99_ms": ("p99", "6.0f"),
    "concealed_percent": ("conc %", "7.2f"),
    "stretched_percent": ("str %", "6.1f"),
    "impairment": ("imp", "7.1f"),
}


def table(title: str, rows: Iterable[tuple[str, str, dict[str, float], str]]) -> str:
    """Of (what, policy, row, remark)."""
    names = "".join(f"{name:>{form.split('.')[0]}}" for name, form in COLUMNS.values())
    lines = [f"{title:36}{'policy':13}{'min':>7}{names}"]
    before = None
    for what, policy, row, remark in rows:
        figures = "".join(f"{row[key]:{form}}" for key, (_, form) in COLUMNS.items())
        lines.append(
            f"{what if what != before else '':36}{policy:13}{row['minutes']:7.1f}{figures}  {remark}".rstrip()
        )
        before = what
    return "\n".join(lines)


def against_neteq(
    family: str, ours: dict[str, float], neteq: dict[str, float], is_recorded: bool
) -> str:
    """Ratios to NetEq, and which limits are broken: those for recorded networks, or no more interruptions."""
    at_most = {"interruptions_per_min": neteq["interruptions_per_min"]}
    if is_recorded:
        for key, share in (("interruptions_per_min", 1.10), ("interruptions_150_per_min", 1.15)):
            at_most[key] = max(neteq[key] * share, neteq[key] + 0.05)
        if family == "cell":  # lower than NetEq's
            at_most["interruptions_per_min"] = np.nextafter(neteq["interruptions_per_min"], 0)
        at_most["delay_mean_ms"] = 1.02 * neteq["delay_mean_ms"]
        share = 0.7 if family in ("lte", "hsr", "ghent") else 1.02
        at_most["delay_p95_ms"] = share * neteq["delay_p95_ms"]
    faults = [
        f"{COLUMNS[key][0]} > {most:.3g}" for key, most in at_most.items() if ours[key] > most
    ]
    told = ("interruptions_per_min", "interruptions_150_per_min", "delay_mean_ms", "delay_p95_ms")
    ratios = (f"{ours[key] / neteq[key]:.2f}" if neteq[key] else "-" for key in told)
    return f"/neteq {' '.join(ratios)}  {'FAULT: ' + ', '.join(faults) if faults else 'ok'}"


def rows_of(scores: dict[tuple[str, str], Score]) -> list[dict[str, Any]]:
    """The JSON."""
    return [
        {"trace": trace, "policy": policy}
        | {name: round(value, 3) for name, value in score.row().items()}
        for (trace, policy), score in scores.items()
    ]
