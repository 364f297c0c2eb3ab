"""`sweep:`: variants of an experiment, and what is wrong with one said in a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from gonogo.base.errors import UserError
from gonogo.config.load import Settings, load

RATE = "training.learning_rate"


def swept(site: Path, sweep: Any, raw: dict[str, Any] | None = None, **keys: Any) -> Settings:
    path = site / "config/experiments/rates.yaml"
    path.write_text(yaml.safe_dump({"extends": "cvs", "sweep": sweep, **keys}, sort_keys=False))
    return load({"experiments": "rates", **(raw or {})}, site)


def names(settings: Settings) -> list[str]:
    return [one.name for one in settings.sweeps["rates"]]


def test_a_grid_is_every_combination_each_an_experiment(site: Path) -> None:
    settings = swept(site, {"over": {RATE: ["1e-3", 0.0001], "settings": {"data.image_size": [32, 64]}}})
    assert names(settings) == [
        "rates-learning_rate-0.001-image_size-32", "rates-learning_rate-0.001-image_size-64",
        "rates-learning_rate-0.0001-image_size-32", "rates-learning_rate-0.0001-image_size-64",
    ]  # fmt: skip
    last = settings.experiments["rates-learning_rate-0.0001-image_size-32"]
    assert last.training.learning_rate == 1e-4 and last.settings["data"]["image_size"] == 32
    assert settings.training("rates-learning_rate-0.001-image_size-32").learning_rate == 1e-3
    assert last.settings["data"]["views"] == settings.experiments["rates"].settings["data"]["views"]
    assert settings.sweep_of("rates-learning_rate-0.0001-image_size-32") == "rates" and not settings.sweep_of("rates")


def test_a_name_stays_where_a_value_is_added_before_it(site: Path) -> None:
    before = names(swept(site, {"over": {RATE: [0.1, 0.2]}}))
    assert set(before) < set(names(swept(site, {"over": {RATE: [0.01, 0.1, 0.2]}})))


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("rates.csv", "name,training.learning_rate,training.ema_warmup\nslow,1e-5,false\n\nfast, 1e-2 ,true\n"),
        (
            "rates.yaml",
            "- {name: slow, training.learning_rate: 1e-5, training: {ema_warmup: false}}\n"
            "- {name: fast, training.learning_rate: 0.01, training.ema_warmup: true}\n",
        ),
    ],
)
def test_a_table_names_its_variants(site: Path, file: str, text: str) -> None:
    (site / file).write_text(text)
    settings = swept(site, {"table": str(site / file)})
    assert names(settings) == ["rates-slow", "rates-fast"]
    trained = [settings.experiments[name].training for name in names(settings)]
    assert [(one.learning_rate, one.ema_warmup) for one in trained] == [(1e-5, False), (1e-2, True)]


def test_one_variant_is_asked_for_by_its_name(site: Path) -> None:
    sweep = {"over": {RATE: [0.1, 0.2]}}
    alone = swept(site, sweep, {"experiments": "rates-learning_rate-0.2"})
    assert names(alone) == ["rates-learning_rate-0.2"] and list(alone.experiments) == ["rates", *names(alone)]
    with pytest.raises(UserError, match=r"experiments: unknown 'rates-learning_rate-0.3'; did you mean"):
        swept(site, sweep, {"experiments": "rates-learning_rate-0.3"})


def test_what_extends_a_sweep_is_none(site: Path) -> None:
    swept(site, {"over": {RATE: [0.1]}})
    (site / "config/experiments/child.yaml").write_text("extends: rates\n")
    assert not load({"experiments": "child"}, site).sweeps


WHERE = r"^config/experiments/rates.yaml: sweep"
WRONG: list[tuple[Any, str]] = [
    ({}, r"sweep: give `over` \(a grid\), `variants` \(a list\) or `table`"),
    ({"over": {RATE: [1]}, "table": "t.csv"}, r"sweep: give one of .*, not over and table"),
    ({"over": {}}, WHERE + ": no variants; write at least one"),
    ({"variants": []}, WHERE + ": no variants; write at least one"),
    ({"over": {RATE: 0.1}}, WHERE + r": over.training.learning_rate: 0.1 should be a list"),
    ({"over": {RATE: []}}, WHERE + r": over.training.learning_rate: \[\] should be a list"),
    ({"over": {"training.learning_rat": [1]}}, WHERE + r".*unknown key 'learning_rat'; did you mean 'learning_rate'"),
    ({"over": {RATE: ["fast"]}}, WHERE + r".*training.learning_rate: 'fast' is wrong"),
    ({"over": {"gates.learning.min_skil": [0.1]}}, WHERE + r".*gates.learning.min_skil: unknown key"),
    ({"over": {"extends": ["cvs"]}}, WHERE + r": over: extends: cannot differ between variants"),
    ({"over": {RATE: [0.1, "0.1"]}}, WHERE + r": over: training.learning_rate=0.1: the same values as"),
    ({"variants": [{"name": "a", RATE: 1}, {"name": "A", RATE: 2}]}, WHERE + r".*'rates-A' is also that of .*\[0\]"),
    ({"variants": [{"name": "a/b", RATE: 1}]}, WHERE + r".*'a/b' names a folder: use letters"),
    ({"variants": [{"name": "a"}]}, WHERE + r": variants\[0\]: no value of any key"),
    ({"over": {RATE: list(range(1, 1002))}}, WHERE + r": 1001 variants; 1000 at most"),
    ({"table": "absent.csv"}, r"^sweep.table: absent.csv: cannot be read: No such file"),
]


@pytest.mark.parametrize(("sweep", "said"), WRONG)
def test_a_sweep_that_cannot_be_made_is_said_in_a_sentence(site: Path, sweep: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        swept(site, sweep)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"^t.csv: no variants"),
        ("training.learning_rate\n", r"^t.csv: no variants"),
        ("name,training.learning_rate\na,1\nb\n", r"^t.csv: line 3: 1 values for 2 columns"),
        ("name,training.learning_rate\na,\n", r"^t.csv: line 2: training.learning_rate: no value"),
        ("name,\na,1\n", r"^t.csv: line 1: 'name,' should name each column once"),
        ("name,training.learning_rate\na,1\na,2\n", r"^t.csv: line 3: name: 'rates-a' is also that of t.csv: line 2"),
        ("name,training.learning_rate\na,1\nb,1.0e0\n", r"^t.csv: line 3: training.learning_rate=1.0: the same values"),
        ('name,training.learning_rate\na,"1\n', r"^t.csv: line \d: no CSV: "),
        ("training.learning_rte\n1\n", r"^t.csv: line 2 .*: training.learning_rte: unknown key"),
    ],
)
def test_a_table_that_cannot_be_read_is_said_with_its_line(
    site: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    (site / "t.csv").write_text(text)
    with pytest.raises(UserError, match=said):
        swept(site, {"table": "t.csv"})


def test_a_key_that_the_mode_or_the_command_line_sets_would_not_differ(site: Path) -> None:
    modes = {"validate": {"training": {"learning_rate": 1}}}
    with pytest.raises(UserError, match=r"sweep over modes.validate.training.learning_rate"):
        swept(site, {"over": {RATE: [0.1]}}, modes=modes)
    with pytest.raises(UserError, match=r"--config sets learning_rate for every variant"):
        swept(site, {"over": {RATE: [0.1]}}, {"learning_rate": 1})
    (site / "config/experiments/rates-learning_rate-0.1.yaml").write_text("extends: cvs\n")
    with pytest.raises(UserError, match=r"is also a file in config/experiments/"):
        swept(site, {"over": {RATE: [0.1]}})


def test_halving_compares_skills_after_equally_many_steps(site: Path) -> None:
    sweep = {"over": {RATE: [0.1, 0.2]}, "halving": {"keep": 0.5}}
    with pytest.raises(UserError, match=r"halving .*smoke.max_extension: 3 lets steps differ; write 1"):
        swept(site, sweep)
    once = {"max_extension": 1}
    assert len(swept(site, sweep, smoke=once).sweeps["rates"]) == 2
    steps = {"over": {"smoke.steps": [10, 20]}, "halving": {}}
    with pytest.raises(UserError, match=r"smoke.steps: 20, and 10 of another; make them equal"):
        swept(site, steps, smoke=once)
    with pytest.raises(UserError, match=r"sweep.halving.keep: 1.5 is wrong"):
        swept(site, {**sweep, "halving": {"keep": 1.5}}, smoke=once)
