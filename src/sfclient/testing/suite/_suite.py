"""From files to results: all files are read before any call, and no conversation stops the others."""

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from sfclient.testing.script import Fault, Outcome, Script, ScriptError, read_scripts
from sfclient.testing.suite._results import Result
from sfclient.testing.suite._ways import Way

NOT_IN_A_NAME = re.compile(r"[^\w.-]+")
LONGEST_NAME = 60  # of a folder, in characters: with four bytes each, and a suffix, 255 bytes
DIGITS = 16  # of a hash, for a person


def read_suite(paths: Iterable[str | Path]) -> list[Script]:
    """The conversations of all files, in order. It may block.

    Raises `ScriptError` with the faults of all of them.
    """
    scripts: list[Script] = []
    faults: list[Fault] = []
    for path in paths:
        try:
            scripts += read_scripts(path)
        except ScriptError as error:
            faults += error.faults
    if faults:
        raise ScriptError(faults)
    return scripts


def run_suite(
    scripts: Sequence[Script],
    way: Way,
    *,
    folder: Path | None = None,
    repeat: int = 1,
    tell: Callable[[Result], object] = lambda result: None,
) -> list[Result]:
    """Hold each conversation `repeat` times, one after the other, and `tell` of each as it is over.

    Recording, record and report of each go into a folder of its own in `folder`. Where `way` is exact, repetitions must
    be the same. Ctrl-C ends the one that is held, and those not begun are not held: all are in the results, with the
    verdict "cancelled". Raises `UsageError` before any call.
    """
    way.check(list(scripts))
    results: list[Result] = []
    taken: set[str] = set()
    is_interrupted = False
    for script in scripts:
        first: Result | None = None
        for number in range(1, repeat + 1):
            name = script.name if repeat == 1 else f"{script.name} #{number}"
            if is_interrupted:
                result = Result(script, name)
            else:
                place = None if folder is None else folder / free_name(name, taken)
                result = hold(script, way, name=name, folder=place)
                is_interrupted = result.was_interrupted
            if way.is_exact and first is not None:
                result = replace(result, differs=_difference(first, result))
            first = first or result
            results.append(result)
            tell(result)
    return results


def hold(script: Script, way: Way, *, name: str = "", folder: Path | None = None) -> Result:
    """Hold one conversation. Whatever goes wrong is in the result, and so is Ctrl-C."""
    outcomes: list[Outcome] = []
    error: Exception | None = None
    was_interrupted = False
    began = time.perf_counter()
    try:
        way.hold(script, folder, outcomes.append)
    except Exception as raised:
        error = _first(raised)
    except BaseException as raised:
        was_interrupted = _is_interrupt(raised)
        if not was_interrupted:
            raise
    elapsed = time.perf_counter() - began
    return Result(
        script,
        name or script.name,
        outcomes[0] if outcomes else None,
        error,
        elapsed=elapsed,
        folder=folder,
        was_interrupted=was_interrupted,
    )


def free_name(name: str, taken: set[str]) -> str:
    """A name like it for a folder, which is then taken; on some systems, those that differ in case are the same."""
    stem = NOT_IN_A_NAME.sub("-", name).strip("-.") or "conversation"
    if len(stem) > LONGEST_NAME:
        # Not numbers only: other workers of a test run do not know what is taken here.
        digest = sha256(name.encode(errors="surrogatepass")).hexdigest()
        stem = f"{stem[:LONGEST_NAME]}-{digest[:8]}"
    free, number = stem, 1
    while free.lower() in taken:
        number += 1
        free = f"{stem}-{number}"
    taken.add(free.lower())
    return free


def _first(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _is_interrupt(error: BaseException) -> bool:
    """KeyboardInterrupt, perhaps in groups of trio's nurseries."""
    if isinstance(error, BaseExceptionGroup):
        return error.subgroup(KeyboardInterrupt) is not None
    return isinstance(error, KeyboardInterrupt)


def _difference(first: Result, again: Result) -> str:
    """Of two that should be the same; empty if they are, or one was interrupted."""
    if "cancelled" in (first.verdict, again.verdict):
        return ""
    for what, one, other in (
        ("verdict", first.verdict, again.verdict),
        ("hash of what was heard", _hash(first, "heard"), _hash(again, "heard")),
        ("hash of what was said", _hash(first, "said"), _hash(again, "said")),
    ):
        if one != other:
            return f"the {what} is {other[:DIGITS]}, and was {one[:DIGITS]}"
    return ""


def _hash(result: Result, of: str) -> str:
    hashed: str = getattr(result.outcome, f"{of}_hash", "none")
    return hashed
