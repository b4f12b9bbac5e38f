"""What a config may say: one YAML file is one run.

Every section is a small typed model that refuses unknown keys, a module for each part of the
work. The defaults stand here once; ``configs/default.yaml`` shows each of them with a comment,
and a test keeps the two equal. It imports nothing but ``pipeline.errors``.
"""

from pipeline.config.audit import Audit
from pipeline.config.evaluation import Evaluation, Explanation, Subgroups
from pipeline.config.modelling import (
    Deviation,
    ElasticNet,
    Linear,
    Model,
    Outcome,
    Predictors,
    Ridge,
    TherapyPrior,
    Trees,
)
from pipeline.config.monitoring import Monitoring, Promotion, Updating
from pipeline.config.release import Card, Gate, Registry, Scoring
from pipeline.config.run import Config
from pipeline.config.section import Section
from pipeline.config.serving import Serving
from pipeline.config.source import (
    CohortName,
    ColumnSource,
    LongRows,
    LongSource,
    SyntheticSource,
    Table,
    TableSource,
    Window,
)
from pipeline.config.transport import Learning, Transport

__all__ = [
    "Audit",
    "Card",
    "CohortName",
    "ColumnSource",
    "Config",
    "Deviation",
    "ElasticNet",
    "Evaluation",
    "Explanation",
    "Gate",
    "Learning",
    "Linear",
    "LongRows",
    "LongSource",
    "Model",
    "Monitoring",
    "Outcome",
    "Predictors",
    "Promotion",
    "Registry",
    "Ridge",
    "Scoring",
    "Section",
    "Serving",
    "Subgroups",
    "SyntheticSource",
    "Table",
    "TableSource",
    "TherapyPrior",
    "Transport",
    "Trees",
    "Updating",
    "Window",
]
