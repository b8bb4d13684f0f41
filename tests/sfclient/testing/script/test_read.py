"""Scripts from files: the same objects, whoever wrote them; all that is wrong is told at once, with file and line."""

import pickle
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from sfclient.testing import (
    End,
    Hear,
    Hold,
    Limits,
    Say,
    Script,
    ScriptError,
    read_scripts,
)
from sfclient.testing.script._lines import lines_of

from .talk import write_voice

GOOD = """\
name = "greets"

[[step]]
hear = 2
[[step]]
say = "hello.wav"
after_silence = 0.6
[[step]]
end = 3.5
code = 1000
[limits]
response = 1.5
agent_share = [0.2, 0.8]
[simulator]
agent = "reply"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_voice(tmp_path / "hello.wav", 0.3)
    return tmp_path


def add(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def faults(path: Path) -> list[str]:
    """What is told, without the folder."""
    with pytest.raises(ScriptError) as caught:
        read_scripts(path)
    assert str(caught.value) == "\n".join(map(str, caught.value.faults))
    return str(caught.value).replace(f"{path.parent}/", "").splitlines()


def test_a_file_says_what_python_says(folder: Path) -> None:
    (script,) = read_scripts(add(folder, "greets.toml", GOOD))
    assert script.steps == (Hear(2), Say("hello.wav", after_silence=0.6), End(3.5, code=1000))
    assert script.limits == Limits(response=1.5, agent_share=(0.2, 0.8))
    assert (script.name, script.simulator) == ("greets", {"agent": "reply"})
    assert [step.place and step.place.line for step in script.steps] == [3, 5, 8]
    assert str(script.place_of("simulator.agent")) == f"{folder / 'greets.toml'}:15"
    assert str(script.limits.place_of("response")) == f"{folder / 'greets.toml'}:12"


def test_a_script_without_a_name_has_that_of_its_file(folder: Path) -> None:
    (script,) = read_scripts(add(folder, "talks_on.toml", "step = [{hold = 3}]"))
    assert script.name == "talks_on"


# Each document, and what is told of it.
FAULTS = {
    "": ["a.toml: it has no steps: say something, or wait for something to be heard"],
    "[[step]]\nhear = 1\n[[step\n": [
        "a.toml:3: it is no TOML: Expected ']]' at the end of an array declaration (at line 3, column 7)"
    ],
    "[[step]]\nheer = 1\n": [
        "a.toml:1: a step has one of say, hear, silence, interrupt, hold, end, hang_up: did you mean hear?"
    ],
    "[[step]]\nhear = 1\nwithn = 3": ["a.toml:3: there is no withn in hear: it has hear"],
    "[[step]]\nhear = 1\n\nafter_silence = 3": ["a.toml:4: after_silence is for say, not for hear"],
    "[[step]]\nhear = 1\n\nsilence = 3": [
        "a.toml:4: hear and silence cannot be one step: write [[step]] before each of them"
    ],
    "[[step]]\nsay = 'no.wav'": ["a.toml:2: cannot read no.wav: No such file or directory"],
    "[[step]]\nsay = 'a.toml'": ["a.toml:2: a.toml is no WAV file that can be read"],
    "[[step]]\nsay = 'empty.wav'": ["a.toml:2: empty.wav holds no sound: there is nothing to say"],
    "[[step]]\nsay = 3": ["a.toml:2: say must be the path of a WAV file, not 3"],
    "[[step]]\nsay = 'hello.wav'\nafter_silence = 9\nwithin = 9": [
        "a.toml:3: after_silence of 9 s can never be within 9 s: make within longer"
    ],
    "[[step]]\nhear = -1\n[[step]]\nhear = nan\n[[step]]\nhear = true\n[[step]]\nhear = '1'\n": [
        "a.toml:2: hear must be more than 0 seconds, not -1",
        "a.toml:4: hear must be more than 0 seconds, not nan",
        "a.toml:6: hear must be a number of seconds, not True",
        "a.toml:8: hear must be a number of seconds, not '1'",
    ],
    "[[step]]\nhold = 100000": ["a.toml:2: hold is more than a day, 100000: give it in seconds"],
    "[[step]]\nhang_up = false": ["a.toml:2: hang_up must be true, or be left out"],
    "[[step]]\nhang_up = true\n[[step]]\nhear = 1": [
        "a.toml:3: hear comes after hang_up, when the call is over: leave out one of them"
    ],
    "[[step]]\nend = 3\ncode = 1\nby = 'me'": [
        "a.toml:3: code must be a close code, 1000 to 4999, not 1",
        "a.toml:4: by must be agent or network, not 'me'",
    ],
    "[[step]]\nhold = 6\n[[step]]\nhold = 6\n[limits]\nseconds = 10": [
        "a.toml:3: hold is over after 12 s at the earliest, and the conversation after 10 s:"
        " make limits.seconds longer"
    ],
    "[[step]]\nhold = 6\n[limits]\nagent_share = [\n0.5,\n0.2]\ncaller_share = [1]\ninterruptions = -1\n": [
        "a.toml:4: agent_share is at least 0.5 and at most 0.2: swap them",
        "a.toml:7: caller_share must be two parts of 1, as [0.2, 0.8], not (1,)",
        "a.toml:8: interruptions must be 0 or more, not -1",
    ],
    "[[step]]\nhold = 6\n[limits]\nresponse = 1\nresponse_p95 = 2": [
        "a.toml:5: response_p95 of 2 s says nothing, since each response must stay within 1 s: make it smaller"
    ],
    "[step]\nhold = 6\n": ["a.toml:1: steps are written as [[step]], with two brackets"],
    "step = [3]\n": ["a.toml:1: a step must be a table, not 3"],
    "limits = 3\nname = 4\n": ["a.toml:1: limits must be a table, as by a line [limits], not 3"],
    "name = 4\n[[step]]\nhold = 1": ["a.toml:1: name must be a text, not 4"],
    '[[step]]\nhold = 1\n"a\\nb\\u001b" = 1': ["a.toml:3: there is no a b  in hold: it has hold"],
    f"a = {'[' * 5000}{']' * 5000}": ["a.toml:1: it is no TOML: it is nested too deeply"],
    f"[[step]]\nhold = '{'x' * 5000}'": ["a.toml:2: hold must be a number of seconds, not 'xxx"],
    "[[step]]\nhold = 1\n[limit]\n": [
        "a.toml:3: there is no limit in a script: did you mean limits?"
    ],
    # All at once, in their order.
    "[[step]]\nsay = 'no.wav'\n[limits]\nlate = 0\n[[step]]\nhold = ''\n": [
        "a.toml:2: cannot read no.wav: No such file or directory",
        "a.toml:4: late must be more than 0 seconds, not 0",
        "a.toml:6: hold must be a number of seconds, not ''",
    ],
}


@pytest.mark.parametrize("text", FAULTS)
def test_what_is_wrong_is_told_with_its_line(folder: Path, text: str) -> None:
    write_voice(folder / "empty.wav", 0.0)
    told = faults(add(folder, "a.toml", text))
    assert [line[: len(start)] for line, start in zip(told, FAULTS[text], strict=True)] == FAULTS[
        text
    ]


# Keys that are quoted, dotted, in strings, comments and arrays; each is told by its line as its value.
TRICKY = '''\
a = 1 # b = 2
"b.c" = "[[step]]"
c."d e".f = """
x = 1
""""" # two quotes at the end of the text
d = \'\'\'
[e]
\'\'\'\'
[e]
x = { y = 10, "z" = { w = 10 }, v = [ 10,
  11, { u = 12 } ] }
[[f]]
[f.g]
h = 15
[[f]]
g.h = 17
i = 1979-05-27 07:32:00 # [[f]]
[[f.k]]
l = "\\"\\\\" # m = 1
[[f.k]]
l = \'\'
'''
WHERE = {
    ("a",): 1,
    ("b.c",): 2,
    ("c", "d e", "f"): 3,
    ("d",): 6,
    ("e",): 9,
    ("e", "x", "y"): 10,
    ("e", "x", "z", "w"): 10,
    ("e", "x", "v", 1): 11,
    ("e", "x", "v", 2, "u"): 11,
    ("f",): 12,
    ("f", 0, "g", "h"): 14,
    ("f", 1): 15,
    ("f", 1, "g", "h"): 16,
    ("f", 1, "i"): 17,
    ("f", 1, "k", 0, "l"): 19,
    ("f", 1, "k", 1, "l"): 21,
}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_each_key_of_a_document_is_found(newline: str) -> None:
    text = TRICKY.replace("\n", newline)
    tomllib.loads(text)
    lines = lines_of(text)
    assert {key: lines.get(key) for key in WHERE} == WHERE


KEYS = st.sampled_from(["a", "b-c", '"d.e"', "'f g'", "a.b", 'x."y z"'])
VALUES = st.recursive(
    st.sampled_from(
        ["1", "-2.5e3", "true", "nan", '"a # b"', "'c]'", '"""\nd\n"""', "'''e'f'''", "07:32:00"]
    ),
    lambda inner: st.lists(inner, max_size=3).map(
        lambda parts: "[\n" + ", # c\n".join(parts) + "]"
    ),
    max_leaves=4,
)


@seed(1)
@settings(max_examples=25, derandomize=True, database=None, deadline=None)
@given(
    st.lists(st.tuples(KEYS, VALUES, st.sampled_from(["\n", "\n# k = 1\n", "\n\n"])), max_size=6)
)
def test_lines_are_those_of_a_reader_who_counts(pairs: list[tuple[str, str, str]]) -> None:
    """Each pair in a table of its own, which is where the next line of the text is."""
    text, where = "", {}
    for number, (key, value, behind) in enumerate(pairs):
        text += f"[[t]]\n{key} = {value}{behind}"
        before = text[: text.rindex(f"{key} = {value}")]
        (names,) = [_path(tomllib.loads(f"{key} = 1"))]
        where["t", number, *names] = before.count("\n") + 1
    tomllib.loads(text)
    lines = lines_of(text)
    assert {key: lines.get(key) for key in where} == where


def _path(table: object) -> tuple[str, ...]:
    if not isinstance(table, dict):
        return ()
    ((name, inner),) = table.items()
    return (name, *_path(inner))


def test_python_files_give_their_scripts_and_lists_of_them_once_and_in_order(folder: Path) -> None:
    add(folder, "shared_steps.py", "from sfclient.testing import Say\nhello = Say('hello.wav')\n")
    text = (
        "from sfclient.testing import Hear, Script\nfrom shared_steps import hello\n"
        "a = Script('a', [Hear()])\nmany = [Script(f'b{n}', [hello]) for n in range(2)] + [a]\n"
    )
    scripts = read_scripts(add(folder, "many.py", text))
    assert [script.name for script in scripts] == ["a", "b0", "b1"]
    assert str(scripts[0].place) == f"{folder / 'many.py'}:3"


PYTHON_FAULTS = {
    "from sfclient.testing import *\nclass Mine(Hear): pass\ns = Script('a', [Mine()])\n": "a.py:3: Mine(hear=10.0)"
    " is no step: make one of",
    "from sfclient.testing import *\ns = Script('a', 3)\n": "a.py:2: 3 is no step: make one of",
    "from sfclient.testing import *\n\nHear(\n  -1)\n": "a.py:3: hear must be more than 0 seconds, not -1",
    "x = 1\nraise ValueError('no')\n": "a.py:2: it raised ValueError: no",
    "import sys\nsys.exit(3)\n": "a.py:2: it raised SystemExit: 3",
    "x =\n": "a.py:1: it is no Python: invalid syntax",
    "x = 1\n": "a.py: it makes no Script at its top level, and no list of them",
    "from sfclient.testing import *\ns = Script('a', [\n  Say('no.wav')])\n": "a.py:3: cannot read no.wav",
    "from sfclient.testing import *\ns = Script('', [3])\n": "a.py:2: name must be a text, not ''",
}


@pytest.mark.parametrize("text", PYTHON_FAULTS)
def test_what_is_wrong_in_python_is_told_with_its_line(folder: Path, text: str) -> None:
    assert faults(add(folder, "a.py", text))[0].startswith(PYTHON_FAULTS[text])


def test_what_is_no_script_is_told(folder: Path) -> None:
    (folder / "d.toml").mkdir()
    assert faults(folder / "no.toml") == ["no.toml: it cannot be read: No such file or directory"]
    assert faults(folder / "d.toml") == ["d.toml: it is not a file: give the name of one"]
    assert faults(add(folder, "a.json", "{}")) == [
        "a.json: a script is a file .toml or .py: name it so"
    ]
    assert faults(add(folder, "u.toml", b"a = 1\n# \xff\n")) == [
        "u.toml:2: it is not in UTF-8: save it as that"
    ]
    assert "1 MiB" in faults(add(folder, "l.toml", b"#" * (1 << 20) + b"\n"))[0]


def test_a_script_can_be_sent_elsewhere_with_its_sounds(folder: Path) -> None:
    (script,) = read_scripts(add(folder, "greets.toml", GOOD))
    sent = pickle.dumps(script)
    (folder / "hello.wav").unlink()
    came: Script = pickle.loads(sent)
    came.read_sounds(16_000)
    (say,) = [step for step in came.steps if isinstance(step, Say)]
    assert len(came.sound_of(say, 16_000).samples) == 0.3 * 16_000
    assert came.steps == script.steps


def test_errors_of_a_script_can_be_sent_elsewhere() -> None:
    with pytest.raises(ScriptError) as caught:
        Hold(-1)
    came = pickle.loads(pickle.dumps(caught.value))
    assert (str(came), came.faults) == (str(caught.value), caught.value.faults)
