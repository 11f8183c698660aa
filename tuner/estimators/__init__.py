"""What was found, put to use: predictions for new rows."""

from .predictor import Answers, Predictor, predictor

__all__ = ["Answers", "Predictor", "predictor"]
