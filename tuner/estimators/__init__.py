"""What was found, put to use: predictions for new rows."""

from .exporting import Exported, export
from .predictor import Answers, Predictor, predictor

__all__ = ["Answers", "Exported", "Predictor", "export", "predictor"]
