"""The laboratory of playout: the compiled engine beside its competitors, on a virtual clock. Run by `python3 dev.py playout`.

A trace says when each message of 20 ms arrives; `--traces DIR` names a folder of them (NAME.txt, line k the arrival of
message k in ms), without it there are generated ones: stalls, bursts, drift and so on, one thing at a time. Speech is
in turns of 3.6 s with pauses of 1.4 s, in which silence is sent; it begins at several phases of that pattern.

`adaptive` is the compiled engine on samples; `lossless` (60 ms of prefill), `browser` (none) and `fifo-N` the jitter
buffer. The others are laws of where the media stands: `neteq`, a model of WebRTC's; `segment-300`, what comes to an
empty player is scheduled 300 ms ahead; `growing-600`, 600 ms are gathered, and 300 ms more after each underrun, up to
1.5 s; `fixed-1200`, 1.2 s are gathered. What is counted is told in `playout_score.py`.
"""

import argparse
import json
from collections.abc import Sequence
from functools import partial
from multiprocessing import Pool
from pathlib import Path

from playout_players import POLICIES
from playout_score import Score, account, against_neteq, pooled, rows_of, table
from playout_traces import Speech, Trace, bundled_speech, chosen, generated, recorded, speech_of

PHASES = (0, 1250, 2500, 3750)

Scores = dict[tuple[str, str], Score]


def score(job: tuple[Trace, int], speech: Speech, policies: Sequence[str]) -> tuple[str, list[Score]]:
    trace, phase = job
    laid = trace.lay(speech, phase)
    return trace.name, [account(laid, POLICIES[policy](laid)) for policy in policies]


def measure(traces: list[Trace], speech: Speech, policies: Sequence[str], phases: Sequence[int]) -> Scores:
    """Every trace under every policy, all phases together."""
    jobs = sorted(((trace, phase) for trace in traces for phase in phases), key=lambda job: -job[0].minutes)
    scores = {(trace.name, policy): Score() for trace in traces for policy in policies}
    with Pool() as pool:
        for name, found in pool.imap_unordered(partial(score, speech=speech, policies=policies), jobs):
            for policy, one in zip(policies, found, strict=True):
                scores[name, policy] += one
    return scores


def show(traces: list[Trace], policies: Sequence[str], scores: Scores, judged: bool) -> None:
    """The tables, by family and by trace; limits where the traces are recorded ones."""
    families: dict[str, list[str]] = {}
    for trace in traces:
        families.setdefault(trace.family, []).append(trace.name)
    rows = []
    for family, names in families.items():
        figures = {policy: pooled([scores[name, policy] for name in names]) for policy in policies}
        for policy, row in figures.items():
            remark = ""
            if judged and policy == "adaptive" and "neteq" in figures:
                remark = against_neteq(family, row, figures["neteq"])
            rows.append((family, policy, row, remark))
    print(table("trace", ((n, p, one.row() | {"impairment": one.impairment}, "") for (n, p), one in scores.items())))
    print()
    print(table("family", rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--traces", type=Path, metavar="DIR", help="recorded traces, in place of generated ones")
    parser.add_argument("--only", nargs="+", default=[""], metavar="NAME", help="traces whose names begin so")
    parser.add_argument("--speech", type=Path, metavar="FILE.wav", help="in a loop, in place of the bundled voice")
    parser.add_argument("--noise", type=float, metavar="DBFS", help="of a room, under the speech")
    parser.add_argument("--policy", nargs="+", choices=POLICIES, default=list(POLICIES), metavar="NAME")
    parser.add_argument("--phases", type=int, nargs="+", default=PHASES, metavar="MS", help="in steps of 10")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="pictures, one a family, and a time line")
    args = parser.parse_args()

    traces = chosen(recorded(args.traces) if args.traces else generated(), args.only)
    speech = speech_of(args.speech) if args.speech else bundled_speech()
    if args.noise is not None:
        speech = speech.with_noise(args.noise)
    scores = measure(traces, speech, args.policy, args.phases)
    show(traces, args.policy, scores, judged=args.traces is not None)
    if args.json:
        args.json.write_text(json.dumps(rows_of(scores), indent=1) + "\n")


if __name__ == "__main__":
    main()
