"""The API's description says what the server does, and its examples are taken."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import validator_for

from profilestore.infrastructure.http.problems import PROBLEMS
from tests.http.served import TOKEN, WEBHOOK, Served
from tests.simple_events import SPACE

STORY = Path(__file__).parents[2] / "scripts" / "story"


@pytest.fixture(scope="module")
def served(database: str) -> Iterator[Served]:
    with Served(database) as server:
        for delivery in sorted(STORY.glob("[1-4]*")):
            assert server.deliver(delivery.read_bytes()).status == 200
        yield server


@pytest.fixture(scope="module")
def document(served: Served) -> Any:
    return served.get("/openapi.json", "").json


def test_it_is_openapi_3_1_of_all_routes(document: Any) -> None:
    assert document["openapi"].startswith("3.1")
    answers = ("profiles", "deletion", "devices", "history", "diff", "blame", "explain")
    spaces = "/v1/spaces/{space}"
    expected = {f"{spaces}/{name}/{{profile_id}}" for name in (*answers, "timemap")}
    expected |= {f"{spaces}/{name}" for name in ("profiles", "count", "series")}
    expected |= {
        "/v1/feed",
        "/v1/feed/stream",
        "/healthz",
        "/readyz",
        "/metrics",
        WEBHOOK,
    }
    assert set(document["paths"]) == expected
    for path, methods in document["paths"].items():
        for operation in methods.values():
            named = {
                p["name"] for p in operation.get("parameters", []) if p["in"] == "path"
            }
            assert named == set(re.findall(r"{(\w+)}", path))


def test_what_is_not_described_is_not_served(served: Served, document: Any) -> None:
    for path, operations in document["paths"].items():
        plain = re.sub(r"{\w+}", "x", path)
        for method in {"GET", "PUT", "DELETE"} - {m.upper() for m in operations}:
            answer = served.request(method, plain)
            assert (answer.status, answer.headers["Allow"].lower()) == (
                405,
                *operations,
            )
            assert answer.headers["Content-Type"] == "application/problem+json"
    for path in ("/", "/v1", f"{WEBHOOK}/", f"{WEBHOOK}x", f"/x{WEBHOOK}", "/v1/feed/"):
        assert served.request("POST", path).status == 404


def test_the_examples_are_events_that_are_taken(served: Served, document: Any) -> None:
    (operation,) = document["webhooks"]["profileEvents"].values()
    (content,) = operation["requestBody"]["content"].values()
    examples = {name: each["value"] for name, each in content["examples"].items()}
    batch = examples.pop("batch")

    names = {each["name"] for each in batch}
    assert len(names) == len(examples) == 5
    assert served.deliver(batch).json["accepted"] == 5
    for example in examples.values():
        assert served.deliver(example).json["duplicate"] == 1


JOE = f"/v1/spaces/{SPACE}/{{}}/joe.blogs%40example.com"


@pytest.mark.parametrize(
    ("template", "query"),
    [
        *(
            (f"{name}/{{profile_id}}", "")
            for name in ("profiles", "deletion", "devices")
        ),
        *((f"{name}/{{profile_id}}", "") for name in ("history", "blame")),
        ("diff/{profile_id}", "?from=2026-05-01T00:00:00Z"),
        ("explain/{profile_id}", "?known_from=0&known_to=9"),
        *((name, "") for name in ("profiles", "count")),
        ("series", "?from=2026-05-01T00:00:00Z&to=2026-05-03T00:00:00Z&step=1d"),
    ],
)
def test_answers_are_as_described(
    served: Served, document: Any, template: str, query: str
) -> None:
    operation = document["paths"][f"/v1/spaces/{{space}}/{template}"]["get"]
    described = operation["responses"]["200"]["content"]["application/json"]["schema"]
    path = f"/v1/spaces/{SPACE}/{template}".format(profile_id="joe.blogs%40example.com")

    answer = served.get(path + query)

    assert answer.status == 200
    schema = described | {"components": document["components"]}
    validator_for(schema).validate(answer.json)


def test_the_page_needs_nothing_from_elsewhere(served: Served, document: Any) -> None:
    answer = served.get("/docs", "")
    page = answer.body.decode()

    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "<script" not in page
    assert not re.findall(r"(?:src|href)=\"?https?:", page)
    for path in document["paths"]:
        assert path in page
    for problem in PROBLEMS:
        assert f'id="problem-{problem.name}"' in page


NOT_SAID_BY_A_SCHEMA = (
    "/v1/feed",  # how many partitions there are
    "diff/{profile_id}",  # one end at least
    "series",  # no end before the beginning, and not too many times
    "profiles/{profile_id}",  # a date that there is
)


def _lenient(template: str) -> str:
    """Let 400 be an answer to what a schema allows."""
    path = template if template[0] == "/" else f"/v1/spaces/{{space}}/{template}"
    return (
        f'[[operations]]\ninclude-path = "{path}"\n'
        "checks.positive_data_acceptance.expected-statuses = "
        '["2xx", "304", "400", "404"]\n'
    )


@pytest.mark.slow
def test_schemathesis_finds_no_fault(served: Served, tmp_path: Path) -> None:
    host, port = served.address
    settings = tmp_path / "schemathesis.toml"
    # A stream has no end to wait for, and what is unsigned is refused unread.
    stream = '[[operations]]\ninclude-path = "/v1/feed/stream"\nenabled = false\n'
    settings.write_text(stream + "".join(map(_lenient, NOT_SAID_BY_A_SCHEMA)))
    run = subprocess.run(
        [
            *(
                Path(sys.executable).with_name("schemathesis"),
                "--config-file",
                settings,
            ),
            *("run", f"http://{host}:{port}/openapi.json"),
            *("--header", f"Authorization: Bearer {TOKEN}", "--max-examples", "100"),
            *("--checks", "all", "--mode", "all", "--seed", "7"),
        ],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    assert not served.errors
