"""`python -m gonogo.notify`: sends the notice of an order on standard input, in a process that nobody waits for."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from gonogo.notify.deliver import deliver_all
from gonogo.notify.notice import Notice
from gonogo.notify.told import note_outcome


def main() -> None:
    order = json.load(sys.stdin)
    outcome = deliver_all(order["entries"], Notice(**order["notice"]))
    note_outcome(Path(order["record"]), order["key"], outcome)
    os._exit(0)  # a thread that still waits ends with it


if __name__ == "__main__":
    main()
