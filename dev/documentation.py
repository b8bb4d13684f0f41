"""The documentation site."""

import shutil
import tempfile

from dev.environment import install
from dev.processes import ROOT, run, say

SITE = ROOT / "docs" / "_build" / "html"


def docs(arguments: list[str]) -> int:
    """build the documentation site into docs/_build/html; what is wrong in it fails"""
    install("docs")
    shutil.rmtree(SITE, ignore_errors=True)
    strictly = ("--fail-on-warning", "--keep-going", "--nitpicky", "--fresh-env")
    with tempfile.TemporaryDirectory() as trees:
        folders = (f"{ROOT / 'docs'}", f"{SITE}")
        status = run(
            *("python", "-m", "sphinx", "--quiet", "--builder", "html", *strictly),
            *("--doctree-dir", trees, *arguments, *folders),
        )
    if status == 0:
        say(f"made {SITE.relative_to(ROOT)}/index.html")
    return status
