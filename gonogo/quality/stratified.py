"""An order of a set's items of which every beginning is a fair sample: the sample of data that exists."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from gonogo.quality.inspector import ItemFiles


def stratified_order(items: Sequence[ItemFiles], seed: int) -> list[int]:
    """Indices of all items, in an order that the seed decides; of any beginning, each folder has its share of the set.

    A folder is a class, a split, or both (`train/cat`): whatever the item's file or folder lies in.
    """
    folders: defaultdict[str, list[int]] = defaultdict(list)
    for index, item in enumerate(items):
        folders[item.name.rpartition("/")[0]].append(index)
    random = np.random.default_rng(seed)
    places = np.empty(len(items))
    for name in sorted(folders):
        own = np.array(folders[name])
        # evenly spaced from a random start, as in systematic sampling
        places[random.permutation(own)] = (np.arange(len(own)) + random.random()) / len(own)
    return [int(index) for index in np.argsort(places, kind="stable")]
