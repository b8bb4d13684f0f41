"""How Sphinx makes the site. Run by `python3 dev.py docs`."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]

project = "sfaudio"
author = "The sfaudio developers"
project_copyright = author
[release] = re.findall(
    r'__version__ = "(.+)"', (ROOT / "src/sfaudio/_version.py").read_text(encoding="utf-8")
)

extensions = ["myst_parser", "sphinx_copybutton"]
exclude_patterns = ["_build", "load-test.md", "regression-test.md"]  # Those two move to how-to.
html_theme = "furo"
html_title = f"sfaudio {release}"
html_static_path = ["_static"]
html_show_sourcelink = False
html_copy_source = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
copybutton_prompt_text = "$ "
