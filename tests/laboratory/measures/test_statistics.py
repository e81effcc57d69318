import pytest
import torch

from ohlora.laboratory.measures.binary import auroc, calibration_error, recall_at_precision
from ohlora.laboratory.measures.statistics import interval, pearson, slope, with_interval


def test_pearson_and_slope():
    asked = torch.tensor([0.0, 1.0, 2.0, 3.0])
    assert pearson(asked, 5 - 2 * asked) == pytest.approx(-1)
    assert slope(asked, 5 - 2 * asked) == pytest.approx(-2)
    assert pearson(asked, torch.ones(4)) == 0
    assert pearson(asked, torch.tensor([1.0, 0.0, 0.0, 1.0])) == pytest.approx(0)


def test_auroc_counts_pairs():
    truth = torch.tensor([1, 0, 1, 0, 0])
    score = torch.tensor([0.9, 0.8, 0.5, 0.5, 0.1])
    # six pairs: 0.9 beats all three, 0.5 loses to 0.8, ties with 0.5, beats 0.1
    assert auroc(truth, score) == pytest.approx(4.5 / 6)
    assert auroc(torch.ones(3), torch.rand(3)) == 0.5


def test_calibration_error_of_an_overconfident_judge():
    truth = torch.tensor([1.0, 0.0] * 50)
    assert calibration_error(truth, torch.full((100,), 0.5)) == pytest.approx(0, abs=1e-6)
    assert calibration_error(truth, torch.full((100,), 0.9)) == pytest.approx(0.4, abs=1e-6)
    assert calibration_error(truth, truth) == 0


def test_recall_at_precision():
    truth = torch.tensor([1, 1, 0, 1, 0, 0])
    score = torch.tensor([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    assert recall_at_precision(truth, score, 1.0) == pytest.approx(2 / 3)
    assert recall_at_precision(truth, score, 0.75) == pytest.approx(1)
    assert recall_at_precision(truth, 1 - score, 0.9) == 0
    assert recall_at_precision(torch.zeros(6), score, 0.5) == 0


def test_an_interval_holds_the_mean_and_shrinks_with_rows():
    values = torch.randn(2000, generator=torch.Generator().manual_seed(0))
    low, high = interval(lambda rows: float(values[rows].mean()), 2000)
    few_low, few_high = interval(lambda rows: float(values[rows].mean()), 100)
    assert low < values.mean() < high
    assert few_high - few_low > 2 * (high - low)
    told = with_interval("mean", lambda rows: float(values[rows].mean()), 2000)
    assert told == {"mean": pytest.approx(float(values.mean())), "mean_low": low, "mean_high": high}
