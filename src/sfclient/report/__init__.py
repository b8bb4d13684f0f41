"""What a call leaves behind, as one page for a person: from its record, and its recording if there is one.

- `write_report`: the page as a file, of a record: `make_record` of a call, or `read_record` of what ``--stats`` wrote
  (`_write`)
- ``_record``: what is in it, believed when it was looked at; ``_sound``: the recording, from afar
- ``_scale``, ``_story``: the time line, and what the events tell together
- ``_chart``: its picture, of rows (``_row``) with marks (``_marks``); ``_figures``, ``_findings``: numbers and what
  went wrong, in words; ``_page``: all of it
- ``_markup``: HTML and SVG, escaped by construction
"""

from sfclient.report._write import make_record, read_record, write_report

__all__ = ["make_record", "read_record", "write_report"]
