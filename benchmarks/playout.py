"""The laboratory of playout: the compiled engine beside competitors, on a virtual clock. `python3 dev.py playout`.

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

from playout_checks import verdict
from playout_players import POLICIES
from playout_score import Score, account, against_neteq, pooled, rows_of, table
from playout_traces import Speech, Trace, bundled_speech, chosen, generated, recorded, speech_of

PHASES = (0, 1250, 2500, 3750)  # ms
NOISE_MEAN, NOISE_P95 = 0.10, 0.30  # by what share noise may change delays

Scores = dict[tuple[str, str], Score]


def score(
    job: tuple[Trace, int], speech: Speech, policies: Sequence[str]
) -> tuple[str, list[Score]]:
    trace, phase = job
    laid = trace.lay(speech, phase)
    return trace.name, [account(laid, POLICIES[policy](laid)) for policy in policies]


def measure(
    traces: list[Trace], speech: Speech, policies: Sequence[str], phases: Sequence[int]
) -> Scores:
    """Every trace under every policy, all phases together."""
    jobs = sorted(
        ((trace, phase) for trace in traces for phase in phases), key=lambda job: -job[0].minutes
    )
    scores = {(trace.name, policy): Score() for trace in traces for policy in policies}
    with Pool() as pool:
        for name, found in pool.imap_unordered(
            partial(score, speech=speech, policies=policies), jobs
        ):
            for policy, one in zip(policies, found, strict=True):
                scores[name, policy] += one
    return scores


def families_of(traces: list[Trace]) -> dict[str, list[str]]:
    families: dict[str, list[str]] = {}
    for trace in traces:
        families.setdefault(trace.family, []).append(trace.name)
    return families


def figures_of(
    names: list[str], policies: Sequence[str], scores: Scores
) -> dict[str, dict[str, float]]:
    return {policy: pooled([scores[name, policy] for name in names]) for policy in policies}


def show(traces: list[Trace], policies: Sequence[str], scores: Scores, is_recorded: bool) -> None:
    """The tables, by trace and by family."""
    for title, groups in (
        ("trace", {trace.name: [trace.name] for trace in traces}),
        ("family", families_of(traces)),
    ):
        rows = []
        for name, members in groups.items():
            figures = figures_of(members, policies, scores)
            for policy, row in figures.items():
                is_judged = (
                    policy == "adaptive"
                    and "neteq" in figures
                    and (title == "family" or not is_recorded)
                )
                remark = (
                    against_neteq(name, row, figures["neteq"], is_recorded) if is_judged else ""
                )
                rows.append((name, policy, row, remark))
        print(table(title, rows), flush=True)
        print()


def plot(
    folder: Path, traces: list[Trace], speech: Speech, policies: Sequence[str], scores: Scores
) -> None:
    """One picture a family, and a time line of a stall."""
    from playout_plots import timeline, trade

    folder.mkdir(parents=True, exist_ok=True)
    for family, names in families_of(traces).items():
        trade(family, figures_of(names, policies, scores), folder / f"{family}.png")
    stalled = {trace.name: trace for trace in traces if not trace.is_ahead and trace.turns is None}
    worst = stalled.get("stall-1000-continuous") or next(iter(stalled.values()), None)
    if worst:
        timeline(worst, speech, folder / f"timeline-{worst.name}.png")


def show_noise(traces: list[Trace], scores: Scores, quiet: Scores) -> None:
    """Adaptive with noise beside the same without."""
    print(f"{'with noise, to without':36}{'mean':>8}{'p95':>8}")
    for family, names in families_of(traces).items():
        noisy = figures_of(names, ["adaptive"], scores)["adaptive"]
        without = figures_of(names, ["adaptive"], quiet)["adaptive"]
        mean, p95 = (noisy[key] / without[key] for key in ("delay_mean_ms", "delay_p95_ms"))
        holds = abs(mean - 1) <= NOISE_MEAN and abs(p95 - 1) <= NOISE_P95
        print(f"{family:36}{mean:8.2f}{p95:8.2f}  {'ok' if holds else 'FAULT'}")
    print()


def show_verdicts(traces: list[Trace], speech: Speech) -> None:
    """What must hold of the compiled engine, one thing at a time."""
    with Pool() as pool:
        for trace, seen in zip(
            traces, pool.map(partial(verdict, speech=speech), traces, chunksize=1), strict=True
        ):
            if seen:
                print(f"{'ok   ' if seen.holds else 'FAULT'} {trace.name:36} {seen.seen}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--traces", type=Path, metavar="DIR", help="recorded traces, in place of generated ones"
    )
    parser.add_argument(
        "--only", nargs="+", default=[""], metavar="NAME", help="traces whose names begin so"
    )
    parser.add_argument(
        "--speech", type=Path, metavar="FILE.wav", help="in a loop, in place of the bundled voice"
    )
    parser.add_argument("--noise", type=float, metavar="DBFS", help="of a room, under the speech")
    parser.add_argument(
        "--policy", nargs="+", choices=POLICIES, default=list(POLICIES), metavar="NAME"
    )
    parser.add_argument(
        "--phases", type=int, nargs="+", default=PHASES, metavar="MS", help="in steps of 10"
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument(
        "--plots", type=Path, metavar="DIR", help="pictures, one a family, and a time line"
    )
    args = parser.parse_args()

    if args.json and not args.json.absolute().parent.is_dir():
        parser.error(f"there is no folder {args.json.parent} to write {args.json.name} to")
    policies = list(dict.fromkeys(args.policy))
    traces = chosen(recorded(args.traces) if args.traces else generated(), args.only)
    if not traces:
        parser.error(f"no trace has a name that begins with {' or '.join(args.only)}")
    quiet = speech = speech_of(args.speech) if args.speech else bundled_speech()
    if args.noise is not None:
        speech = quiet.with_noise(args.noise)
    scores = measure(traces, speech, policies, args.phases)
    if args.json:
        args.json.write_text(json.dumps(rows_of(scores), indent=1) + "\n")
    show(traces, policies, scores, is_recorded=args.traces is not None)
    if args.noise is not None and "adaptive" in policies:
        show_noise(traces, scores, measure(traces, quiet, ["adaptive"], args.phases))
    if args.plots:
        plot(args.plots, traces, speech, policies, scores)
    if not args.traces and "adaptive" in policies:
        show_verdicts(traces, speech)


if __name__ == "__main__":
    main()
