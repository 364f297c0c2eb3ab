from __future__ import annotations

from collections import Counter
from pathlib import Path

from gonogo.quality.inspector import ItemFiles
from gonogo.quality.stratified import stratified_order

FOLDERS = {"train/cat": 600, "train/dog": 300, "val/cat": 100}


def items() -> list[ItemFiles]:
    names = [f"{folder}/{number:04d}.png" for folder, count in FOLDERS.items() for number in range(count)]
    return [ItemFiles(Path("data"), name, (name,)) for name in names]


def test_every_beginning_has_each_folder_in_its_share() -> None:
    order = stratified_order(items(), seed=3)
    assert sorted(order) == list(range(1000))
    for size in (10, 40, 250):
        found = Counter(items()[index].name.rpartition("/")[0] for index in order[:size])
        assert all(abs(found[folder] - size * count / 1000) <= 1 for folder, count in FOLDERS.items()), (size, found)


def test_the_seed_decides_which_items_and_repeats_them() -> None:
    assert stratified_order(items(), 3) == stratified_order(items(), 3) != stratified_order(items(), 4)
    first = [items()[index].name for index in stratified_order(items(), 3)[:10]]
    assert first != sorted(first) and stratified_order([], 0) == []
