"""Features + hyperparameters -> predicted macro-F1, and the search over it."""

from ohlora.predictor.advice import Advice, advise
from ohlora.predictor.model import PredictorSettings
from ohlora.predictor.predictor import Predictor
from ohlora.predictor.search import Suggestion, best_on_average, search

__all__ = ["Advice", "Predictor", "PredictorSettings", "Suggestion", "advise", "best_on_average", "search"]
