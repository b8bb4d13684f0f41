"""How playout sounds around stalls, on recorded speech, told beside its delay. `python3 dev.py playout-quality`.

Five people speak turns of whole prompts (see `recorded_speech.py`) over the busiest stretch of each trace. Wherever a
policy was silent within speech for 30 ms or more, the 8 s around that place of the media are scored as each policy
played them, by PLCMOS v2 (L. Diener et al., "PLCMOS", Interspeech 2023; PyPI's `speechmos` holds the model). The same
is done with the concealment set to zero, at the same decisions. `--reference DIR` names a folder with the numpy
engine `render.py`, its law in `model.py` and `comparators.py`, which then are played too.

No score sees delay: who plays later has fewer stalls to be heard.
"""

import argparse
import sys
from collections.abc import Callable
from functools import cache, partial
from multiprocessing import Pool
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from playout_players import (
    BLOCK_FRAMES,
    Piece,
    arriving,
    first_block,
    output_frames,
    play_buffer,
    watch_engine,
)
from playout_score import Played, Score, account, pooled
from playout_traces import (
    MESSAGE,
    Floats,
    Laid,
    Samples,
    Speech,
    Trace,
    chosen,
    generated,
    recorded,
    runs,
)
from recorded_speech import LANGUAGES, prompts

AROUND = 4000.0  # ms of media before and after a stall
SILENT = 3  # blocks
EMBEDDINGS = 6  # of PLCMOS's random ones; 15 change the second decimal
NETWORKS = ("stall-1000", "stall-500", "wifilike", "cellular")


class Rendered(NamedTuple):
    played: Played
    output: Samples


# ---- who plays


def by_engine(laid: Laid) -> Rendered:
    watched = watch_engine(laid)
    return Rendered(watched.played, watched.output)


def by_engine_with_zeros(laid: Laid) -> Rendered:
    """The same decisions, and nothing is heard where it concealed."""
    watched = watch_engine(laid)
    return Rendered(watched.played, without_concealment(watched.output, watched.pieces))


def without_concealment(output: Samples, pieces: list[Piece]) -> Samples:
    silent, at = output.copy(), 0
    for piece in pieces:
        frames = output_frames(piece)
        if piece[0] == "conceal":
            silent[at : at + frames] = 0
        at += frames
    return silent


def by_buffer(laid: Laid, prefill_ms: int) -> Rendered:
    blocks: list[Samples] = []
    played = play_buffer(laid, prefill_ms, lambda out: blocks.append(out.copy()))
    return Rendered(played, np.concatenate(blocks))


def by_reference(laid: Laid, folder: Path, law: str) -> Rendered:
    """The numpy engine, imported from where it is."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    import render  # type: ignore[import-not-found]

    engine = render.Engine(getattr(render, law)(), floor=render.Floor())
    first = engine.now = first_block(laid)
    positions, sounded = [0.0], []

    def block() -> None:
        engine.block()
        positions.append((engine.written - engine.queued) / 16)
        sounded.append(engine.what not in ("pad", "wait"))

    for data in arriving(laid):
        engine.write(np.frombuffer(data, "<i2") / 32768)
        block()
    engine.draining = True
    while engine.queued >= BLOCK_FRAMES:
        block()
    output = np.rint(np.clip(np.concatenate(engine.out) * 32768, -32768, 32767)).astype(np.int16)
    played = Played(first, np.array(positions), np.array(sounded), np.zeros(len(sounded), bool))
    return Rendered(played, output)


def players(reference: Path | None) -> dict[str, Callable[[Laid], Rendered]]:
    found: dict[str, Callable[[Laid], Rendered]] = {
        "adaptive": by_engine,
        "adaptive, zeros": by_engine_with_zeros,
        "lossless": partial(by_buffer, prefill_ms=60),
        "fifo-200": partial(by_buffer, prefill_ms=200),
    }
    if reference:
        found["render.py"] = partial(by_reference, folder=reference, law="RealLean")
        found["neteq"] = partial(by_reference, folder=reference, law="RealNetEq")
    return found


# ---- what is said, over which network


def conversation(seconds: float, seed: int) -> Speech:
    """Turns of 3 to 6 s of whole prompts, one person after another, with pauses of 1 to 2 s, and -80 dBFS of noise."""
    rng = np.random.default_rng(seed)
    pools = [[p for p in prompts(language) if len(p) < 6 * 16_000] for language in LANGUAGES]
    for pool in pools:
        rng.shuffle(pool)
    said: list[Samples] = []
    spoken: list[Any] = []
    while sum(map(len, said)) < 16_000 * seconds:
        pools.append(pool := pools.pop(0))
        turn = np.zeros(0, np.int16)
        while len(turn) < 3 * 16_000:
            turn = np.concatenate([turn, pool.pop()])
        turn = turn[: min(len(turn), 6 * 16_000) // 320 * 320]
        pause = np.zeros(int(50 * rng.uniform(1, 2)) * 320, np.int16)
        for part, flag in ((turn, True), (pause, False)):
            said.append(part)
            spoken.append(np.full(len(part) // BLOCK_FRAMES, flag))
    samples = np.concatenate(said)
    noisy = np.clip(np.rint(samples + rng.normal(0, 3.3, len(samples))), -32768, 32767)
    return Speech(noisy.astype(np.int16), np.concatenate(spoken))


def busiest(trace: Trace, seconds: float) -> Trace:
    """The stretch with the most half seconds in which a message was later than 60 ms."""
    count = round(50 * seconds)
    if len(trace.arrivals) <= count:
        return trace
    late = trace.arrivals - MESSAGE * np.arange(len(trace.arrivals))
    halves = (late - late.min())[: len(late) // 25 * 25].reshape(-1, 25).max(axis=1) > 60
    begin = 25 * int(np.argmax(np.convolve(halves, np.ones(count // 25), "valid")))
    return Trace(trace.name, trace.arrivals[begin : begin + count] - MESSAGE * begin)


# ---- scores


@cache
def _plcmos() -> Any:
    try:
        from speechmos.plcmos import PLCMOS  # type: ignore[import-not-found]
    except ImportError:
        raise SystemExit("PLCMOS is missing: pip install speechmos onnxruntime") from None
    return PLCMOS(embed_rounds=EMBEDDINGS)


def plcmos(samples: Samples) -> float:
    np.random.seed(1)
    return float(_plcmos()(samples / 32768)["plcmos"])


def stalls(laid: Laid, rendered: list[Rendered]) -> list[float]:
    """Where in the media anybody was silent within speech, AROUND apart."""
    found: list[float] = []
    for played, _ in rendered:
        for begin, end in runs(~played.sounded):
            position = float(played.position[end])
            message = int(position / MESSAGE)
            if end - begin >= SILENT and message < len(laid.spoken) and laid.spoken[message]:
                found.append(position)
    apart: list[float] = []
    for position in sorted(found):
        if position >= AROUND and (not apart or position > apart[-1] + AROUND):
            apart.append(position)
    return apart


def around(rendered: Rendered, position: float) -> Samples | None:
    """As it was played, or None where it was not to its end."""
    begin, end = np.searchsorted(rendered.played.position, (position - AROUND, position + AROUND))
    if end >= len(rendered.played.sounded):
        return None
    return rendered.output[begin * BLOCK_FRAMES : end * BLOCK_FRAMES]


def listen(
    job: tuple[int, Trace], seconds: float, reference: Path | None
) -> tuple[str, dict[str, Score], list[Any]]:
    """A trace: its family, what each player's delay was, and per stall the score of each, and of the media."""
    seed, trace = job
    laid = busiest(trace, seconds).lay(conversation(seconds, seed), 0)
    rendered = {name: play(laid) for name, play in players(reference).items()}
    rows = []
    for position in stalls(laid, list(rendered.values())):
        heard = [around(one, position) for one in rendered.values()]
        whole = laid.samples[round(16 * (position - AROUND)) : round(16 * (position + AROUND))]
        if all(one is not None for one in heard):
            rows.append([plcmos(one) for one in (*heard, whole)])
    return trace.family, {name: account(laid, one.played) for name, one in rendered.items()}, rows


def difference(one: Floats, other: Floats) -> str:
    """In pairs, with 95 %."""
    of = one - other
    return f"{of.mean():+.3f} +- {1.96 * of.std() / np.sqrt(len(of)):.3f}"


def show(names: list[str], found: list[tuple[str, dict[str, Score], list[Any]]]) -> None:
    families = {family: None for family, _, _ in found}
    for family in [*families, "all"]:
        some = [one for one in found if family in (one[0], "all")]
        scores = np.array([row for _, _, rows in some for row in rows])
        if not len(scores):
            print(f"{family}: nobody was silent in speech")
            continue
        print(f"{family}: {len(scores)} stalls, PLCMOS of what was sent {scores[:, -1].mean():.2f}")
        for k, name in enumerate(names):
            row = pooled([delays[name] for _, delays, _ in some])
            print(
                f"  {name:16} PLCMOS {scores[:, k].mean():.2f}, to adaptive {difference(scores[:, k], scores[:, 0])};"
                f" {row['interruptions_per_min']:.2f} interruptions/min,"
                f" delay mean {row['delay_mean_ms']:.0f} ms, p95 {row['delay_p95_ms']:.0f} ms",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--traces", type=Path, metavar="DIR", help="recorded traces, in place of generated ones"
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="traces whose names begin so")
    parser.add_argument("--reference", type=Path, metavar="DIR", help="where render.py is")
    parser.add_argument("--seconds", type=float, default=100.0, help="of each trace")
    args = parser.parse_args()
    traces = recorded(args.traces) if args.traces else chosen(generated(), list(NETWORKS))
    traces = chosen(traces, args.only or [""])
    for language in LANGUAGES:
        prompts(language)  # fetched once, not by each process
    with Pool() as pool:
        work = partial(listen, seconds=args.seconds, reference=args.reference)
        show(list(players(args.reference)), pool.map(work, enumerate(traces), chunksize=1))


if __name__ == "__main__":
    main()
