"""The `snakemake` command that a message tells people to paste: with the profile that the workflow was started with."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence

PROFILE = "GONOGO_PROFILE"  # handed on in the environment; empty: started without one
DEFAULT = "local"


def remember_profile(arguments: Sequence[str]) -> None:
    """Hand the profile of snakemake's command line on to the processes that it starts; the first invocation's stays."""
    os.environ.setdefault(PROFILE, profile_of(arguments, os.environ))


def profile_of(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """The value of `--profile`, or of snakemake's own variable; empty where there is neither."""
    for index, word in enumerate(arguments):
        option, equals, value = word.partition("=")
        if option == "--profile":
            return value if equals else next(iter(arguments[index + 1 :]), "")
    return environment.get("SNAKEMAKE_PROFILE", "")


def rerun_command(*, forcerun: str = "", **config: str) -> str:
    """`snakemake --profile PROFILE --forcerun RULE --config KEY=VALUE …`.

    Args:
        forcerun: a rule that is executed again.
        config: keys of the configuration.
    """
    profile = os.environ.get(PROFILE, DEFAULT)
    words = ["snakemake", *(["--profile", profile] if profile else [])]
    words += ["--forcerun", forcerun] if forcerun else []
    words += ["--config", *(f"{key}={value}" for key, value in config.items())] if config else []
    return shlex.join(words)
