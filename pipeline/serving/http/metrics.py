"""What Prometheus reads: counts and times by route, code and status, never of a patient."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Metrics:
    """The service's figures, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "crs_requests", "Requests by route and answer.", ["route", "method", "code"],
            registry=self.registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "crs_request_seconds", "Time to the answer by route.", ["route"],
            buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self.risks = Counter(
            "crs_answers", "Patients by status of their answer.", ["status"],
            registry=self.registry,
        )  # fmt: skip
        self.reload_failures = Counter(
            "crs_model_reload_failures", "Newer models that did not load.", registry=self.registry
        )
        self._model = Gauge(
            "crs_model_info", "The model that answers.", ["version"], registry=self.registry
        )
        for status in ("ok", "abstain"):
            self.risks.labels(status)

    def model(self, version: str) -> None:
        """Say which model answers."""
        self._model.clear()
        self._model.labels(version).set(1)

    def text(self) -> bytes:
        """Everything in Prometheus's text format."""
        return generate_latest(self.registry)
