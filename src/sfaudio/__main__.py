"""`python -m sfaudio`: whether it works here. Exits with 1 if something is bad."""

import sys

from sfaudio.checkup import check_core, check_portaudio

if __name__ == "__main__":
    findings = [*check_core(), *check_portaudio()]
    print(*findings, sep="\n")
    sys.exit(not all(finding.is_good for finding in findings))
