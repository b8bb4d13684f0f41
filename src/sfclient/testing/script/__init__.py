"""The scripted caller: a conversation as data, held with an agent, and what became of it.

- `Script` of steps (`Say`, `Hear`, `Silence`, `Interrupt`, `Hold`, `End`, `HangUp`) and `Limits`; `ScriptError`:
  a script that cannot be meant (``_model``, ``_written``)
- `read_scripts`: of a file, TOML or Python (``_read``; ``_toml``, and ``_lines``: where things are in it)
- `hold_conversation`: with an agent, to an `Outcome` (``_conversation``)
- `Outcome`, `Failure`, `Figures` (``_outcome``)
"""

from sfclient.testing.script._conversation import hold_conversation
from sfclient.testing.script._model import (
    End,
    HangUp,
    Hear,
    Hold,
    Interrupt,
    Limits,
    Say,
    Script,
    Silence,
    Step,
)
from sfclient.testing.script._outcome import Failure, Figures, Outcome
from sfclient.testing.script._read import read_scripts
from sfclient.testing.script._written import Fault, Place, ScriptError

__all__ = [
    "End",
    "Failure",
    "Fault",
    "Figures",
    "HangUp",
    "Hear",
    "Hold",
    "Interrupt",
    "Limits",
    "Outcome",
    "Place",
    "Say",
    "Script",
    "ScriptError",
    "Silence",
    "Step",
    "hold_conversation",
    "read_scripts",
]
