"""Routes: what they answer, whom they let in, and that nothing sent is logged or sent back."""

import json

import pytest

CANARY = "73577357.125"
SECRET = "Zebulon-Quux"


def ask(client, values, **further):
    return client.post("/v1/risk", json={"values": values} | further)


# -- risks ------------------------------------------------------------------------------------


def test_a_patient_gets_what_the_scorer_says(client, scorer, values):
    found = ask(client, values, id="bed 7").json()
    (expected,) = scorer.score([values])
    assert found["research_use_only"] is True
    assert found["answers"] == [expected | {"id": "bed 7"}]
    assert expected["status"] == "ok"


def test_several_patients_are_answered_in_order(client, scorer, values):
    patients = [{"values": values | {"age": 20 + i}} for i in range(20)]
    found = client.post("/v1/risk?reasons=false", json={"patients": patients}).json()["answers"]
    assert found == scorer.score([p["values"] for p in patients], reasons=False)
    assert "reasons" not in found[0]


def test_a_unit_and_a_day_are_taken(client, values):
    plain = ask(client, values | {"crp": 35}).json()["answers"]
    stated = ask(client, values | {"crp": {"value": 3.5, "unit": "mg/dL", "day": -1}}).json()
    assert stated["answers"] == plain


def test_nan_is_missing_though_it_is_no_json(client, values):
    headers = {"content-type": "application/json"}
    content = json.dumps({"values": values | {"crp": float("nan")}})
    assert "NaN" in content
    written = client.post("/v1/risk", content=content, headers=headers)
    missing = ask(client, values | {"crp": None})
    assert written.json()["answers"] == missing.json()["answers"]


def test_a_truth_value_is_no_number(client, values):
    answer = ask(client, values | {"age": True})
    assert answer.status_code == 422
    assert "holds a truth value" in answer.text


def test_an_abstention_is_an_answer_with_its_reason(client, values):
    late = ask(client, values | {"crp": {"value": 3.5, "day": 2}})
    assert late.status_code == 200
    (answer,) = late.json()["answers"]
    assert answer["status"] == "abstain"
    assert answer["because"] == ["'crp' was measured after the infusion"]
    assert {risk["risk"] for risk in answer["risks"].values()} == {None}


# -- nothing of what was sent is repeated -----------------------------------------------------

WRONG = {
    "text for a number": {"values": {"crp": SECRET}},
    "an unknown name": {"values": {SECRET: 1}},
    "an unknown key": {"values": {"crp": {"value": CANARY, SECRET: CANARY}}},
    "a list": {"values": {"crp": [CANARY]}},
    "a wrong shape": {"values": [SECRET, CANARY]},
    "no values": {SECRET: CANARY},
    "a text": SECRET,
    "a day in words": {"values": {"crp": {"value": float(CANARY), "day": SECRET}}},
    "a long unit": {"values": {"crp": {"value": float(CANARY), "unit": SECRET * 9}}},
    "a number for text": {"patients": [{"values": {"crp": {"value": {"x": SECRET}}}}]},
    "a strange id": {"values": {}, "id": {"name": SECRET}},
}
ODD = {
    "out of range": {"crp": float(CANARY)},
    "an unknown unit": {"crp": {"value": float(CANARY), "unit": SECRET}},
    "an unknown therapy": {"therapy": SECRET},
    "a strange level": {"sex": SECRET},
    "too late": {"crp": {"value": float(CANARY), "day": 9}},
}


def silent(*texts):
    for text in texts:
        assert SECRET not in text
        assert CANARY not in text
        assert CANARY.split(".")[0] not in text


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG)
def test_a_wrong_request_is_refused_and_not_repeated(client, logged, body):
    answer = client.post("/v1/risk", json=body)
    assert answer.status_code == 422
    assert answer.json()["detail"]
    log = logged()
    assert '"code": 422' in log
    silent(answer.text, log)


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_a_strange_value_is_answered_and_not_repeated(client, logged, values, odd):
    answer = ask(client, values | odd)
    assert answer.status_code == 200
    log = logged()
    assert '"patients": 1' in log
    silent(answer.text, log)


@pytest.mark.parametrize("content", [f'{{"values": {{"crp": {CANARY}', "", f"{SECRET}", "\xff"])
def test_what_is_no_json_is_refused_and_not_repeated(client, logged, content):
    headers = {"content-type": "application/json"}
    answer = client.post("/v1/risk", content=content.encode("latin-1"), headers=headers)
    assert answer.status_code in (400, 422)
    silent(answer.text, logged())


@pytest.mark.parametrize(
    ("path", "status"),
    [(f"/{SECRET}", 404), (f"/v1/risk/{SECRET}", 404), (f"/v1/model?x={SECRET}", 200)],
)
def test_addresses_are_not_repeated(client, logged, path, status):
    answer = client.get(path)
    assert answer.status_code == status
    silent(answer.text, logged())


def test_an_error_of_the_service_tells_only_its_number(service, logged, values, monkeypatch):
    client = service()

    def broken(*_):
        raise RuntimeError(f"cannot score {SECRET} {CANARY}")

    monkeypatch.setattr(client.holder.model.scorer, "score", broken)
    answer = ask(client, values)
    assert answer.status_code == 500
    log = logged()
    assert '"kind": "RuntimeError"' in log
    number = answer.json()["detail"].split()[-1].rstrip(".")
    assert number in log
    silent(answer.text, log)


def test_the_log_is_json_with_counts_by_status(client, logged, values):
    ask(client, values)
    (line,) = [json.loads(text) for text in logged().splitlines()]
    assert line | {"time": 0, "milliseconds": 0} == {
        "time": 0, "level": "info", "event": "request", "route": "/v1/risk", "method": "POST",
        "code": 200, "milliseconds": 0, "patients": 1, "ok": 1, "abstain": 0,
    }  # fmt: skip


# -- who may ask, and how much ----------------------------------------------------------------


def test_tokens_keep_strangers_out(service, values):
    client = service(tokens=("s3cret", "other"))
    assert ask(client, values).status_code == 401
    for given in ("Bearer wrong", "Basic s3cret", "Bearer", "s3cret"):
        found = client.post("/v1/risk", json={"values": values}, headers={"authorization": given})
        assert found.status_code == 401
        assert found.headers["www-authenticate"] == "Bearer"
    for token in ("s3cret", "other"):
        headers = {"authorization": f"Bearer {token}"}
        assert client.post("/v1/risk", json={"values": values}, headers=headers).status_code == 200
    for path in ("/metrics", "/v1/model"):
        assert client.get(path).status_code == 401
    # A browser that follows a link, from an order or from the page, adds no token to it.
    for path in ("/", "/page.js", "/v1/card", "/health", "/ready", "/cds-services"):
        assert client.get(path).status_code == 200


def test_long_requests_and_many_patients_are_refused(service, values):
    client = service(max_body_bytes=2000, max_patients=3)
    assert client.post("/v1/risk", content=b" " * 2001).status_code == 413
    # Without a stated length, the limit is met while reading.
    assert client.post("/v1/risk", content=iter([b" " * 1500] * 2)).status_code == 413
    four = {"patients": [{"values": {}}] * 4}
    assert "at most 3" in client.post("/v1/risk", json=four).json()["detail"]
    assert client.post("/v1/risk", json={"patients": [{"values": {}}] * 3}).status_code == 200


def test_a_client_that_asks_too_often_must_wait(service):
    client = service(requests_per_second=0.001, burst=3)
    codes = [client.get("/health").status_code for _ in range(5)]
    assert codes == [200, 200, 200, 429, 429]
    assert client.get("/health").headers["retry-after"]


def test_other_origins_may_ask_only_where_the_config_names_them(service):
    headers = {"origin": "https://ward.example", "access-control-request-method": "POST"}
    closed = service().options("/v1/risk", headers=headers)
    assert "access-control-allow-origin" not in closed.headers
    opened = service(cors_origins=["https://ward.example"]).options("/v1/risk", headers=headers)
    assert opened.headers["access-control-allow-origin"] == "https://ward.example"


def test_a_browser_of_an_allowed_origin_may_ask_with_a_token(service):
    """By the Fetch standard a preflight carries no credentials, and must be answered with ok."""
    client = service(tokens=("s3cret",), cors_origins=["https://ward.example"])
    origin = {"origin": "https://ward.example"}
    preflight = client.options(
        "/v1/risk",
        headers=origin
        | {
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type",
        },
    )
    assert preflight.status_code == 200
    assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
    asked = {"json": {"values": {}}}
    refused = client.post("/v1/risk", headers=origin, **asked)
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "https://ward.example"
    token = {"authorization": "Bearer s3cret"}
    assert client.post("/v1/risk", headers=origin | token, **asked).status_code == 200
    stranger = client.post("/v1/risk", headers={"origin": "https://elsewhere"} | token, **asked)
    assert "access-control-allow-origin" not in stranger.headers


def test_every_answer_says_how_a_browser_must_treat_it(client):
    for path in ("/", "/v1/model", "/nowhere"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
    assert client.get("/").headers["content-security-policy"].startswith("default-src 'none'")


# -- what the model is ------------------------------------------------------------------------


def test_the_model_is_described(client, scorer):
    found = client.get("/v1/model").json()
    assert [o["name"] for o in found["outcomes"]] == ["any", "ge2"]
    assert found["outcomes"][1]["thresholds"] == [0.1, 0.2]
    assert [v["name"] for v in found["dictionary"]] == list(scorer.inputs)
    crp = next(v for v in found["dictionary"] if v["name"] == "crp")
    assert {"unit": "mg/dL", "shown": "mg/dL", "factor": 10.0, "offset": 0.0} in crp["units"]
    # Modified EASIX is LDH x CRP / platelets (Pennisi 2021).
    assert set(found["scores"]["m_easix"]) == {"ldh", "crp", "platelets"}
    # As published: 92 to 94 % of any grade in LBCL, less where other studies found less.
    axi = next(t for t in found["therapies"] if t["name"] == "axicabtagene ciloleucel")
    assert 0.8 < axi["rates"]["LBCL"]["any"]["rate"] < 0.95
    assert "yescarta" in axi["aliases"]


def test_the_card_is_the_runs_own(client, small_run):
    card = client.get("/v1/card")
    assert card.content == (small_run.folder / "card" / "model_card.html").read_bytes()
    assert card.headers["content-type"].startswith("text/html")


def test_figures_for_prometheus_hold_counts_by_status_and_no_patient(service, values):
    client = service()
    ask(client, values)
    ask(client, values | {"crp": {"value": 3.5, "day": 2}}, id=SECRET)
    ask(client, {SECRET: 1})
    text = client.get("/metrics").text
    assert 'crs_answers_total{status="ok"} 1.0' in text
    assert 'crs_answers_total{status="abstain"} 1.0' in text
    assert 'crs_requests_total{code="200",method="POST",route="/v1/risk"} 2.0' in text
    assert 'crs_requests_total{code="422",method="POST",route="/v1/risk"} 1.0' in text
    assert "crs_request_seconds_bucket" in text
    silent(text)


def test_the_openapi_names_every_route(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) == {
        "/v1/risk", "/v1/model", "/v1/card", "/fhir/RiskAssessment", "/cds-services",
        "/cds-services/crs-risk", "/health", "/ready", "/metrics",
    }  # fmt: skip


# -- when the model changes -------------------------------------------------------------------


def rename(folder, name):
    file = folder / "model.json"
    content = json.loads(file.read_text())
    content["facts"]["provenance"]["run"] = name
    file.write_text(json.dumps(content))


def test_a_changed_model_is_taken_up(service, run_copy, logged):
    client = service(folder=run_copy)
    rename(run_copy, "newer")
    client.refresh()
    assert client.get("/ready").json() == {"status": "ok", "model": "run newer", "trouble": None}
    assert 'crs_model_info{version="run newer"} 1.0' in client.get("/metrics").text
    assert '"event": "model changed"' in logged()


def test_the_last_good_model_stays_where_the_new_one_does_not_load(
    service, run_copy, logged, values
):
    client = service(folder=run_copy)
    before = ask(client, values).json()
    good = (run_copy / "model.json").read_text()
    (run_copy / "model.json").write_text(good[: len(good) // 2])
    client.refresh()
    assert ask(client, values).json() == before
    ready = client.get("/ready").json()
    assert ready["model"] == "run small"
    assert "is not whole JSON" in ready["trouble"]
    assert "crs_model_reload_failures_total 1.0" in client.get("/metrics").text
    assert '"level": "error"' in logged()
    (run_copy / "model.json").write_text(good)
    client.refresh()
    assert client.get("/ready").json()["trouble"] is None
