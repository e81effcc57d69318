"""A record leads back from wherever it was written."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.records.journal_workers import record

from ohlora.datasets.families import SubsetRecipe
from ohlora.datasets.loading import Batches
from ohlora.records.record import TrialRecord, epochs_seen

REAL = st.floats(0, 1)


class TestRecord:
    @given(i=st.integers(0, 10**6), val_f1=REAL, status=st.sampled_from(["complete", "diverged"]))
    def test_a_row_leads_back(self, i, val_f1, status):
        one = record(i, val_f1=val_f1, status=status)
        assert TrialRecord.from_row(one.row()) == one

    def test_a_row_leads_back_through_parquet(self, tmp_path):
        file = tmp_path / "t.parquet"
        pd.DataFrame([record(i).row() for i in range(3)]).to_parquet(file)
        rows = pd.read_parquet(file).to_dict("records")
        assert [TrialRecord.from_row(row) for row in rows] == [record(i) for i in range(3)]

    def test_the_key_is_every_setting_and_nothing_else(self):
        one = record().key
        others = [
            replace(one, subset=SubsetRecipe("mnist", "varied", 0)),
            replace(one, subset_fingerprint="g"),
            replace(one, protocol="q"),
            replace(one, params={**one.params, "x": 0.1}),
            replace(one, seed=5),
        ]
        assert len({key.digest for key in [one, *others]}) == 6
        assert record(val_f1=0.9, device="gpu", commit="d").key.digest == one.digest
        assert replace(one, params=dict(reversed(one.params.items()))).digest == one.digest


@given(n=st.integers(1, 300), batch_size=st.integers(1, 128), steps=st.integers(0, 40))
def test_epochs_are_the_images_seen_over_the_images_there(n, batch_size, steps):
    labels = torch.arange(n)
    batches = Batches(labels[:, None], labels, batch_size, torch.Generator())
    seen, left = 0, steps
    while left:
        for _, (_, some) in zip(range(left), batches, strict=False):
            seen, left = seen + len(some), left - 1
    assert epochs_seen(steps, n, batch_size) == pytest.approx(seen / n)
