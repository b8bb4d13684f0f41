"""``python -m sfclient`` is the `sfclient` command."""

import sys

from sfclient.cli import main

if __name__ == "__main__":
    sys.exit(main())
