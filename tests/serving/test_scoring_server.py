"""The guard on MLflow's scoring server: there and nowhere else, and only on what it knows."""

import logging
import sys
from types import ModuleType

import mlflow.pyfunc.scoring_server as scoring_server
import pytest
from mlflow.exceptions import MlflowException

from pipeline.errors import InputError
from pipeline.serving.scoring_server import guard_scoring_server

PACKAGE = "mlflow.pyfunc.scoring_server"


def invocations(data, content_type, model, input_schema):
    raise MlflowException(f"Failed to predict data '{data}'")


def make_server(answer=invocations, init=None):
    """A module that answers as the scoring server does."""
    server = ModuleType(PACKAGE)
    server.invocations = answer

    def default():
        def transformation():
            return invocations

        return transformation

    server.init = init or default
    return server


@pytest.fixture(params=["app", "wsgi"])
def its_process(request, monkeypatch):
    """Make this process one that serves with the given module, from either entry of MLflow's."""

    def serve(server):
        monkeypatch.setitem(sys.modules, PACKAGE, server)
        monkeypatch.setitem(sys.modules, f"{PACKAGE}.{request.param}", ModuleType("entry"))

    level = logging.getLogger("mlflow").level
    yield serve
    logging.getLogger("mlflow").setLevel(level)


def test_elsewhere_nothing_is_touched():
    before = scoring_server.invocations
    assert f"{PACKAGE}.app" not in sys.modules
    assert guard_scoring_server(["age"]) is False
    assert scoring_server.invocations is before


def test_the_installed_version_is_known(its_process, monkeypatch):
    monkeypatch.setattr(scoring_server, "invocations", scoring_server.invocations)
    its_process(scoring_server)
    before = scoring_server.invocations
    assert guard_scoring_server(["age"]) is True
    assert scoring_server.invocations is not before


def test_an_error_is_answered_without_the_request(its_process):
    server = make_server()
    its_process(server)
    guard_scoring_server(["age", "ldh"])
    with pytest.raises(MlflowException) as refused:
        server.invocations("canary", "text/csv", None, None)
    assert "canary" not in refused.value.serialize_as_json()
    assert "columns such as age, ldh" in refused.value.message
    assert refused.value.get_http_status_code() == 400


def other_parameters(request):
    """As a later version may have it."""


@pytest.mark.parametrize(
    "server",
    [
        make_server(answer=None),
        make_server(answer=other_parameters),
        make_server(init=lambda: print("answers in another way")),
    ],
    ids=["gone", "called otherwise", "not called"],
)
def test_a_server_of_another_make_does_not_start(its_process, server):
    its_process(server)
    with pytest.raises(InputError, match="is not known, and may repeat patients' values"):
        guard_scoring_server(["age"])
