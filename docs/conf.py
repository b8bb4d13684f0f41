"""How Sphinx makes the site. Run by `python3 dev.py docs`."""

import re
import sys
from pathlib import Path

from jinja2 import FileSystemLoader
from jinja2.sandbox import SandboxedEnvironment
from numpydoc import docscrape_sphinx

ROOT = Path(__file__).parents[1]
sys.path.insert(0, f"{ROOT / 'docs' / '_extensions'}")

project = "sfaudio"
author = "The sfaudio developers"
project_copyright = author
[release] = re.findall(
    r'__version__ = "(.+)"', (ROOT / "src/sfaudio/_version.py").read_text(encoding="utf-8")
)

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "sphinxarg.ext",
    "public",
    "cimports",
    "references",
    "stubs",
]
exclude_patterns = ["_build"]
default_role = "py:obj"

autodoc_default_options = {"members": True, "undoc-members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
autodoc_typehints = "signature"
add_module_names = False
toc_object_entries_show_parents = "hide"
python_display_short_literal_types = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
numpydoc_show_class_members = False
# It would compile its one template anew for each docstring.
_environment = SandboxedEnvironment(
    loader=FileSystemLoader(Path(docscrape_sphinx.__file__).with_name("templates"))
)
docscrape_sphinx.SandboxedEnvironment = lambda loader: _environment

html_theme = "furo"
html_title = f"sfaudio {release}"
html_static_path = ["_static"]
html_show_sourcelink = False
html_copy_source = False

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4
copybutton_prompt_text = "$ "
