"""The application: routes, what they answer, and how wrong requests are told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Body, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import HTMLResponse, PlainTextResponse

from pipeline.config import Serving
from pipeline.errors import InputError
from pipeline.serving.http import schemas
from pipeline.serving.http.cds import SERVICE, bundles_of, card, discovery, patient_asked
from pipeline.serving.http.describe import RESEARCH_USE, describe
from pipeline.serving.http.fhir.assessment import risk_assessment
from pipeline.serving.http.fhir.bundle import read_bundle
from pipeline.serving.http.fhir.reading import Reading
from pipeline.serving.http.guard import Guard
from pipeline.serving.http.holder import Holder
from pipeline.serving.http.metrics import Metrics
from pipeline.serving.http.page import add_page
from pipeline.serving.http.source import Loaded
from pipeline.serving.http.words import Words

# The card is one file with its style, its script and its pictures inside.
_CARD_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_FEW = 8  # patients scored where they arrive; more go to a thread, so that others are answered
_REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"model": schemas.Fault} for code in (400, 401, 413, 422, 429)
}


def create_app(
    holder: Holder,
    settings: Serving,
    metrics: Metrics,
    tokens: tuple[str, ...] = (),
    thresholds: Mapping[str, list[float]] | None = None,
) -> FastAPI:
    """Build the application around a loaded model.

    Parameters
    ----------
    holder : Holder
    settings : Serving
    metrics : Metrics
    tokens : tuple of str
        Bearer tokens that are let in; where there are none, everybody is.
    thresholds : mapping
        Risks at which a team might act, per outcome; told by ``/v1/model``.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        watch = asyncio.create_task(holder.watch(settings.poll_seconds))
        yield
        watch.cancel()
        holder.close()

    app = FastAPI(
        title="CRS risk before infusion",
        description=RESEARCH_USE,
        version="1",
        lifespan=lifespan,
        # Their pages load scripts from elsewhere; /openapi.json is what tools read.
        docs_url=None,
        redoc_url=None,
    )
    _errors(app)
    _model_routes(app, holder, settings, metrics, dict(thresholds or {}))
    _clinical_routes(app, holder, settings, metrics)
    _operator_routes(app, holder, metrics)
    add_page(app)
    app.add_middleware(Guard, settings=settings, tokens=tokens, metrics=metrics)
    if settings.cors_origins:
        # Outermost: a browser asks first without a token, and must be able to read a refusal.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type"],
        )
    return app


def _model_routes(
    app: FastAPI,
    holder: Holder,
    settings: Serving,
    metrics: Metrics,
    thresholds: dict[str, list[float]],
) -> None:
    @app.post("/v1/risk", responses={200: {"model": schemas.Answers}, **_REFUSALS})
    async def risk(
        request: Request,
        asked: schemas.Patient | schemas.Patients,
        reasons: Annotated[bool, Query(description="Whether to add the contributions.")] = True,
    ) -> Response:
        """Risks of one patient or several, each value in a unit of its own if need be."""
        loaded = holder.model
        patients = asked.patients if isinstance(asked, schemas.Patients) else [asked]
        if len(patients) > settings.max_patients:
            raise InputError(
                f"{len(patients)} patients at once", expected=f"at most {settings.max_patients}"
            )
        records = [{k: _as_given(v) for k, v in p.values.items()} for p in patients]
        answers = await _score(loaded, records, reasons)
        _tell(request, metrics, answers)
        for patient, answer in zip(patients, answers, strict=True):
            if patient.id is not None:
                answer["id"] = patient.id
        return _json({"model": loaded.version, "research_use_only": True, "answers": answers})

    described: dict[str, bytes] = {}

    @app.get("/v1/model")
    async def model() -> Response:
        """Version, outcomes, dictionary, therapies with their published rates, an example."""
        loaded = holder.model
        if loaded.key not in described:
            described.clear()
            described[loaded.key] = _dumps(describe(loaded, thresholds))
        return Response(described[loaded.key], media_type="application/json")

    @app.get("/v1/card", responses={404: {"model": schemas.Fault}}, response_class=HTMLResponse)
    async def card() -> Response:
        """The model card as one HTML page."""
        found = holder.model.card
        if found is None:
            raise HTTPException(404, "No model card lies with this model.")
        headers = {"content-security-policy": _CARD_POLICY}
        return Response(found, media_type="text/html; charset=utf-8", headers=headers)


def _clinical_routes(app: FastAPI, holder: Holder, settings: Serving, metrics: Metrics) -> None:
    async def answered(
        request: Request, loaded: Loaded, readings: list[Reading]
    ) -> list[dict[str, Any]]:
        answers = await _score(loaded, [reading.record for reading in readings], reasons=False)
        _tell(request, metrics, answers)
        return answers

    written: dict[int | str, dict[str, Any]] = {
        200: {"content": {"application/fhir+json": {}}, "description": "RiskAssessment"}
    }

    @app.post("/fhir/RiskAssessment", responses={**written, **_REFUSALS}, response_class=Response)
    async def assessment(request: Request, bundle: Annotated[dict[str, Any], Body()]) -> Response:
        """A FHIR R4 RiskAssessment from a Bundle of one patient's resources."""
        loaded = holder.model
        artifact, facts = loaded.scorer.artifact, loaded.scorer.artifact.facts
        reading = read_bundle(bundle, artifact)
        (answer,) = await answered(request, loaded, [reading])
        found = risk_assessment(
            answer, reading, Words(artifact), loaded.version, facts["interval_level"], RESEARCH_USE
        )
        return _json(found, "application/fhir+json")

    @app.get("/cds-services")
    async def services() -> Response:
        """CDS Hooks discovery."""
        return _json(discovery(holder.model.scorer.artifact))

    @app.post(f"/cds-services/{SERVICE}", responses={412: {"model": schemas.Fault}, **_REFUSALS})
    async def hook(request: Request, called: Annotated[dict[str, Any], Body()]) -> Response:
        """CDS Hooks: a card for each therapy whose order is about to be signed."""
        patient = patient_asked(called)
        if not isinstance(called.get("prefetch"), Mapping) or not called["prefetch"]:
            raise HTTPException(412, "The prefetched resources are missing.")
        loaded = holder.model
        artifact, facts = loaded.scorer.artifact, loaded.scorer.artifact.facts
        readings = [
            read_bundle(bundle, artifact, patient) for bundle in bundles_of(called, artifact)
        ]
        answers = await answered(request, loaded, readings)
        base = settings.public_url or str(request.base_url)
        url = f"{base.rstrip('/')}/v1/card" if loaded.card is not None else None
        written = [
            card(
                answer, reading, Words(artifact), facts["primary_outcome"],
                facts["interval_level"], RESEARCH_USE, url,
            )
            for answer, reading in zip(answers, readings, strict=True)
        ]  # fmt: skip
        return _json({"cards": written})


def _operator_routes(app: FastAPI, holder: Holder, metrics: Metrics) -> None:
    @app.get("/health")
    async def health() -> Response:
        """Whether the process answers."""
        return _json({"status": "ok"})

    @app.get("/ready")
    async def ready() -> Response:
        """Which model answers, and why a newer one does not."""
        return _json({"status": "ok", "model": holder.model.version, "trouble": holder.trouble})

    @app.get("/metrics", response_class=PlainTextResponse)
    async def figures() -> Response:
        """Prometheus metrics."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _errors(app: FastAPI) -> None:
    @app.exception_handler(InputError)
    async def wrong_input(_: Request, error: InputError) -> Response:
        return _json({"detail": str(error)}, code=422)

    @app.exception_handler(RequestValidationError)
    async def wrong_shape(_: Request, error: RequestValidationError) -> Response:
        # FastAPI would send back what was sent. Places are told as far as they are ours.
        faults = [
            {"where": [p for p in fault["loc"] if isinstance(p, int) or p in _PLACES],
             "problem": fault["msg"]}
            for fault in error.errors()
        ]  # fmt: skip
        return _json({"detail": faults[:20]}, code=422)

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> Response:
        return _json({"detail": error.detail}, code=error.status_code, headers=error.headers)


_PLACES = {"body", "query", "patients", "values", "value", "unit", "day", "id", "reasons"}


async def _score(
    loaded: Loaded, records: list[dict[str, Any]], reasons: bool
) -> list[dict[str, Any]]:
    if len(records) <= _FEW:
        return loaded.scorer.score(records, reasons)
    return await asyncio.to_thread(loaded.scorer.score, records, reasons)


def _as_given(value: Any) -> Any:
    return value.model_dump() if isinstance(value, schemas.Quantity) else value


def _tell(request: Request, metrics: Metrics, answers: list[dict[str, Any]]) -> None:
    """Count answers by status, for metrics and for the request's line in the log."""
    told = {"patients": len(answers)}
    for status in ("ok", "abstain"):
        told[status] = sum(answer["status"] == status for answer in answers)
        metrics.risks.labels(status).inc(told[status])
    request.state.told = told


def _dumps(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, allow_nan=False).encode()


def _json(
    content: Any,
    kind: str = "application/json",
    code: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    return Response(_dumps(content), code, dict(headers or {}), kind)
