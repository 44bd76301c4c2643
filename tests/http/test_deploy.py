"""The unit and the compose file start what there is, and a health check that tells."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.http.served import WEBHOOK, Served, sign
from tests.simple_events import rows

DEPLOY = Path(__file__).parents[2] / "scripts" / "deploy"
INSTALLED = Path(sys.executable).with_name("profilestore")


@pytest.fixture
def config(tmp_path: Path) -> str:
    file = tmp_path / "serve.toml"
    file.write_text('webhook_secrets = ["deployed"]\n')
    return str(file)


def takes_a_delivery(served: Served) -> None:
    headers = {"X-Comapi-Signature": sign(b"{}", "deployed")}
    answer = served.request("POST", WEBHOOK, b"{}", headers)
    assert (answer.status, answer.json["quarantined"]) == (200, 1)


def test_the_unit_starts_the_service(url: str, config: str) -> None:
    lines = (DEPLOY / "profilestore.service").read_text().splitlines()
    (start,) = (line for line in lines if line.startswith("ExecStart="))
    program, serve, *options = shlex.split(start.removeprefix("ExecStart="))
    assert (Path(program).name, serve) == ("profilestore", "serve")

    given = (each.replace("/etc/profilestore/serve.toml", config) for each in options)
    with Served(url, *given) as served:
        takes_a_delivery(served)
        assert served.stop() == 0


def test_the_compose_file_makes_a_store_and_serves_it(
    new_url: Callable[[str], str], config: str
) -> None:
    services: Any = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    assert services["serve"]["ports"] == ["127.0.0.1:8000:8000"]
    url = new_url("postgresql")
    there = os.environ | {"PROFILESTORE_DATABASE": url}
    subprocess.run([INSTALLED, *services["init"]["command"]], check=True, env=there)
    assert rows(url, "SELECT partitions FROM store") == [(1,)]

    serve, *options = services["serve"]["command"]
    assert serve == "serve"
    given = [each.replace("/run/secrets/serve.toml", config) for each in options]
    kind, python, flag, code = services["serve"]["healthcheck"]["test"]
    assert (kind, python, flag) == ("CMD", "python", "-c")
    with Served(url, *given) as served:
        takes_a_delivery(served)
        code = code.replace(":8000", f":{served.address[1]}")
        subprocess.run([sys.executable, "-c", code], check=True)
        assert served.stop() == 0
        gone = subprocess.run(
            [sys.executable, "-c", code], check=False, capture_output=True
        )
        assert gone.returncode != 0
