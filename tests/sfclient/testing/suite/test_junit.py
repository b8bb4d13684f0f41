"""The JUnit XML of a suite, as Jenkins and GitLab read it."""

from pathlib import Path
from xml.etree import ElementTree

from sfclient.testing.script import Outcome, Script
from sfclient.testing.suite import junit_of, run_suite

from .suites import Acting, failed, script


def interrupt(of: Script) -> Outcome:
    raise KeyboardInterrupt


def break_down(of: Script) -> Outcome:
    raise ValueError("bell \a, nul \0, half a letter \ud800, <b>&amp;]]>")


def test_it_counts_and_tells_what_happened(tmp_path: Path) -> None:
    scripts = [script("a"), script("b"), script("c", "other.toml"), script("d", "other.toml")]
    way = Acting({"b": failed, "c": break_down, "d": interrupt})
    results = run_suite(scripts, way, folder=tmp_path)
    root = ElementTree.fromstring(junit_of(results))
    assert root.tag == "testsuites"
    counted = {key: root.get(key) for key in ("tests", "failures", "errors", "skipped")}
    assert counted == {"tests": "4", "failures": "1", "errors": "1", "skipped": "1"}
    assert [suite.get("name") for suite in root] == ["a.toml", "other.toml"]
    assert [case.get("name") for case in root.iter("testcase")] == ["a", "b", "c", "d"]
    tags = [[part.tag for part in case] for case in root.iter("testcase")]
    assert tags == [
        ["properties", "system-out"],
        ["properties", "failure", "system-out"],
        ["properties", "error", "system-out"],
        ["properties", "skipped", "system-out"],
    ]
    [failure] = root.iter("failure")
    assert failure.get("type") == "slow"
    assert failure.text == failure.get("message")
    assert "a.toml:7: step 2: slow" in (failure.text or "")
    properties = {part.get("name"): part.get("value") for part in root[0][0].iter("property")}
    assert properties["response_p95"] == "0.7"
    assert properties["heard_hash"] == "ab" * 32
    assert properties["folder"] == str(tmp_path / "a")


def test_what_xml_cannot_say_is_replaced() -> None:
    [result] = run_suite([script("\x1b[1mbold")], Acting({"\x1b[1mbold": break_down}))
    text = junit_of([result])
    text.encode()
    root = ElementTree.fromstring(text)
    [error] = root.iter("error")
    assert "bell \ufffd, nul \ufffd, half a letter \ufffd, <b>&amp;]]>" in (error.text or "")
    assert root[0][0].get("name") == "\ufffd[1mbold"
