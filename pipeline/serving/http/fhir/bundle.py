"""What the model needs of a Bundle: therapy and its time, patient, disease, observations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.errors import InputError
from pipeline.model.artifact import Artifact
from pipeline.serving.http.fhir.disease import read_disease
from pipeline.serving.http.fhir.identity import is_anonymous, is_patient, patient_of
from pipeline.serving.http.fhir.infusion import read_infusion
from pipeline.serving.http.fhir.observations import read_observations
from pipeline.serving.http.fhir.person import read_person
from pipeline.serving.http.fhir.reading import Reading
from pipeline.serving.http.fhir.resources import entries_of
from pipeline.serving.http.fhir.therapy import INFUSIONS

_OF_A_PATIENT = (*INFUSIONS, "Condition", "Observation")


def read_bundle(
    bundle: Mapping[str, Any], artifact: Artifact, patient: str | None = None
) -> Reading:
    """Read what the model needs from a FHIR R4 Bundle.

    Parameters
    ----------
    bundle : mapping
        As JSON gives it.
    artifact : Artifact
    patient : str, optional
        The id of the patient whom it must be about.

    Raises
    ------
    InputError
        Where it is no Bundle, or one of several patients, or of another.
    """
    if not isinstance(bundle, Mapping) or bundle.get("resourceType") != "Bundle":
        raise InputError("the body is no FHIR Bundle", expected="resourceType: Bundle")
    found = Reading()
    entries = entries_of(bundle)
    subject = patient_of(entries)
    if subject is not None:
        if patient is not None and not is_patient(subject, patient):
            raise InputError(
                "the resources are of another patient than the one who is asked about",
                expected="resources of one patient",
            )
        found.subject = subject
    if any(entry.kind in _OF_A_PATIENT and is_anonymous(entry) for entry in entries):
        found.remark("some resources do not say whose they are: they are taken as this patient's")
    infusion = read_infusion(entries, artifact, found)
    at = infusion.at if infusion is not None else None
    read_person(entries, at, artifact, found)
    read_disease(entries, artifact, found)
    if infusion is not None and infusion.is_past and at is None:
        found.remark(
            "the therapy was given at a time that is not stated: no observation is known to be "
            "from before it, and none is used"
        )
        return found
    if infusion is not None and at is None:
        found.remark("the time of infusion is not stated: days are counted from now")
    read_observations(entries, at, artifact, found)
    return found
