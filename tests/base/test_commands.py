"""The command that messages tell people to paste names the profile in use."""

from __future__ import annotations

import pytest

from gonogo.base.commands import OPTIONS, RULE_NAMES, kept_options, name_here, remember_options, rerun_command


@pytest.mark.parametrize(
    ("arguments", "environment", "kept"),
    [
        (["--profile", "cloud", "--config", "mode=fast"], {}, ["--profile", "cloud"]),
        (["--profile=cloud"], {}, ["--profile", "cloud"]),
        (["-n"], {"SNAKEMAKE_PROFILE": "cluster"}, ["--profile", "cluster"]),
        (["--profile", "local"], {"SNAKEMAKE_PROFILE": "cluster"}, ["--profile", "local"]),
        (["-s", "a b/Snakefile", "-d", "/there"], {}, ["--snakefile", "a b/Snakefile", "--directory", "/there"]),
        (["--cores", "2"], {}, []),
    ],
)
def test_options_of_the_command_line_are_kept(
    arguments: list[str], environment: dict[str, str], kept: list[str]
) -> None:
    assert kept_options(arguments, environment) == kept


def test_the_command_has_the_options_that_were_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(OPTIONS, raising=False)
    assert rerun_command(experiments="cvs", mode="fast") == (
        "snakemake --profile local --config experiments=cvs mode=fast"
    )
    monkeypatch.setenv(OPTIONS, "")  # started without a profile
    assert rerun_command(forcerun="upload") == "snakemake --forcerun upload"
    monkeypatch.delenv(OPTIONS)
    remember_options(["--profile", "cloud", "-s", "a b/Snakefile"])
    remember_options(["--profile", "another"])  # a job of the same invocation
    command = "snakemake --profile cloud --snakefile 'a b/Snakefile' --forcerun download"
    assert rerun_command(forcerun="download") == command


def test_rules_have_the_names_that_a_module_gave_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OPTIONS, "--profile local")
    monkeypatch.setenv(RULE_NAMES, "mine_*")
    assert name_here("mine_judge_quality") == "judge_quality"
    assert rerun_command(forcerun="canary") == "snakemake --profile local --forcerun mine_canary"
    monkeypatch.delenv(RULE_NAMES)
    assert name_here("canary") == "canary" and rerun_command(forcerun="canary").endswith(" canary")
