"""The OpenAPI description against the service: many generated requests, no server error."""

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

EXAMPLES = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def test_no_generated_request_makes_the_service_fail(client):
    schema = schemathesis.openapi.from_asgi("/openapi.json", client.app)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == 9
    codes = set()
    for operation in operations:

        @given(case=operation.as_strategy())
        @EXAMPLES
        def fuzz(case):
            answer = case.call()
            codes.add(answer.status_code)
            # The description cannot know which names the model's dictionary has.
            case.validate_response(answer, excluded_checks=[positive_data_acceptance])

        fuzz()
    assert {200, 422} <= codes
    assert not any(code >= 500 for code in codes)
