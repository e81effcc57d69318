"""Features + hyperparameters -> predicted macro-F1, and the search over it."""

from ohlora.predictor.model import PredictorSettings
from ohlora.predictor.predictor import Predictor
from ohlora.predictor.search import Suggestion, best_on_average, search

__all__ = ["Predictor", "PredictorSettings", "Suggestion", "best_on_average", "search"]
