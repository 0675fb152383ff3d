"""What is in deploy/ is right as far as tools can tell: systemd, hadolint, Kubernetes' schemas, PromQL, our own settings."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from kubernetes_validate import validate

from syncd import config

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = ["syncd.service", "syncd@.service"]
MANIFESTS = sorted(path for path in (DEPLOY / "kubernetes").glob("*.yaml") if path.name != "kustomization.yaml")


def manifests() -> dict[str, Any]:
    """Kind → object; the Deployment and the CronJob run the same container."""
    return {read["kind"]: read for read in (yaml.safe_load(path.read_text()) for path in MANIFESTS)}


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """What `systemd-analyze` says."""
    program = shutil.which("systemd-analyze")
    assert program, "systemd is not installed: apt-get install systemd"
    return subprocess.run([program, *words], capture_output=True, text=True, check=False)


# --- systemd ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_finds_nothing_to_complain_of(unit: str, tmp_path: Path) -> None:
    here = tmp_path / unit.replace("@.", "@prod.")
    here.write_text((DEPLOY / "systemd" / unit).read_text().replace("/opt/syncd/bin/syncd", sys.executable))
    done = analyze("verify", here)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_finds_the_service_well_shut_in(unit: str) -> None:
    done = analyze("security", "--offline=true", "--threshold=20", DEPLOY / "systemd" / unit)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr


def test_the_template_differs_in_names_and_places_alone() -> None:
    one, each = (
        {
            tuple(line.split("=", 1))
            for line in (DEPLOY / "systemd" / unit).read_text().splitlines()
            if line[:1].isalpha()
        }
        for unit in UNITS
    )
    differing = {"Description", "ExecStart", "StateDirectory", "WorkingDirectory", "LoadCredential", "Environment"}
    assert {key for key, _ in one - each} == {key for key, _ in each - one} == differing
    assert all("%i" in value for _, value in each - one)


def test_the_unit_waits_longer_than_syncd_takes_to_end_and_starves_no_working_daemon() -> None:
    unit = dict(re.findall(r"^(\w+)=(.*)$", (DEPLOY / "systemd" / UNITS[0]).read_text(), re.MULTILINE))
    assert float(unit["TimeoutStopSec"]) > config.Root.model_fields["shutdown_seconds"].default
    assert unit["Type"] == "notify"
    assert float(unit["WatchdogSec"]) > 10


PAGE = ROOT / "docs/deploying.md"


def test_every_file_that_the_page_installs_is_there() -> None:
    commands = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL))
    named = set(re.findall(r"deploy/(?!syncd)[\w/.-]+\w", commands))
    named |= {f"deploy/systemd/{name}" for name in re.findall(r"\bsyncd@?\.(?:service|sysusers)\b", commands)}
    assert len(named) > 5
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_the_configuration_that_the_page_writes_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (written,) = re.findall(r"cat > /etc/syncd/syncd.yaml <<'END'\n(.*?)END\n", PAGE.read_text(), re.DOTALL)
    (tmp_path / "syncd.yaml").write_text(written)
    (tmp_path / "secrets_token").write_text("s3cret")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert config.load(tmp_path / "syncd.yaml").secrets == ("s3cret",)


# --- containers -------------------------------------------------------------------------------------------------------


def test_hadolint_finds_nothing_to_complain_of() -> None:
    command = [Path(sys.executable).with_name("hadolint"), DEPLOY / "docker/Dockerfile"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_what_the_image_copies_is_let_in(tmp_path: Path) -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "docker/Dockerfile").read_text(), re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    let_in = {
        line[1:] for line in (DEPLOY / "docker/Dockerfile.dockerignore").read_text().splitlines() if line[0] == "!"
    }
    assert names == let_in
    assert all((ROOT / name).exists() for name in names)


def test_every_file_and_variable_of_the_composition_is_there() -> None:
    text = (DEPLOY / "docker/compose.yaml").read_text()
    services = yaml.safe_load(text)["services"]
    for service in services.values():
        for mounted in service.get("volumes", ()):
            source = mounted.partition(":")[0]
            assert not source.startswith(".") or (DEPLOY / "docker" / source).exists(), mounted
    wanted = set(re.findall(r"\$\{(\w+)", (DEPLOY / "docker/syncd.yaml").read_text()))
    assert wanted <= services["syncd"]["environment"].keys()


def test_the_configuration_of_the_composition_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("S3_SECRET", "SYNCD_TOKEN"):
        monkeypatch.setenv(name, "filled")
    assert config.load(DEPLOY / "docker/syncd.yaml").source_type == "postgres"


# --- Kubernetes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_every_object_validates(path: Path) -> None:
    for found in yaml.safe_load_all(path.read_text()):
        validate(found, "1.37", strict=True)


def test_what_is_applied_is_there() -> None:
    applied = yaml.safe_load((DEPLOY / "kubernetes/kustomization.yaml").read_text())["resources"]
    assert {name for name in applied if not (DEPLOY / "kubernetes" / name).exists()} == set()


def test_the_cron_job_runs_as_the_deployment_does() -> None:
    deployment = manifests()["Deployment"]["spec"]["template"]["spec"]
    job = manifests()["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    probes = {"startupProbe", "livenessProbe", "readinessProbe", "ports", "args"}
    (one,), (other,) = deployment.pop("containers"), job.pop("containers")
    assert {key: value for key, value in one.items() if key not in probes} == {
        k: v for k, v in other.items() if k != "args"
    }
    assert {**deployment, "restartPolicy": "Never"} == job


def test_the_configuration_of_the_pods_is_one(tmp_path: Path) -> None:
    secrets = manifests()["Secret"]["stringData"]
    for name, value in secrets.items():
        (tmp_path / name).write_text(value)
    text = manifests()["ConfigMap"]["data"]["syncd.yaml"].replace("/run/secrets/syncd/", f"{tmp_path}/")
    (tmp_path / "syncd.yaml").write_text(text)
    loaded = config.load(tmp_path / "syncd.yaml")
    assert set(loaded.secrets) >= {secrets["token"]}


# --- dashboards and alerts --------------------------------------------------------------------------------------------


def expressions() -> Iterator[tuple[str, str]]:
    """(where, PromQL) of every alert and every panel."""
    for group in yaml.safe_load((DEPLOY / "grafana/alerts.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for panel in json.loads((DEPLOY / "grafana/dashboard.json").read_text())["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"].replace("$__rate_interval", "5m")


@pytest.mark.parametrize(("where", "expression"), [pytest.param(*found, id=found[0]) for found in expressions()])
def test_every_expression_parses_and_asks_for_metrics_that_there_are(where: str, expression: str) -> None:
    promql_parser.parse(expression)
    page = (ROOT / "docs/metrics.md").read_text()
    told = {
        name
        for line in page.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`(\w+)`", line.split("|")[1])
    }
    asked = {re.sub("_bucket$", "", name) for name in re.findall(r"\b((?:syncd|process)_\w+)\b", expression)}
    assert asked
    assert asked <= told


def test_every_alert_says_what_it_means() -> None:
    for group in yaml.safe_load((DEPLOY / "grafana/alerts.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            assert rule["annotations"].keys() == {"summary", "description"}, rule["alert"]


def test_every_panel_has_a_place_of_its_own() -> None:
    panels = json.loads((DEPLOY / "grafana/dashboard.json").read_text())["panels"]
    taken = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24
