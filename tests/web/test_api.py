"""The API: what it says of itself, versions, roles, errors, and a fuzzer driven by /openapi.json."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from werkzeug.test import TestResponse

from appliance.media.worker import DiscWorker
from appliance.security import tokens
from appliance.store.store import Store
from appliance.studies.upload_worker import Importer
from appliance.web.api.describe import ENDPOINTS
from tests.web import made
from tests.web.conftest import TESTER

Ask = Callable[..., TestResponse]


@pytest.fixture(autouse=True)
def _devices(store: Store) -> None:
    made.devices(store)


@pytest.fixture
def ask_as(store: Store, app: Flask) -> Callable[[str], Ask]:
    """Ask the API with a token of a role."""

    def make(role: str) -> Ask:
        secret = tokens.create_token(store, role, role, TESTER)
        client: FlaskClient = app.test_client()

        def ask(method: str, path: str, **more: Any) -> TestResponse:
            headers = {"Authorization": f"Bearer {secret}", **more.pop("headers", {})}
            return client.open(f"/api/v1{path}", method=method, headers=headers, **more)

        return ask

    return make


@pytest.fixture
def ask(ask_as: Callable[[str], Ask]) -> Ask:
    return ask_as("admin")


def test_the_description_names_every_operation_and_refers_to_nothing_missing(app: Flask) -> None:
    document = app.test_client().get("/openapi.json").json
    assert document is not None and document["openapi"] == "3.1.0"
    operations = [op["operationId"] for path in document["paths"].values() for op in path.values()]
    assert sorted(operations) == sorted(each.name for each in ENDPOINTS) and len(set(operations)) == len(operations)
    text = json.dumps(document)
    named = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert named <= set(document["components"]["schemas"])
    rules = {rule.endpoint for rule in app.url_map.iter_rules() if rule.rule.startswith("/api/")}
    assert {f"api.{name}" for name in operations} == rules


def test_a_film_from_order_to_document(ask: Ask) -> None:
    got = ask("POST", "/printers/film/test-page", json={"pattern": "smpte"})
    assert got.status_code == 202 and got.headers["Location"].endswith("/print-jobs/1") and got.json == {"job_id": 1}
    job = ask("GET", "/print-jobs/1").json
    assert job and job["job_state"] == "pending" and job["films"][0]["film_size_id"] == "8INX10IN"
    assert ask("POST", "/print-jobs/1/hold").json["job_state"] == "pending-held"  # type: ignore[index]
    again = ask("POST", "/print-jobs/1/hold")
    assert again.status_code == 409 and again.mimetype == "application/problem+json"
    assert [job["job_id"] for job in ask("GET", "/print-jobs?job_state=pending-held").json["items"]] == [1]  # type: ignore[index]


def test_a_disc_from_upload_to_image(store: Store, ask: Ask) -> None:
    files = {"files": (io.BytesIO(Path(str(get_testdata_file("CT_small.dcm"))).read_bytes()), "a.dcm")}
    got = ask("POST", "/studies", data=files, content_type="multipart/form-data")
    assert got.status_code == 202 and got.headers["Location"].endswith("/imports/1") and got.json == {"import_id": 1}
    assert ask("GET", "/imports/1").json["state"] == "pending"  # type: ignore[index]
    Importer(store).work_off()
    report = ask("GET", "/imports/1").json
    assert report and report["state"] == "completed" and report["stored"] == 1
    uid = report["studies"][0]
    plan = ask("POST", "/discs/plan", json={"studies": [uid]}).json
    assert plan and plan["ready"] and plan["volumes"][0]["volume"] == 1
    got = ask("POST", "/discs", json={"studies": [uid]})
    assert got.status_code == 202
    DiscWorker(store).work_off()
    disc = ask("GET", "/discs/1").json
    assert disc and disc["execution_status"] == "DONE" and disc["volumes"][0]["verified"]
    assert ask("GET", "/discs/1/volumes/1/image").data[32769:32774] == b"CD001"


def test_a_change_of_a_user_that_is_refused_changes_nothing(ask: Ask) -> None:
    assert ask("POST", "/users", json={"name": "eve", "role": "viewer", "password": "quiet river 7"}).status_code == 201
    refused = ask("PATCH", "/users/eve", json={"role": "admin", "password": "short"})
    assert refused.status_code == 400 and refused.json and refused.json["field"] == "password"
    found = ask("GET", "/users").json
    assert found and {user["name"]: user["role"] for user in found["items"]}["eve"] == "viewer"


def test_pages_follow_one_another(ask: Ask) -> None:
    for _ in range(3):
        ask("POST", "/printers/film/test-page", json={})
    first = ask("GET", "/print-jobs?limit=2").json
    assert first and [job["job_id"] for job in first["items"]] == [3, 2]
    last = ask("GET", f"/print-jobs?limit=2&before={first['next']}").json
    assert last and [job["job_id"] for job in last["items"]] == [1] and last["next"] is None


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/printers", {"device_uri": "socket://192.0.2.9", "settings": {"retry_limt": 3}}, "mean retry_limit?"),
        (
            "/printers",
            {"device_uri": "socket://192.0.2.9", "settings": {"media": [{"film_size": "A4"}]}},
            "film_size_id?",
        ),
        ("/printers", {"device_uri": "nope:x"}, "there are folder:/path"),
        ("/burners", {"burner_uri": "agent:desk", "settings": {"option": {}}}, "mean options?"),
        ("/peers", {"ae_title": "TWO", "addresses": []}, "mean address?"),
    ],
)
def test_what_is_mistyped_is_answered_as_on_the_command_line(
    ask: Ask, path: str, body: dict[str, Any], words: str
) -> None:
    refused = ask("POST", path, json={"name": "two", **body})
    assert refused.status_code == 400 and words in str(refused.json), refused.text


@pytest.mark.parametrize(
    ("path", "new"),
    [
        ("/printers", {"name": "two", "device_uri": "socket://192.0.2.9"}),
        ("/print-profiles", {"name": "two", "printer": "film"}),
        ("/peers", {"name": "two", "ae_title": "TWO"}),
        ("/burners", {"name": "two", "burner_uri": "drive:/dev/sr0"}),
    ],
)
def test_two_who_change_one_thing_do_not_overwrite_one_another(ask: Ask, path: str, new: dict[str, Any]) -> None:
    made_one = ask("POST", path, json=new)
    assert made_one.status_code == 201, made_one.text
    body = {key: value for key, value in new.items() if key != "name"}
    tag = ask("GET", f"{path}/two").headers["ETag"]
    assert ask("PUT", f"{path}/two", json=body).status_code == 428
    assert ask("PUT", f"{path}/two", json=body, headers={"If-Match": tag}).status_code == 200
    late = ask("PUT", f"{path}/two", json=body, headers={"If-Match": tag})
    assert late.status_code == 412 and late.json and late.json["status"] == 412
    assert ask("DELETE", f"{path}/two").status_code == 204
    assert ask("GET", f"{path}/two").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "/printers", {"name": "x", "device_uri": "file:///etc/passwd"}, "device_uri"),
        ("POST", "/printers", {"name": "x", "device_uri": "ipp://127.0.0.1/"}, "device_uri"),
        (
            "POST",
            "/printers",
            {"name": "x", "device_uri": "ipp://192.0.2.1/", "settings": {"bits": 7}},
            "settings.bits",
        ),
        ("POST", "/printers", {"name": "x", "device_uri": "ipp://192.0.2.1/", "wrong": 1}, "wrong"),
        ("POST", "/peers", {"name": "x", "ae_title": "A\\B"}, "ae_title"),
        ("POST", "/discs", {"studies": []}, "study"),
        ("GET", "/print-jobs?limit=0", None, "limit"),
        ("GET", "/studies?since=yesterday", None, "since"),
        ("GET", "/events?since=0001-01-01T00:00:00%2B14:00", None, "since"),
        ("POST", "/printers", {"name": "x", "device_uri": "ipp://[::1"}, "device_uri"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(ask: Ask, method: str, path: str, body: Any, field: str) -> None:
    got = ask(method, path, json=body) if body is not None else ask(method, path)
    assert got.status_code == 400 and got.json and got.json["field"] == field


@pytest.mark.parametrize("moment", ["2000-01-01", "2000-01-01T10:00:00", "2000-01-01T10:00:00Z"])
def test_a_moment_without_a_zone_is_in_utc(ask: Ask, moment: str) -> None:
    for path in ("/events", "/print-jobs"):
        assert ask("GET", f"{path}?since={moment}").status_code == 200
    assert ask("GET", f"/events?until={moment}").json == {"items": [], "next": None}


def test_a_number_larger_than_any_row_s_names_nothing(ask: Ask) -> None:
    huge = 10**20
    for path in ("/print-jobs", "/discs", "/imports", "/retrievals"):
        assert ask("GET", f"{path}/{huge}").status_code == 404, path
    assert ask("DELETE", f"/tokens/{huge}").status_code == 404
    assert ask("GET", f"/discs?text={huge}").json == {"items": [], "next": None}


def test_a_token_does_what_its_role_may(ask_as: Callable[[str], Ask]) -> None:
    viewer, clerk = ask_as("viewer"), ask_as("clerk")
    assert viewer("GET", "/print-jobs").status_code == 200
    assert viewer("POST", "/discs", json={}).status_code == 403
    assert clerk("POST", "/printers", json={}).status_code == 403
    assert clerk("GET", "/users").status_code == 403


def test_health_and_figures(app: Flask, ask: Ask) -> None:
    health = ask("GET", "/health").json
    assert health and health["status"] in ("fine", "warning", "error") and health["findings"]
    here = app.test_client().get("/metrics")
    assert 'appliance_printer_ready{printer="film"} 1.0' in here.text and "appliance_disk_bytes" in here.text
    assert app.test_client().get("/metrics", environ_base={"REMOTE_ADDR": "192.0.2.1"}).status_code == 401
    proxied = app.test_client().get("/metrics", headers={"X-Forwarded-For": "192.0.2.1"})
    assert proxied.status_code == 401


# anything a program may send ------------------------------------------------------------------------------------------

TEXTS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["film", "folder", "1", "-1", "../../etc", "a\x00b", "%s%n", "=1+1", "1.2.3", "9" * 40, "2026-01-01"]
    ),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=4,
)


def fitting(schema: dict[str, Any], document: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that may fit a schema, or nearly."""
    if "$ref" in schema:
        return fitting(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema:
        return st.one_of([fitting(each, document) for each in schema["anyOf"]])
    kind = schema.get("type")
    if kind == "object" and "properties" in schema:
        wanted = schema.get("required", [])
        parts = {key: st.one_of(fitting(value, document), VALUES) for key, value in schema["properties"].items()}
        optional = {key: value for key, value in parts.items() if key not in wanted}
        return st.fixed_dictionaries({key: parts[key] for key in wanted}, optional=optional)
    simple = {"integer": st.integers(-5, 10**6), "boolean": st.booleans(), "null": st.none(), "string": TEXTS}
    if kind == "array":
        return st.lists(fitting(schema.get("items", {}), document), max_size=3)
    return simple.get(str(kind), VALUES)


@settings(
    max_examples=int(os.environ.get("FUZZ_CASES", "15000")) // 100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_whatever_is_sent_is_answered_as_described(app: Flask, ask: Ask, data: st.DataObject) -> None:
    document = app.test_client().get("/openapi.json").json
    assert document is not None
    operations = [(path, verb) for path, ops in document["paths"].items() for verb in ops]
    path, verb = data.draw(st.sampled_from(operations))
    operation = document["paths"][path][verb]
    if operation["operationId"] in ("query_archive", "retrieve_study", "echo_peer", "check_printer"):
        return  # they call other machines
    address = path.removeprefix("/api/v1")
    query: dict[str, Any] = {}
    headers = {}
    for parameter in operation["parameters"]:
        value = data.draw(fitting(parameter["schema"], document))
        if parameter["in"] == "path":
            address = address.replace(f"{{{parameter['name']}}}", quote(str(value) or "x", safe=""))
        elif parameter["in"] == "header":
            headers[parameter["name"]] = "*"
        elif value is not None:
            query[parameter["name"]] = value
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    more = {"json": data.draw(fitting(body["schema"], document))} if body else {}
    got = ask(verb.upper(), f"{address}?{urlencode(query, errors='replace')}", headers=headers, **more)
    assert got.status_code < 500 or got.status_code == 502, (got.status_code, got.text)
    if got.status_code >= 400:
        assert got.mimetype == "application/problem+json" and got.json and got.json["status"] == got.status_code
    elif got.status_code != 308:
        assert str(got.status_code) in operation["responses"], (got.status_code, path)


# what the page can, the API can --------------------------------------------------------------------------------------

DENSITIES = [round(3.1 - 2.88 * (step / 17) ** 0.85, 2) for step in range(18)]


def test_a_printer_is_calibrated_and_goes_back(ask: Ask) -> None:
    path = "/printers/film/calibration"
    first = ask("GET", path)
    medium = first.json["items"][0]  # type: ignore[index]
    assert len(medium["steps"]) == 18 and medium["measurements"] == []
    body = {"medium_type": medium["medium_type"], "densities": DENSITIES, "label": "spring"}
    got = ask("POST", path, json=body)
    kept = got.json["items"][0]  # type: ignore[index]
    assert got.status_code == 201 and kept["in_force"]["kind"] == "measured"
    curve = ask("GET", f"{path}/curve").json
    assert curve and len(curve["target"]) == 256
    worst = max(abs(one - other) for one, other in zip(curve["reached"], curve["target"], strict=True))
    assert worst == pytest.approx(kept["worst_error"])
    back = {"medium_type": medium["medium_type"], "kind": "assumed"}
    stale = ask("PUT", path, json=back, headers={"If-Match": first.headers["ETag"]})
    assert stale.status_code == 412 and ask("PUT", path, json=back).status_code == 428
    done = ask("PUT", path, json=back, headers={"If-Match": got.headers["ETag"]})
    assert done.json["items"][0]["in_force"]["kind"] != "measured"  # type: ignore[index]
    again = {"at": kept["measurements"][0]["at"]}
    once = ask("PUT", path, json=again, headers={"If-Match": done.headers["ETag"]})
    assert once.json["items"][0]["in_force"]["kind"] == "measured"  # type: ignore[index]
    bad = ask("POST", path, json=body | {"densities": DENSITIES[:3]})
    assert bad.status_code == 400 and bad.json and bad.json["field"] == "densities"


def test_a_printer_s_scale_is_corrected_by_its_rulers(ask: Ask) -> None:
    path = "/printers/film/calibration/scale"
    rulers = {"film_size_id": "14INX17IN", "across_mm": 98.0, "down_mm": 101.0}
    media = ask("POST", path, json=rulers).json["settings"]["media"]  # type: ignore[index]
    (size,) = [each for each in media if each["film_size_id"] == "14INX17IN"]
    assert (size["x_scale"], size["y_scale"]) == (1.02041, 0.9901)
    bad = ask("POST", path, json=rulers | {"down_mm": 50.0})
    assert bad.status_code == 400 and bad.json and bad.json["field"] == "down_mm"


def test_a_burner_is_checked(ask: Ask) -> None:
    assert all(each["ok"] for each in ask("GET", "/burners/folder/check").json["items"])  # type: ignore[index]
    ask("POST", "/burners", json={"name": "absent", "burner_uri": "drive:/dev/sr9"})
    said = ask("GET", "/burners/absent/check").json["items"][-1]  # type: ignore[index]
    assert not said["ok"] and "/dev/sr9" in said["what"] and said["advice"]


def test_a_token_is_made_told_once_and_revoked(app: Flask, ask: Ask) -> None:
    made_one = ask("POST", "/tokens", json={"name": "scanner", "role": "viewer", "days": 7}).json
    assert made_one and made_one["token"]["name"] == "scanner"
    headers = {"Authorization": f"Bearer {made_one['secret']}"}
    client = app.test_client()
    assert client.get("/api/v1/printers", headers=headers).status_code == 200
    listed = ask("GET", "/tokens")
    assert made_one["secret"] not in listed.text and listed.json["items"][0]["token_id"]  # type: ignore[index]
    assert ask("DELETE", f"/tokens/{made_one['token']['token_id']}").status_code == 204
    assert client.get("/api/v1/printers", headers=headers).status_code == 401
    assert ask("POST", "/tokens", json={"name": "x", "role": "root"}).status_code == 400


def test_a_paper_is_added_to_the_patient_named(store: Store, ask: Ask, tmp_path: Path) -> None:
    uid = made.study(store, tmp_path)
    paper = b"%PDF-1.4\n1 0 obj <<>> endobj\ntrailer <<>>\n%%EOF"

    def send(patient: str) -> Any:
        data = {"files": (io.BytesIO(paper), "consent.pdf"), "patient_id": patient, "title": "Consent"}
        return ask("POST", f"/studies/{uid}/documents", data=data, content_type="multipart/form-data")

    assert send("P999").status_code == 409
    got = send("P100")
    assert got.status_code == 201 and got.json["study_instance_uid"] == uid
    assert ask("GET", f"/studies/{uid}").json["instances"] == 4  # type: ignore[index]


def test_two_who_change_a_disc_profile_do_not_overwrite_one_another(ask: Ask) -> None:
    built_in = ask("GET", "/disc-profiles/patient")
    body = built_in.json | {"description": "Ours"}  # type: ignore[operator]
    assert ask("PUT", "/disc-profiles/patient", json=body).status_code == 428
    tag = {"If-Match": built_in.headers["ETag"]}
    assert ask("PUT", "/disc-profiles/patient", json=body, headers=tag).status_code == 200
    assert ask("PUT", "/disc-profiles/patient", json=body, headers=tag).status_code == 412
    assert ask("POST", "/disc-profiles", json={"name": "teaching", "anonymous": True}).status_code == 201
    assert ask("POST", "/disc-profiles", json={"name": "teaching"}).status_code == 409
    assert ask("DELETE", "/disc-profiles/teaching").status_code == 204
    assert ask("PUT", "/disc-profiles/teaching", json={}, headers={"If-Match": '"1"'}).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"defaults": {"FilmOrientation": "SIDEWAYS"}}, "defaults"),
        ({"overrides": {"NumberOfCopies": 0}}, "overrides"),
        ({"overrides": {"NumberOfCopies": 1.5}}, "overrides.NumberOfCopies.int"),
        ({"defaults": {"BorderDensity": "PINK"}}, "defaults"),
        ({"defaults": {"ImageDisplayFormat": "STANDARD\\0,0"}}, "defaults"),
        ({"defaults": {"PatientName": "x"}}, "defaults"),
        ({"defaults": {"MediumType": {"a": 1}}}, None),
        ({"grey": {"without_lut": "no-such-table"}}, "without_lut"),
        ({"grey": {"tables": {"A": [70000]}}}, None),
        ({"gray": {}}, "gray"),
        ({"address": "nowhere"}, "address"),
        ({"calling_ae_title": "seventeen letters"}, "calling_ae_title"),
    ],
)
def test_a_print_profile_no_film_could_follow_is_refused(ask: Ask, body: dict[str, Any], field: str | None) -> None:
    got = ask("POST", "/print-profiles", json={"name": "p", "printer": "film", **body})
    assert got.status_code == 400 and got.json and (field is None or got.json["field"] == field), got.text


def test_a_print_profile_keeps_all_it_was_given(ask: Ask) -> None:
    grey = {"without_lut": "HOUSE", "lin_od_zero_is_max_density": False, "tables": {"HOUSE": [0, 100, 65535]}}
    body = {
        "printer": "film", "called_ae_title": "HOUSE", "defaults": {"FilmOrientation": "LANDSCAPE"},
        "overrides": {"NumberOfCopies": "2", "BorderDensity": "WHITE"}, "aliases": {"BIG": "14INX17IN"}, "grey": grey,
    }  # fmt: skip
    assert ask("POST", "/print-profiles", json={"name": "house", **body}).status_code == 201
    kept = ask("GET", "/print-profiles/house").json
    assert kept and {key: kept[key] for key in body} == body | {
        "overrides": {"NumberOfCopies": 2, "BorderDensity": "WHITE"}
    }
    assert ask("GET", "/print-profiles").json["items"] == [kept]  # type: ignore[index]
