"""Deployment: the compose file and the image name only what exists. No container engine runs them here.

So these tests read the files; that the containers start is not proved by them.
"""

import ast
import importlib.util
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands
from uvicorn.importer import import_from_string
from uvicorn.main import main as uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from loyalty.celery import app
from loyalty.hooks import own_server

ROOT = Path(__file__).resolve().parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name, service in SERVICES.items() if "build" in service)
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def instructions(name: str) -> list[str]:
    """What follows each Dockerfile instruction of one kind, continued lines joined."""
    joined = DOCKERFILE.replace("\\\n", " ")
    return re.findall(rf"^{name} +(.+)$", joined, flags=re.MULTILINE)


def command_of(service: dict[str, Any]) -> list[str]:
    """The words a service runs: its own, else the image's."""
    words: list[str] = service.get("command") or ast.literal_eval(instructions("CMD")[-1])
    if words[:2] == ["sh", "-c"]:
        return [word for part in words[2].split("&&") for word in [*shlex.split(part), "&&"]]
    return words


def settings_variables() -> set[str]:
    """Every name that settings.py reads from the environment."""
    tree = ast.parse((ROOT / "loyalty" / "settings.py").read_text(encoding="utf-8"))
    return {
        call.args[0].value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
        and (
            (isinstance(call.func, ast.Attribute) and getattr(call.func.value, "id", "") == "env")
            or (isinstance(call.func, ast.Name) and call.func.id in {"boolean", "whole_number"})
        )
    }


def test_has_the_services_of_a_whole_installation():
    assert set(SERVICES) == {"db", "broker", "migrate", "web", "hooks", "worker", "beat"}
    assert OURS == ["beat", "hooks", "migrate", "web", "worker"]


@pytest.mark.parametrize("name", OURS)
def test_passes_only_variables_that_the_settings_read(name):
    unknown = set(SERVICES[name]["environment"]) - settings_variables()

    assert unknown == set()


@pytest.mark.parametrize(
    "variable",
    ["LOYALTY_ENV", "SECRET_KEY", "CREDENTIALS_KEYS", "PUBLIC_URL", "DATABASE_URL", "REDIS_URL", "EMAIL_URL"],
)
def test_passes_every_variable_that_production_needs(variable):
    assert all(SERVICES[name]["environment"].get(variable) for name in OURS)


def test_asks_for_no_variable_that_the_example_does_not_explain():
    asked = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text(encoding="utf-8")))
    explained = set(re.findall(r"^#? ?([A-Z_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))

    assert asked == explained


@pytest.mark.parametrize("name", OURS)
def test_runs_programs_and_modules_that_exist(name):
    words = command_of(SERVICES[name])

    program = words[0]
    assert importlib.util.find_spec({"python": "django"}.get(program, program)) is not None
    if program == "gunicorn":
        assert importlib.util.find_spec(words[1]) is not None
    if program == "uvicorn":
        assert import_from_string(words[1])
        assert issubclass(import_from_string(words[words.index("--http") + 1]), HttpToolsProtocol)
    if program == "celery":
        assert words[1:3] == ["-A", app.main]
        assert words[3] in {"worker", "beat"}


def test_migrates_with_commands_that_exist():
    words = command_of(SERVICES["migrate"])

    named = [words[place + 1] for place, word in enumerate(words) if word == "manage.py"]
    assert named == ["migrate", "sync_roles"]
    assert set(named) <= set(get_commands())


def test_has_one_beat():
    assert [name for name in OURS if "beat" in command_of(SERVICES[name])] == ["beat"]
    assert "deploy" not in SERVICES["beat"]


@pytest.mark.parametrize("name", ["web", "hooks", "worker", "beat"])
def test_waits_for_servers_and_migration(name):
    assert SERVICES[name]["depends_on"] == {
        "db": {"condition": "service_healthy"},
        "broker": {"condition": "service_healthy"},
        "migrate": {"condition": "service_completed_successfully"},
    }


def test_checks_the_health_of_all_that_stay():
    assert all("healthcheck" in SERVICES[name] for name in SERVICES if name != "migrate")


def test_asks_the_web_server_for_a_health_page_that_exists():
    from django.urls import resolve

    check = SERVICES["web"]["healthcheck"]["test"]

    compile(check[3], "healthcheck", "exec")
    assert resolve(re.search(r"127\.0\.0\.1:8000(/\S+?)\"", check[3]).group(1))


def test_publishes_the_two_servers_on_the_machine_itself_only():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert published == {
        "web": ["127.0.0.1:${WEB_PORT:-8000}:8000"],
        "hooks": ["127.0.0.1:${HOOKS_PORT:-8001}:8001"],
    }


def test_runs_the_image_as_an_account_without_rights():
    users = instructions("USER")

    assert users == ["loyalty"]
    assert DOCKERFILE.index("\nUSER ") < DOCKERFILE.index("\nCMD ")
    assert re.search(r"useradd --system --uid 10001 .* loyalty", " ".join(instructions("RUN")))


def test_builds_from_slim_debian_without_test_tools():
    assert instructions("FROM") == ["python:3.11-slim-bookworm"]
    assert "requirements-dev" not in DOCKERFILE


def test_copies_all_that_the_project_is_made_of():
    copied = {line.split()[0] for line in instructions("COPY")}
    allowed = {
        line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line.startswith("!")
    }

    assert copied == allowed == {"requirements.txt", "manage.py", "loyalty", "rewards", "platforms", "templates"}
    assert all((ROOT / name).exists() for name in copied)


def test_keeps_the_filled_in_example_out_of_the_repository():
    assert ".env" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_gives_no_container_of_ours_more_rights_than_it_needs():
    for name in OURS:
        assert SERVICES[name]["cap_drop"] == ["ALL"]
        assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]


def test_bounds_the_logs_of_all_that_stay():
    assert {service["logging"]["options"]["max-size"] for service in SERVICES.values()} == {"10m"}


def test_waits_longer_for_the_web_server_than_it_waits_for_requests():
    assert SERVICES["web"]["stop_grace_period"] == "40s"  # gunicorn's own patience is 30 s
    assert "--graceful-timeout" not in DOCKERFILE


def test_serves_webhooks_in_one_process_with_time_to_answer():
    words = uvicorn.make_context(
        "uvicorn", command_of(SERVICES["hooks"])[1:]
    ).params  # refuses what uvicorn does not know

    assert words["workers"] == 1  # groups are made in one process
    assert words["timeout_graceful_shutdown"] == 30
    assert SERVICES["hooks"]["stop_grace_period"] == "40s"
    assert {words[name] for name in ("proxy_headers", "server_header", "access_log")} == {False}
    assert f"127.0.0.1:{words['port']}{own_server.ALIVE}'" in SERVICES["hooks"]["healthcheck"]["test"][3]


def test_does_not_take_the_passing_server_of_the_first_start_for_the_database():
    check = SERVICES["db"]["healthcheck"]["test"]

    assert check[check.index("--host") + 1] == "127.0.0.1"
