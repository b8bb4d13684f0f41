"""Results as JUnit XML, as Jenkins and GitLab read it.

There is no standard; this keeps to what both take (the schema of Jenkins' xUnit plugin): a ``testsuite`` for each file,
a ``testcase`` for each conversation, with ``failure``, ``error`` or ``skipped`` before ``system-out``.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from xml.etree import ElementTree

from sfclient.testing.suite._results import Result, figures_of

# What XML 1.0 has no word for, not even escaped.
ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_of(results: Sequence[Result]) -> str:
    """The file. Times are those that the machine took; the seconds of a conversation are a property of it."""
    root = ElementTree.Element("testsuites", {"name": "sfclient"} | _counts(results))
    for path, group in groupby(results, lambda result: result.path):
        _add_suite(root, path, list(group))
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def _add_suite(root: ElementTree.Element, path: str, results: Sequence[Result]) -> None:
    suite = _add(root, "testsuite", name=path, **_counts(results))
    for result in results:
        case = _add(
            suite, "testcase", classname=path, name=result.name, time=f"{result.elapsed:.3f}"
        )
        properties = _add(case, "properties")
        for name, value in figures_of(result).items():
            _add(properties, "property", name=name, value=value)
        for kind, told in result.problems:
            tag = {"error": "error", "cancelled": "skipped"}.get(result.verdict, "failure")
            _add(case, tag, told, type=kind, message=told.splitlines()[0] if told else kind)
        _add(case, "system-out", str(result))


def _counts(results: Iterable[Result]) -> dict[str, str]:
    results = list(results)
    verdicts = [result.verdict for result in results]
    return {
        "tests": str(len(results)),
        "failures": str(verdicts.count("failed")),
        "errors": str(verdicts.count("error")),
        "skipped": str(verdicts.count("cancelled")),
        "time": f"{sum(result.elapsed for result in results):.3f}",
    }


def _add(
    parent: ElementTree.Element, tag: str, text: str | None = None, **attributes: str
) -> ElementTree.Element:
    told = {name: _legal(value) for name, value in attributes.items()}
    child = ElementTree.SubElement(parent, tag, told)
    child.text = None if text is None else _legal(text)
    return child


def _legal(text: str) -> str:
    return ILLEGAL.sub("\ufffd", text)
