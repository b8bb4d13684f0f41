"""The pytest plugin, in sessions of pytest within the test."""

import ast
import shutil
from pathlib import Path

import pytest

import sfclient_pytest

EXAMPLES = Path(__file__).parents[4] / "examples" / "conversations"
PYTHON = """
from sfclient.simulator import ReplyAgent
from sfclient.testing.script import Hear, Script

SCRIPT = Script("somebody answers", [Hear(1.0)])
GREETING = b"\\x00\\x20\\x00\\xe0" * 8000

def test_it_greets(conversation):
    outcome = conversation(SCRIPT, ReplyAgent([], greeting=GREETING))
    assert outcome.figures.agent_share > 0

def test_it_says_nothing(conversation):
    conversation(SCRIPT, ReplyAgent([]))

def test_it_is_known_to_say_nothing(conversation):
    assert not conversation(SCRIPT, ReplyAgent([]), check=False).passed

def test_nobody_is_there(conversation):
    conversation(SCRIPT)
"""


@pytest.fixture
def session(pytester: pytest.Pytester) -> pytest.Pytester:
    """A folder with the examples, as tests."""
    for path in EXAMPLES.glob("*.wav"):
        shutil.copy(path, pytester.path)
    return pytester


def add(session: pytest.Pytester, name: str, more: str = "", of: str = "books_a_table") -> None:
    text = (EXAMPLES / f"{of}.toml").read_text()
    (session.path / name).write_text(text + more)


def run(session: pytest.Pytester, *args: str) -> pytest.RunResult:
    return session.runpytest_inprocess("-p", "no:cacheprovider", *args)


def record_of(session: pytest.Pytester) -> str:
    [record] = session.path.glob("kept/test_interrupts.toml-test_interrupts/call.json")
    return record.read_text()


def test_a_session_imports_nothing_until_there_is_a_conversation() -> None:
    tree = ast.parse(Path(sfclient_pytest.__file__).read_text())
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported == {"collections.abc", "inspect", "os", "pathlib", "pytest", "re", "typing"}


def test_files_of_conversations_are_tests_and_others_are_not(session: pytest.Pytester) -> None:
    add(session, "test_booking.toml")
    add(session, "test_interrupts.toml", of="interrupts")
    add(session, "booking.toml")
    (session.path / "test_other.toml").write_text('[tool]\nstep = "[[step]]"\n')
    (session.path / "test_latin1.toml").write_bytes(b'name = "\xe9"\n')
    result = run(session, "-v", "-rA")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["test_booking.toml::test_booking PASSED*"])


def test_a_failure_is_told_in_a_sentence_with_its_line(session: pytest.Pytester) -> None:
    add(session, "test_slow.toml", "delay = 0.9\n")
    result = run(session, "--junitxml", "results.xml", "-o", "junit_family=xunit1")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*test_slow.toml:22: slow: expected *, but *"])
    result.stdout.no_fnmatch_line("*Traceback*")
    assert 'name="response_p95"' in (session.path / "results.xml").read_text()


def test_faults_of_a_script_are_told_with_their_lines(session: pytest.Pytester) -> None:
    (session.path / "test_a.toml").write_text("[[step]]\nheer = 1\n")
    add(session, "test_b.toml", 'gab = 3\nagent2 = "x"\n')
    result = run(session)
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        ["*test_a.toml:1: *", "*test_b.toml:30: gab *", "*test_b.toml:31: agent2*"]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


def test_an_ordinary_test_holds_a_conversation(session: pytest.Pytester) -> None:
    session.makepyfile(test_python=PYTHON)
    result = run(session)
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*: not heard: expected *", "*there is no agent to talk to*"])
    result.stdout.no_fnmatch_line("During handling*")


def test_an_async_test_is_told_what_to_do(session: pytest.Pytester) -> None:
    session.makepyfile("async def test_it(conversation): ...")
    result = run(session)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*await sfclient.testing.script.hold_conversation*"])


def test_settings_say_where_and_options_come_first(session: pytest.Pytester) -> None:
    add(session, "test_interrupts.toml", of="interrupts")
    session.makeini("[pytest]\nsfclient_dialect = ws-media\nsfclient_folder = kept\n")
    run(session).assert_outcomes(passed=1)
    record = record_of(session)
    assert '"dialect": "ws-media"' in record
    run(session, "--sfclient-dialect", "widget").assert_outcomes(passed=1)
    record = record_of(session)
    assert '"dialect": "widget"' in record


def test_what_is_not_understood_is_an_error(session: pytest.Pytester) -> None:
    add(session, "test_interrupts.toml", of="interrupts")
    result = run(session, "--sfclient-network", "wet-string")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*wet-string*"])


def test_an_agent_of_the_service_is_called_instead(
    session: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a port where nobody listens: no agent is simulated."""
    monkeypatch.setenv("SYNTHFLOW_API_KEY", "a-key")
    add(session, "test_interrupts.toml", of="interrupts")
    where = ("--sfclient-assistant", "a", "--sfclient-base-url", "http://127.0.0.1:1")
    result = run(session, *where)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*cannot reach 127.0.0.1*"])
