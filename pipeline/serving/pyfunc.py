"""The model as MLflow runs it (models from code): no pickle, only the text artifact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

from pipeline.errors import InputError
from pipeline.model.artifact import read_artifact
from pipeline.serving.scorer import Scorer
from pipeline.serving.scoring_server import guard_scoring_server


class CrsRiskModel(mlflow.pyfunc.PythonModel):
    """Scores raw baseline columns; see ``Scorer.predict`` for what comes back."""

    def load_context(self, context: Any) -> None:
        """Load the text artifact that lies beside the model."""
        self.scorer = Scorer(read_artifact(Path(context.artifacts["model"])))
        guard_scoring_server(list(self.scorer.inputs))

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Return one row of risks per row of input.

        Raises
        ------
        InputError
            Where none of the model's columns is there: MLflow drops the others, and with the
            last column it drops the rows. What else goes wrong is told by its kind alone: who
            calls may print or log the error's text, which must hold no patient's value.
        """
        if not len(model_input.columns):
            raise InputError(
                "the input holds none of the model's columns",
                expected="columns such as " + ", ".join(list(self.scorer.inputs)[:5]),
            )
        try:
            return self.scorer.predict(model_input)
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                f"the input cannot be scored ({type(error).__name__})",
                expected="one row per patient, columns as in the model's signature",
            ) from None


mlflow.models.set_model(CrsRiskModel())
