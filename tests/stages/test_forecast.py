from __future__ import annotations

import pytest

from gonogo.runtime.ledger import Row
from gonogo.stages.forecast import from_sample

SAMPLE = [
    Row("earlier", "cvs", "", "sample", 0.0, 90.0, 0.0, 80.0),
    Row("now", "cvs", "", "sample", 100.0, 3.3, 101.0, 103.0),
    Row("now", "cvs", "", "measure_quality_sample", 104.0, 1.0),
    Row("now", "cvs", "", "sample", 106.0, 2.0, 107.0, 108.0),  # a second round, of fewer items
]


def test_the_sample_tells_what_the_set_takes_in_two_shards() -> None:
    made, looked = from_sample(SAMPLE, 10, 400, shards=2, cores=8)
    assert [made.stage, looked.stage] == ["dataset", "measure_quality_dataset"]
    assert made.seconds.mid == pytest.approx(2.0 * 40 / 2) and made.basis == "400 items; 10 took 2.0 s"
    assert looked.seconds.mid == pytest.approx(1.0 * 40 / 2)
    assert from_sample(SAMPLE, 10, 400, shards=2, cores=1)[0].seconds.mid == pytest.approx(80)
    assert from_sample([], 10, 400, shards=2, cores=8) == []
