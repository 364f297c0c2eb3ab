"""Where the estimate of a step's memory went."""

import sys

print("error: `python -m gonogo.memory` is now `gonogo memory`, with the same options", file=sys.stderr)
sys.exit(2)
