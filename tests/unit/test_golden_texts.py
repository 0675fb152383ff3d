"""What the formats of texts, tables and transcripts write, byte for byte, in whatever order and with whatever hash seed."""

import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from syncd.formats import Context, find
from syncd.labelstudio.labelconfig import parse_label_config
from tests.unit.conversion import Json, write

GOLDEN = Path(__file__).parents[1] / "golden" / "texts"
CONFIG = (GOLDEN / "label_config.xml").read_text()

CASES: dict[str, tuple[str, dict[str, Json]]] = {
    "json": ("JSON", {}),
    "jsonl": ("JSONL", {}),
    "json_min": ("JSON_MIN", {}),
    "csv": ("CSV", {}),
    "csv_all_tasks": ("CSV", {"all_tasks": True}),
    "csv_regions": ("CSV", {"rows": "region", "formulas": "escape"}),
    "tsv": ("TSV", {"policy": "best"}),
    "conll2003": ("CONLL2003", {}),
    "conll2003_all": ("CONLL2003", {"policy": "all"}),
    "asr_manifest": ("ASR_MANIFEST", {}),
}


def tasks() -> Json:
    return json.loads((GOLDEN / "tasks.json").read_text())


def fragments(name: str) -> bytes:
    """What goes into the part files of a format, one line per document or row."""
    kind = find(name)
    form = kind(kind.Options())
    context = Context(schema=parse_label_config(CONFIG), policy=kind.default_policy)
    rendered = [form.render(task, context) for task in sorted(tasks(), key=lambda task: task["id"])]
    return b"".join(rendering.fragments.get("part", b"") for rendering in rendered)


def expect(path: Path, body: bytes) -> None:
    if os.environ.get("SYNCD_WRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(body)
    assert body == path.read_bytes(), f"{path} differs; see {GOLDEN / 'README.md'}"


@pytest.mark.parametrize("case", CASES)
def test_the_files_are_the_golden_ones(case: str) -> None:
    name, keywords = CASES[case]

    written = write(name, random.Random(case).sample(tasks(), 4), CONFIG, **keywords)

    assert not written.rejected
    for path, body in written.files.items():
        expect(GOLDEN / case / path, body)


@pytest.mark.parametrize("name", ["SPACY", "PARQUET"])
def test_the_fragments_are_the_golden_ones(name: str) -> None:
    expect(GOLDEN / name.lower() / "part.jsonl", fragments(name))


def digests() -> dict[str, str]:
    """SHA-256 of everything these formats write."""
    bodies = {
        case: b"".join(write(name, tasks(), CONFIG, **more).files.values()) for case, (name, more) in CASES.items()
    }
    bodies |= {name: write(name, tasks(), CONFIG).only for name in ("SPACY", "PARQUET")}
    return {case: hashlib.sha256(body).hexdigest() for case, body in bodies.items()}


def test_the_hash_seed_does_not_show() -> None:
    def run(seed: str) -> Json:
        code = "import json; from tests.unit.test_golden_texts import digests; print(json.dumps(digests()))"
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        return json.loads(subprocess.check_output([sys.executable, "-c", code], env=environment, cwd=GOLDEN.parents[2]))

    assert run("1") == run("2") == digests()
