"""What a terminal showed, as tmux tells it, from standard input to a picture. Run by `python3 dev.py pictures`."""

import io
import re
import sys

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text


def main() -> None:
    title, columns = sys.argv[1:]
    console = Console(record=True, width=int(columns), file=io.StringIO(), force_terminal=True)
    for line in sys.stdin.read().splitlines():
        console.print(Text.from_ansi(line), no_wrap=True, overflow="crop")
    svg = console.export_svg(title=title, theme=DIMMED_MONOKAI, unique_id="screen")
    print(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.S))  # pictures should load nothing


if __name__ == "__main__":
    main()
