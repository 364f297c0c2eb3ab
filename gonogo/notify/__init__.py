"""Tells people what happened, by a command or a URL of theirs. Nothing that goes wrong here breaks or delays a run."""
