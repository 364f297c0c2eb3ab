"""The `snakemake` command that a message tells people to paste: with the profile and files of the one in use."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence

OPTIONS = "GONOGO_SNAKEMAKE_OPTIONS"  # handed on in the environment
CUSTOM = "custom"  # the mode that keys of --config make
CHANGES = "GONOGO_CONFIG_CHANGES"  # handed on, too: `KEY=VALUE …` of --config
RULE_NAMES = "GONOGO_RULE_NAMES"  # handed on, too: `mine_*`, where a Snakefile says `use rule * from … as mine_*`
DEFAULT = "--profile local"
# options without which the same command would do something else, by their short names
KEPT = {"--profile": "--profile", "--snakefile": "--snakefile", "-s": "--snakefile", "--directory": "--directory",
        "-d": "--directory"}  # fmt: skip


def remember_options(arguments: Sequence[str]) -> None:
    """Hand options of snakemake's command line on to the processes that it starts; the first invocation's are kept."""
    os.environ.setdefault(OPTIONS, shlex.join(kept_options(arguments, os.environ)))
    os.environ.setdefault(CHANGES, shlex.join(_config_words(arguments)))


def remember_rule_names(pattern: str) -> None:
    """Hand on what rules are called; `*` stands for the name that they have here."""
    os.environ.setdefault(RULE_NAMES, pattern)


def name_here(rule: str) -> str:
    """The name that a rule has in this package, whatever the Snakefile calls it that uses it."""
    before, _, after = os.environ.get(RULE_NAMES, "*").partition("*")
    return rule.removeprefix(before).removesuffix(after)


def kept_options(arguments: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """The profile, the Snakefile and the working directory that were named, as words of a command."""
    found: dict[str, str] = {}
    for index, word in enumerate(arguments):
        option, equals, value = word.partition("=")
        if option in KEPT:
            found[KEPT[option]] = value if equals else next(iter(arguments[index + 1 :]), "")
    if profile := environment.get("SNAKEMAKE_PROFILE"):
        found.setdefault("--profile", profile)
    return [word for option in found.items() for word in option]


def _config_words(arguments: Sequence[str]) -> list[str]:
    """`KEY=VALUE` words that follow `--config` or `-C`."""
    found: list[str] = []
    inside = False
    for word in arguments:
        option, equals, value = word.partition("=")
        if word.startswith("-"):
            inside = option in ("--config", "-C")
            found += [value] if inside and equals else []
        elif inside:
            found.append(word)
    return found


def rerun_command(*, forcerun: str = "", **config: str) -> str:
    """`snakemake --profile PROFILE --forcerun RULE --config KEY=VALUE …`.

    Args:
        forcerun: a rule that is executed again.
        config: keys of the configuration; of the mode `custom`, which the command line made, its keys are added.
    """
    changes = shlex.split(os.environ.get(CHANGES, ""))
    if config.get("mode") == CUSTOM and changes:
        kept = {key: value for key, value in config.items() if key != "mode"}
        config = {**dict(word.split("=", 1) for word in changes if "=" in word), **kept}
    words = ["snakemake", *shlex.split(os.environ.get(OPTIONS, DEFAULT))]
    words += ["--forcerun", os.environ.get(RULE_NAMES, "*").replace("*", forcerun)] if forcerun else []
    words += ["--config", *(f"{key}={value}" for key, value in config.items())] if config else []
    return shlex.join(words)
