"""Our OpenAPI describes every route that there is, with its methods, and no other."""

import re
from pathlib import Path

import pytest

from syncd.assembly import assembled
from syncd.config import load
from syncd.daemon import Daemon
from syncd.web import Site, groups
from syncd.web.openapi import description


def test_every_route_is_described_and_nothing_else(tmp_path: Path) -> None:
    text = f"source: {{type: sqlite, path: db}}\ntargets: [{{type: local, path: {tmp_path}/out}}]\nhttp: {{}}\n"
    (tmp_path / "syncd.yaml").write_text(text + f"state: {{path: {tmp_path / 'state.db'}}}\n")
    there: dict[str, set[str]] = {}
    with assembled(load(tmp_path / "syncd.yaml")) as assembly:
        site = Site(Daemon(assembly))
        for group in groups():
            for route in group.routes(site):
                methods = {method.lower() for method in route.methods} - {"head"}
                there.setdefault(re.sub(r":\w+}", "}", route.path), set()).update(methods)
        site.close()
    assert {path: set(item) for path, item in description(token=True)["paths"].items()} == there


@pytest.mark.parametrize("token", [True, False])
def test_the_description_wants_a_token_only_where_one_is_set(token: bool) -> None:
    found = description(token=token)
    assert bool(found["security"]) == token
    assert found["paths"]["/livez"]["get"]["security"] == []
    assert "security" not in found["paths"]["/api/status"]["get"]
