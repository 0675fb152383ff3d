"""Label Studio's own Python client, pointed at syncd: lists, creates, polls, converts and downloads without a change."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.deployment import Deployment
from tests.system.asking import address, with_http

pytestmark = pytest.mark.live

PYTHON = Path(__file__).parents[2] / ".cache" / "label-studio" / "bin" / "python"
"""Label Studio's own environment, which has its client."""

SCRIPT = """
import json, sys, time
from label_studio_sdk import LabelStudio
url, out = sys.argv[1:]
exports = LabelStudio(base_url=url, api_key="a-token-of-ours").projects.exports
assert "COCO" in [one["name"] for one in exports.list_formats(1)]
made = exports.create(1, title="from the client")
while (found := exports.get(1, export_pk=made.id)).status not in ("completed", "failed"):
    time.sleep(0.1)
assert found.status == "completed", found
assert [one.id for one in exports.list(1)] == [made.id]
told = exports.convert(1, export_pk=made.id, export_type="COCO")
while not [one for one in exports.get(1, export_pk=made.id).converted_formats if one.status == "completed"]:
    time.sleep(0.1)
for name in ("JSON", "CSV", "COCO"):
    with open(f"{out}/snapshot.{name}", "wb") as file:
        file.writelines(exports.download(1, export_pk=made.id, export_type=name))
    with open(f"{out}/easy.{name}", "wb") as file:
        file.writelines(exports.download_sync(1, export_type=name))
assert exports.as_json(1)[0]["annotations"]
exports.delete(1, export_pk=made.id)
assert exports.list(1) == []
"""


def test_the_official_client_works_against_syncd_without_a_change(deployment: Deployment, tmp_path: Path) -> None:
    with_http(deployment, token="a-token-of-ours", target={"mirrors": ["COCO", "CSV"], "publish_seconds": 0.1})
    deployment.start()
    deployment.wait_until_true()
    done = subprocess.run(
        [PYTHON, "-c", SCRIPT, address(deployment), tmp_path],
        capture_output=True,
        text=True,
        check=False,
        env={"NO_PROXY": "*", "PATH": "/usr/bin"},
    )
    assert done.returncode == 0, done.stderr
    for name in ("JSON", "CSV", "COCO"):
        out = tmp_path / name
        assert deployment.command("export", "1", name, "--path", str(out)).returncode == 0
        [exported] = [path.read_bytes() for path in out.rglob("*") if path.is_file()]
        assert (tmp_path / f"easy.{name}").read_bytes() == exported
        if name == "COCO":  # the same tasks; a snapshot's JSON and CSV have the ones without annotations too
            assert (tmp_path / f"snapshot.{name}").read_bytes() == exported
    tasks = json.loads((tmp_path / "snapshot.JSON").read_bytes())
    assert len(tasks) >= len(json.loads((tmp_path / "easy.JSON").read_bytes()))
