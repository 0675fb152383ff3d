"""The commands of syncd with a Label Studio's address and a token for all they know."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from syncd.config import load
from syncd.init import write_configuration
from tests.contract.labelstudios import Studio, api
from tests.deployment import Deployment
from tests.servers import Servers
from tests.unit.test_init import S3


@pytest.fixture
def studio(servers: Servers, tmp_path: Path) -> Studio:
    return api.opened(servers, tmp_path)


@pytest.fixture
def url(servers: Servers, studio: Studio) -> str:
    return servers.of(api.on_the_shipped_database).url


def test_one_pass_gives_the_same_documents_as_the_database(studio: Studio, url: str, tmp_path: Path) -> None:
    with closing(Deployment(tmp_path, database=studio.edits)) as deployment:
        everything = {"tasks": "all", "drafts": "full", "completed_by": "user"}
        deployment.configure(source={"type": "api", "url": url, "token": api.TOKEN}, documents=everything)
        assert deployment.command("check").returncode == 0
        deployment.sync()
        there = {key: json.loads(body) for key, body in deployment.tasks().items()}
        assert there == {key: json.loads(body) for key, body in deployment.rendered().items()}
        again = deployment.sync()
        assert (again["written"], again["deleted"]) == (0, 0)


def test_init_takes_over_the_target_storages_that_the_api_tells_of(
    studio: Studio, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.edits.run(S3, "out", 1)
    studio.edits.run("UPDATE io_storages_s3exportstorage SET meta = '{}'")
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", api.TOKEN)
    said = list(write_configuration(tmp_path / "syncd.yaml", f"{url}/", force=False))
    assert "took over the s3 target storage 'lake' of project 1" in said
    config = load(tmp_path / "syncd.yaml")
    assert (config.source_type, config.source.model_dump()["url"]) == ("api", url)
    assert [(part.config.type, part.config.projects) for part in config.targets] == [("s3", (1,))]
    assert api.TOKEN not in (tmp_path / "syncd.yaml").read_text()


def test_init_without_a_token_says_where_one_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LABEL_STUDIO_API_KEY", raising=False)
    said = list(write_configuration(tmp_path / "syncd.yaml", "https://labels.example.com", force=False))
    assert "LABEL_STUDIO_API_KEY" in said[0]
    (tmp_path / "token.txt").write_text("secret")
    monkeypatch.chdir(tmp_path)
    assert load(tmp_path / "syncd.yaml").source_type == "api"
