"""From files to results: all files are read before any call, and no conversation stops the others."""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sfclient.testing.script import Fault, Outcome, Script, ScriptError, read_scripts
from sfclient.testing.suite._results import Result
from sfclient.testing.suite._ways import Way

NOT_IN_A_NAME = re.compile(r"[^\w.-]+")
LONGEST_NAME = 80  # of a folder, in characters: with three bytes each, what file systems take
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


@dataclass(frozen=True, slots=True)
class Planned:
    """One conversation that is to be held."""

    script: Script
    name: str
    folder: Path | None
    first: "Planned | None" = None
    """The one that this repeats."""


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
    results: dict[Planned, Result] = {}
    is_interrupted = False
    for each in list(_planned(scripts, folder, repeat)):
        if is_interrupted:
            result = Result(each.script, each.name)
        else:
            result = hold(each.script, way, name=each.name, folder=each.folder)
            is_interrupted = result.was_interrupted
        if way.is_exact and each.first is not None:
            result = replace(result, differs=_difference(results[each.first], result))
        results[each] = result
        tell(result)
    return list(results.values())


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


def _planned(scripts: Sequence[Script], folder: Path | None, repeat: int) -> Iterator[Planned]:
    taken: set[str] = set()
    for script in scripts:
        first = None
        for number in range(1, repeat + 1):
            name = script.name if repeat == 1 else f"{script.name} #{number}"
            place = None if folder is None else folder / free_name(name, taken)
            planned = Planned(script, name, place, first)
            first = first or planned
            yield planned


def free_name(name: str, taken: set[str]) -> str:
    """A name like it for a folder, which is then taken; on some systems, those that differ in case are the same."""
    stem = NOT_IN_A_NAME.sub("-", name).strip("-.")[:LONGEST_NAME] or "conversation"
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
    """Of two that should be the same; empty if they are, or one is missing."""
    if first.outcome is None or again.outcome is None:
        return ""
    for what, one, other in (
        ("what was heard", first.outcome.heard_hash, again.outcome.heard_hash),
        ("what was said", first.outcome.said_hash, again.outcome.said_hash),
    ):
        if one != other:
            return f"the hash of {what} is {other[:DIGITS]}, and was {one[:DIGITS]}"
    return ""
