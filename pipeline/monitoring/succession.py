"""Whether a run's model may follow the champion at once: by the rule of promotion, where it can.

A gate asks what a model is worth by itself. A version that passes it may still be worse than the
one it would displace; on the same folds that can be seen before the alias moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import Config
from pipeline.errors import InputError
from pipeline.monitoring.comparison import compare, why_not
from pipeline.monitoring.same_folds import paired_on_folds
from pipeline.registry.champion import champion_of
from pipeline.registry.client import mlflow_at
from pipeline.registry.incumbent import CHAMPION


@dataclass(frozen=True)
class Rival:
    """The champion that a new version would displace.

    Attributes
    ----------
    version : str
    compared : bool
        Whether both were evaluated on the same folds, and these are still there.
    stays : str or None
        Why the champion's alias must not move; None where nothing speaks against it.
    """

    version: str
    compared: bool
    stays: str | None

    def told(self, new: str, config: Path) -> str:
        """Say how a version that took its place compares with it."""
        if self.compared:
            return f"On the same folds it is not worse than version {self.version}, champion before"
        return (
            f"It was not compared with version {self.version}, champion before, whose folds are "
            "other ones or gone: python -m pipeline promote "
            f"--challenger {new} --champion {self.version} --cohort FILE --config {config}"
        )


def against_champion(
    name: str, tags: Mapping[str, str], runs: Path, uri: str, config: Config
) -> Rival | None:
    """Compare a model that is about to be registered with the champion, on the same folds.

    Parameters
    ----------
    name : str
        Under which it will be registered.
    tags : mapping
        That it will carry, with ``run`` and ``model_sha256``.
    runs : Path
        Where run folders lie, its own among them.
    uri : str
        Of the tracking store.
    config : Config
        Its ``promotion``, ``evaluation`` and ``seed``.

    Returns
    -------
    Rival or None
        None where there is no champion.
    """
    with mlflow_at(uri):
        from mlflow import MlflowClient

        held = champion_of(MlflowClient(), name)
    if held is None:
        return None
    version = str(held.version)
    try:
        paired = paired_on_folds(("", tags), (version, held.tags), runs)
    except InputError:
        return Rival(version, compared=False, stays=None)
    why = "; ".join(why_not(compare(paired, config), config.promotion))
    if not why:
        return Rival(version, compared=True, stays=None)
    return Rival(
        version,
        compared=True,
        stays=f"version {version} stays {CHAMPION}: on the same folds, {why}",
    )
