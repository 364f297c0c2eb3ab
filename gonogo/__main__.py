"""`python -m gonogo`: the same as `gonogo`, with the Python that is named."""

import sys

from gonogo.cli.main import main

sys.exit(main())
