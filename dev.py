#!/usr/bin/env python3
"""The commands of development: python3 dev.py COMMAND [ARGUMENT ...]

Needs Python 3.11 or later and nothing else. What is missing is installed: packages into .venv
beside this file, compiler and JACK, as root on Debian and its kin, with apt-get; elsewhere the line
to type is printed. Arguments go on to the program behind the command.
"""

import sys

if sys.version_info < (3, 11):
    sys.exit("dev.py: Python 3.11 or later is needed")

from dev import (
    audits,
    coverage,
    documentation,
    environment,
    everyday,
    freethreaded,
    fuzzing,
    measuring,
    packaging,
    pictures,
    proofs,
)

COMMANDS = {
    "demo": everyday.demo,
    "test": everyday.test,
    "faults": everyday.faults,
    "lint": everyday.lint,
    "docs": documentation.docs,
    "pictures": pictures.pictures,
    "coverage": coverage.coverage,
    "wheel": packaging.wheel,
    "check-wheel": packaging.check_wheel,
    "wheels": packaging.wheels,
    "audit": audits.audit,
    "release-check": audits.release_check,
    "sanitize": proofs.sanitize,
    "prove": proofs.prove,
    "fuzz": fuzzing.fuzz,
    "freethreaded": freethreaded.freethreaded,
    "bench": measuring.bench,
    "realtime": measuring.realtime,
    "pacing": measuring.pacing,
    "playout": measuring.playout,
    "playout-quality": measuring.playout_quality,
    "playout-cost": measuring.playout_cost,
    "echo": measuring.echo,
    "doors": measuring.doors,
    "scale": measuring.scale,
    "conversations": measuring.conversations,
    "load": measuring.load,
    "soak": measuring.soak,
    "clean": environment.clean,
}


def main() -> int:
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in COMMANDS:
        return COMMANDS[name](arguments)
    print(__doc__)
    for command, function in COMMANDS.items():
        print(f"  {command:16} {function.__doc__}")
    return 0 if name in ("-h", "--help") else 2


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
