"""How often the quality gate is wrong about data other than pictures: tables, text, volumes, recordings, point
clouds and shards, in sets of twelve files that are made from what packages ship.

    python benchmarks/kinds.py [--json FILE] [--seed N] [--sets N]

Good sets are real data, cut and mixed differently for each set (benchmarks/accuracy/kinds_good.py). Bad ones are good
ones of which all files, or 30 %, are spoilt (kinds_bad.py). A good item counts as falsely bad where a check makes it
bad; a warning does not. Needs pyarrow, pyedflib, scikit-learn, statsmodels and nilearn for their data.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from accuracy.kinds_bad import BAD
from accuracy.kinds_good import GOOD
from figures import save

from gonogo.config.quality_thresholds import QualityGate, VolumesGate
from gonogo.quality.acceptance import bounds
from gonogo.quality.inspect import inspect
from gonogo.quality.left_out import is_note
from gonogo.quality.recognise import recognised
from gonogo.verdict import Status

SEED, SETS = 2026, 14
PREVALENCES = (1.0, 0.3)
BY_NATURE = {("points", "flat")}  # in all files of a set, it is how they are
GATE = QualityGate(volumes=VolumesGate(modality="any"))


def judged(folder: Path, kind: str) -> tuple[str, int, int, list[str]]:
    """Status, bad items, items, and what fired."""
    found = inspect(folder, kind, GATE)
    check = next(check for check in found.verdict.checks if check.id == "bad_items")
    bad = [row for row in found.worst if row["status"] == Status.NO_GO.value]
    fired = [check.id for check in found.verdict.checks if check.status is Status.NO_GO]
    items = sum(1 for path in folder.rglob("*") if path.is_file() and "labelsTr" not in path.parts)
    return (
        found.verdict.status.value,
        round((check.value or 0) / 100 * items),
        items,
        fired + [r["checks"] for r in bad],
    )


def good(folder: Path, kind: str, seed: int, count: int) -> dict[str, Any]:
    verdicts, fired = Counter[str](), Counter[str]()
    bad = items = told = 0
    for number in range(count):
        own = _made(folder, kind, seed, number)
        status, wrong, of, why = judged(own, kind)
        told += [one.kind for one in recognised(own)] == [kind]
        verdicts[status] += 1
        fired.update(why)
        bad, items = bad + wrong, items + of
    low, high = bounds(bad, items)
    return {
        "kind": kind, "sets": count, "stopped": verdicts[Status.NO_GO.value], "verdicts": dict(verdicts),
        "items": items, "falsely_bad": bad, "bounds_95": [round(low, 4), round(high, 4)], "recognised": told,
        "fired": dict(fired.most_common(5)),
    }  # fmt: skip


def bad(folder: Path, kind: str, seed: int, count: int) -> list[dict[str, Any]]:
    rows = []
    for fault, spoil in BAD[kind].items():
        for share in PREVALENCES[(kind, fault) in BY_NATURE :]:
            verdicts: Counter[str] = Counter()
            for number in range(count):
                own = _made(folder, kind, seed + 1, number)
                rng = np.random.default_rng([seed, 7, number])
                files = [path for path in sorted(own.rglob("*")) if path.is_file() and "labelsTr" not in path.parts]
                for at in rng.permutation(len(files))[: max(1, round(share * len(files)))]:
                    spoil(files[at], rng)
                verdicts[inspect(own, kind, GATE).verdict.status.value] += 1
            stopped = verdicts[Status.NO_GO.value]
            rows.append({"kind": kind, "fault": fault, "share": share, "sets": count, "stopped": stopped,
                         "verdicts": dict(verdicts)})  # fmt: skip
            print(f"  {kind:8} {fault:22} {share:4.0%}  {stopped} of {count} stopped", flush=True)
    return rows


def _made(folder: Path, kind: str, seed: int, number: int) -> Path:
    own = folder / f"{kind}-{seed}-{number}-{len(list(folder.iterdir()))}"
    own.mkdir()
    GOOD[kind](own, np.random.default_rng([seed, list(GOOD).index(kind), number]))
    assert not any(is_note(path.name, ()) for path in own.rglob("*") if path.is_file())
    return own


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--sets", type=int, default=SETS, help="good ones of each kind; of each fault a fifth")
    parser.add_argument("--kinds", nargs="+", default=list(GOOD), choices=list(GOOD))
    arguments = parser.parse_args()
    goods, bads = [], []
    for kind in arguments.kinds:
        with tempfile.TemporaryDirectory() as scratch:
            found = good(Path(scratch), kind, arguments.seed, arguments.sets)
            print(f"{kind}: {found['falsely_bad']} of {found['items']} good items falsely bad, {found['stopped']} of "
                  f"{found['sets']} good sets stopped; {found['verdicts']} {found['fired']}", flush=True)  # fmt: skip
            goods.append(found)
            bads += bad(Path(scratch), kind, arguments.seed, max(2, arguments.sets // 5))
    result = {"seed": arguments.seed, "good": goods, "bad": bads}
    for share in PREVALENCES:
        rows = [row for row in bads if row["share"] == share]
        result[f"stopped_at_{share:.0%}"] = round(sum(row["stopped"] for row in rows) / sum(r["sets"] for r in rows), 4)
    print({key: value for key, value in result.items() if key.startswith("stopped")})
    if arguments.json:
        save(arguments.json, result)


if __name__ == "__main__":
    main()
