"""From source to model matrix: ingest, audit, features."""

from __future__ import annotations

import pandas as pd

from pipeline.cohort.dictionary import read_dictionary
from pipeline.config import SyntheticSource
from pipeline.runner import Job
from pipeline.stages.files import cohort_of, dictionary_of, read_json, write_json


def ingest(job: Job) -> str:
    """Read or draw the cohort, in canonical units."""
    config = job.config
    dictionary = read_dictionary(config.path(config.dictionary))
    files = job.out / "cohort.parquet", job.out / "truth.parquet"
    if isinstance(config.source, SyntheticSource):
        from pipeline.ingest.synthetic import write_cohort

        facts = config.path(config.source.facts)
        report, cohort = write_cohort(config.source, config.seed, config.outcomes, facts, *files)
        patients, kind = config.source.patients, "synthetic "
    else:
        from pipeline.ingest.tables import read_tables

        cohort, report = read_tables(config, dictionary)
        cohort.to_parquet(files[0], index=False)
        patients, kind = len(cohort), ""
    write_json(job.out / "dictionary.json", dictionary.restricted_to(cohort).to_json())
    write_json(job.out / "ingest.json", report)
    return f"{patients:,} {kind}patients, {cohort.shape[1] - 1} variables"


def audit(job: Job) -> str:
    """Look for faults in the cohort before anything is fitted, and say the gravest."""
    from pipeline.cohort.audit import audit_cohort
    from pipeline.cohort.sample_size import candidate_variables

    config, dictionary = job.config, dictionary_of(job)
    prior = config.therapy_prior
    found = audit_cohort(
        cohort_of(job),
        dictionary,
        config.outcomes,
        config.primary_outcome,
        config.audit,
        read_json(job.run / "ingest" / "ingest.json"),
        config.seed,
        candidate_variables(dictionary, config.predictors, prior.therapy if prior else None),
    )
    write_json(job.out / "audit.json", found)
    summary = found["summary"]
    counts = f"{summary['errors']} errors, {summary['warnings']} warnings, {summary['notes']} notes"
    errors = [f["message"] for f in found["findings"] if f["severity"] == "error"]
    return "\n".join([counts, *errors[:2]])


def features(job: Job) -> str:
    """Turn baseline variables and therapies into the model matrix."""
    from pipeline.cohort.therapies import read_therapies
    from pipeline.features.matrix import build_matrix, prior_log_odds, values_of
    from pipeline.features.planning import plan_features
    from pipeline.features.therapy import therapy_facts

    config, cohort = job.config, cohort_of(job)
    prior = config.therapy_prior
    facts = therapy_facts(read_therapies(config.path(prior.table)), prior) if prior else None
    plan = plan_features(cohort, dictionary_of(job), config, facts)
    values = values_of(cohort, plan)
    matrix = pd.DataFrame(build_matrix(values, plan), columns=[c.name for c in plan.columns])
    matrix.to_parquet(job.out / "matrix.parquet", index=False)
    published, published_sd = prior_log_odds(values, plan)
    pd.DataFrame(
        {f"{name}{what}": table[:, k] for what, table in (("", published), ("_sd", published_sd))
         for k, name in enumerate(config.outcomes)}
    ).to_parquet(job.out / "prior.parquet", index=False)  # fmt: skip
    write_json(job.out / "features.json", plan.model_dump(mode="json"))
    from_prior = "with the therapy prior" if facts else "no therapy prior"
    return f"{len(plan.sources)} predictors in {len(plan.columns)} columns, {from_prior}"
