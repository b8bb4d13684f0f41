"""What is held in which order, and what becomes of those that fail, differ, or are interrupted."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sfclient import NetworkError, UsageError
from sfclient.testing.script import Outcome, Script, ScriptError
from sfclient.testing.suite import AtService, Result, free_name, read_suite, run_suite

from .suites import Acting, failed, passed, script


def interrupt(of: Script) -> Outcome:
    raise BaseExceptionGroup("a nursery", [KeyboardInterrupt()])


def break_down(of: Script) -> Outcome:
    try:
        raise ZeroDivisionError("an agent's own")
    except ZeroDivisionError as error:
        raise ExceptionGroup("a nursery", [error]) from None


def refuse(of: Script) -> Outcome:
    raise UsageError("the service refused the key")


def lose(of: Script) -> Outcome:
    return replace(passed(of), verdict="error", error=NetworkError("the connection was lost"))


def verdicts(results: list[Result]) -> list[str]:
    return [result.verdict for result in results]


def test_one_that_fails_or_errs_does_not_stop_the_others() -> None:
    scripts = [script(name) for name in "abcdef"]
    way = Acting({"a": failed, "b": break_down, "c": refuse, "d": lose})
    told: list[str] = []
    results = run_suite(scripts, way, tell=lambda result: told.append(result.name))
    assert verdicts(results) == ["failed", "error", "error", "error", "passed", "passed"]
    assert [result.exit_status for result in results] == [1, 4, 2, 1, 0, 0]
    assert told == list("abcdef")


def test_each_failure_is_told_with_file_and_line() -> None:
    [result] = run_suite([script("a")], Acting({"a": failed}))
    assert str(result).splitlines() == [
        "failed    a (12.3 s; ready after 0.20 s; 2 answers after 0.65 s, at most 0.70 s; agent 40%, caller 30%)",
        "  a.toml:7: step 2: slow: expected an answer within 0.8 s, but it came after 0.9 s, at 3.1 s",
    ]


def test_an_agent_of_a_program_that_fails_is_told_with_its_line() -> None:
    [result] = run_suite([script("a")], Acting({"a": break_down}))
    assert "ZeroDivisionError: an agent's own" in str(result)
    assert "test_suite.py:" in str(result)


def test_ctrl_c_ends_one_and_the_rest_is_not_begun() -> None:
    way = Acting({"b": interrupt})
    results = run_suite([script(name) for name in "abc"], way)
    assert verdicts(results) == ["passed", "cancelled", "cancelled"]
    assert len(way.folders) == 2
    assert "before it began" in str(results[2])


def test_what_ends_the_process_is_not_taken_for_an_interruption() -> None:
    def leave(of: Script) -> Outcome:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        run_suite([script("a")], Acting({"a": leave}))


def test_repetitions_must_be_the_same_where_the_way_is_exact() -> None:
    def wander(of: Script) -> Outcome:
        return replace(passed(of), heard_hash=f"{len(way.folders)}" * 64)

    way = Acting({"a": wander})
    results = run_suite([script("a")], way, repeat=2)
    assert verdicts(results) == ["passed", "passed"]
    way = Acting({"a": wander}, is_exact=True)
    results = run_suite([script("a"), script("b")], way, repeat=2)
    assert [result.name for result in results] == ["a #1", "a #2", "b #1", "b #2"]
    assert verdicts(results) == ["passed", "failed", "passed", "passed"]
    assert "the hash of what was heard is 2222222222222222, and was 1111111111111111" in str(
        results[1]
    )


def test_one_that_was_interrupted_need_not_be_the_same() -> None:
    class Stopping(Acting):
        def hold(self, script: Script, folder: Path | None, tell: Any) -> None:
            super().hold(script, folder, tell)
            if len(self.folders) == 2:
                raise KeyboardInterrupt

    def cancelled(of: Script) -> Outcome:
        if len(way.folders) == 1:
            return passed(of)
        return replace(passed(of), verdict="cancelled", heard_hash="ef" * 32)

    way = Stopping({"a": cancelled}, is_exact=True)
    results = run_suite([script("a")], way, repeat=3)
    assert verdicts(results) == ["passed", "cancelled", "cancelled"]


def test_one_that_errs_in_another_time_is_not_the_same() -> None:
    def err(of: Script) -> Outcome:
        return passed(of) if len(way.folders) == 1 else break_down(of)

    way = Acting({"a": err}, is_exact=True)
    results = run_suite([script("a")], way, repeat=2)
    assert "the verdict is error, and was passed" in str(results[1])


def test_a_service_is_called_with_a_key_that_no_error_tells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(*args: object, **options: object) -> None:
        raise ValueError("illegal header: Bearer key-4f9a")

    monkeypatch.setattr("sfclient.testing.suite._ways.hold_conversation", fail)
    way = AtService("an-agent", "key-4f9a")
    [result] = run_suite([script("a")], way)
    assert "ValueError: this is a fault of sfclient" in str(result)
    assert "key-4f9a" not in str(result) + repr(result) + repr(way)


def test_what_the_far_side_says_moves_no_cursor() -> None:
    def fail(of: Script) -> Outcome:
        return replace(passed(of), verdict="error", error=NetworkError("closed: \x1b[2J"))

    [result] = run_suite([script("\x1b[2J")], Acting({"\x1b[2J": fail}))
    assert "\x1b" not in str(result)


def test_each_has_a_folder_of_its_own(tmp_path: Path) -> None:
    way = Acting()
    run_suite([script(name) for name in ("a/b", "A b", "a b", "...", "é")], way, folder=tmp_path)
    assert way.folders == [
        tmp_path / name for name in ("a-b", "A-b-2", "a-b-3", "conversation", "é")
    ]


def test_the_faults_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    one, other = tmp_path / "one.toml", tmp_path / "other.toml"
    one.write_text("[[step]]\nhold = -1\n")
    other.write_text("[[step]]\nhear = 1\n[[step]]\nholds = 1\n")
    with pytest.raises(ScriptError) as caught:
        read_suite([one, other])
    lines = str(caught.value).splitlines()
    assert any(line.startswith(f"{one}:2: ") for line in lines)
    assert any(line.startswith(f"{other}:3: ") for line in lines)


def test_long_names_of_folders_differ_whoever_gives_them() -> None:
    names = {free_name("long " * 30 + end, set()) for end in "ab"}
    assert len(names) == 2
    assert all(len(name.encode()) < 250 for name in [*names, free_name("\U00020000" * 99, set())])
