"""MLflow's own HTTP server, kept from repeating patients.

``mlflow models serve`` runs MLflow's scoring server, and that one answers a request it cannot use
with the request: a body that is no JSON stands in the error in full
(``scoring_server._decode_json_input``), a frame that the model refuses likewise
(``scoring_server.invocations``), beside a traceback; and MLflow's log names columns that the model
does not know, which in a table turned by mistake are values. No setting of MLflow's prevents it.

The model itself is loaded inside that server's process before the first request, so it can put
the one function through which every request goes behind one that answers errors in its own words.
"""

from __future__ import annotations

import inspect
import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from types import CodeType, ModuleType
from typing import Any

from pipeline.errors import InputError

_PACKAGE = "mlflow.pyfunc.scoring_server"
# What the server's process imports first: `app` since MLflow 3 (FastAPI), `wsgi` before (Flask).
_ENTRIES = (f"{_PACKAGE}.app", f"{_PACKAGE}.wsgi")
_REPLACED = "invocations"
_PARAMETERS = ("data", "content_type", "model", "input_schema")

_MEND = 'send a body such as {"dataframe_records": [{"therapy": ..., "age": ...}]}'


def guard_scoring_server(inputs: Sequence[str]) -> bool:
    """Keep what is sent out of the scoring server's answers and logs, if this is its process.

    Parameters
    ----------
    inputs : sequence of str
        Names of the model's inputs; an error shows the first few.

    Returns
    -------
    bool
        False, and nothing done, in any other process.

    Raises
    ------
    InputError
        Where this version of MLflow answers requests in another way than the one known here:
        the server then does not start, rather than repeat patients' values.
    """
    if not any(name in sys.modules for name in _ENTRIES):
        return False
    server = sys.modules[_PACKAGE]
    answer: Any = getattr(server, _REPLACED, None)
    if not _is_known(server, answer):
        import mlflow

        raise InputError(
            f"the scoring server of MLflow {mlflow.__version__} is not known, and may repeat "
            "patients' values in its errors",
            expected="the version of MLflow in the model's requirements.txt",
            mend="install that version, or serve with 'python -m pipeline serve'",
        )
    setattr(server, _REPLACED, _guarded(answer, inputs))
    # What MLflow says of a request, below an error too, quotes it.
    logging.getLogger("mlflow").setLevel(logging.CRITICAL)
    return True


def _is_known(server: ModuleType, answer: Any) -> bool:
    """Whether `invocations` is there, called as expected, and looked up at each request."""
    return (
        callable(answer)
        and tuple(inspect.signature(answer).parameters) == _PARAMETERS
        and any(_REPLACED in code.co_names for code in _nested(server.init.__code__))
    )


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _nested(inner)


def _guarded(answer: Callable[..., Any], inputs: Sequence[str]) -> Callable[..., Any]:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import BAD_REQUEST

    @wraps(answer)
    def invocations(data: Any, content_type: Any, model: Any, input_schema: Any) -> Any:
        try:
            found = answer(data, content_type, model, input_schema)
        except Exception as error:
            # `from None`: the chain holds the request.
            raise MlflowException(str(_reason(error, inputs)), BAD_REQUEST) from None
        if found.status == 415:
            # It names the content type, which is the sender's text too.
            return found._replace(response=str(_wrong_content()))
        return found

    return invocations


def _reason(error: BaseException, inputs: Sequence[str]) -> InputError:
    """A sentence without the request: this project's own, or one by the error's kind."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, InputError):
            return cause
        if isinstance(cause, json.JSONDecodeError):
            place = f"at line {cause.lineno}, character {cause.colno}"
            return InputError(f"the request's body is no valid JSON {place}", mend=_MEND)
        if isinstance(cause, UnicodeDecodeError):
            return InputError("the request's body is no UTF-8", mend=_MEND)
        cause = cause.__cause__ or cause.__context__
    return InputError(
        "the request's body is no table of patients that can be read",
        expected="one of dataframe_split, dataframe_records, inputs or instances, with columns "
        "such as " + ", ".join(inputs[:5]),
    )


def _wrong_content() -> InputError:
    return InputError(
        "the request's content type is not served",
        expected="application/json, text/csv or application/vnd.apache.parquet, in UTF-8",
    )
