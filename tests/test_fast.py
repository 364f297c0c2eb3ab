from __future__ import annotations

from pathlib import Path

from tests.fast import FAST, STARTS_LONG_PROCESSES, imports_heavy, imports_of, is_fast


def test_what_imports_torch_or_ssh_is_left_out_through_any_number_of_modules(root: Path) -> None:
    assert imports_heavy(root / "gonogo/memory/trace.py")
    assert imports_heavy(root / "gonogo/stages/download.py")  # by way of gonogo.remote
    assert imports_heavy(root / "tests/experiments/eeg/test_eegnex.py")
    assert not imports_heavy(root / "gonogo/config/load.py")


def test_names_of_the_public_face_bring_the_modules_that_define_them(tmp_path: Path) -> None:
    test = tmp_path / "test_mine.py"
    test.write_text("from gonogo import Experiment\n")
    assert imports_heavy(test)
    imports_of.cache_clear()
    test.write_text("from gonogo import verdict\n")
    assert not imports_heavy(test)


def test_every_entry_of_the_list_exists_and_most_are_run(root: Path) -> None:
    assert [name for name in [*FAST, *STARTS_LONG_PROCESSES] if not (root / "tests" / name).exists()] == []
    assert is_fast(root / "tests/config/test_load.py") and is_fast(root / "tests/test_verdict.py")
    assert not is_fast(root / "tests/cli/test_plan.py") and not is_fast(root / "tests/faults")
