"""The written side keeps up with the code: what there is to know is in README and docs, and what they say is still there."""

import importlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from syncd import cli, config, faults, formats, sources, targets
from syncd.errors import Misconfigured
from syncd.formats import Context
from syncd.model import LabelSchema

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [README, ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
CONFIGURATION = ROOT / "docs" / "configuration.md"
EXAMPLE = ROOT / "config" / "syncd.example.yaml"

REQUIRED = "required"
ABSENT = "–"
SECRET = "ZmlsbGVk"
"""Stands for what a secret file holds; base64, as keys of Azure are."""


def text(*paths: Path) -> str:
    return "\n".join(path.read_text("utf-8") for path in paths)


# --- commands ---------------------------------------------------------------------------------------------------------


def commands() -> Mapping[str, Any]:
    for family in cli.FAMILIES:
        importlib.import_module(f"syncd.cli.{family}")
    group: Any = typer.main.get_command(cli.app)
    return dict(flattened(group.commands))


def flattened(found: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Commands by their full name: `quarantine retry`."""
    for name, command in found.items():
        if hasattr(command, "commands"):
            yield from flattened(command.commands, f"{before}{name} ")
        else:
            yield before + name, command


def options_of(command: Any) -> list[str]:
    """The longest way of writing each option: `--config`, not `-c`."""
    written = [parameter.opts + parameter.secondary_opts for parameter in command.params]
    return [max(names, key=len) for names in written if names[0].startswith("-")]


@pytest.mark.parametrize("name", commands())
def test_every_command_is_in_the_readme_and_every_option_in_readme_or_docs(name: str) -> None:
    assert f"`syncd {name}" in text(README), f"the README does not tell of `syncd {name}`"
    told = text(*PAGES)
    assert [option for option in options_of(commands()[name]) if not re.search(rf"{option}\b", told)] == []


def test_no_page_tells_of_a_command_or_option_that_is_not_there() -> None:
    there = {name: {*options_of(command), *cli_wide()} for name, command in commands().items()}
    for words in command_lines("syncd"):
        plain = [word for word in words[1:] if not word.startswith("-")]
        name = " ".join(plain[:2]) if " ".join(plain[:2]) in there else plain[0]
        assert name in there, words
        unknown = {word for word in words if word.startswith("--")} - there[name]
        assert unknown == set(), words


def cli_wide() -> list[str]:
    group: Any = typer.main.get_command(cli.app)
    return [*options_of(group), "--help"]


def command_lines(program: str) -> Iterator[list[str]]:
    """Every command of a program that a page shows, in a line of its own or between backticks, as words."""
    for page in PAGES:
        told = text(page)
        lines = [line for block in re.findall(r"```sh\n(.*?)```", told, re.DOTALL) for line in block.splitlines()]
        spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", told, flags=re.DOTALL))
        for line in [*lines, *spans]:
            for part in re.split(r"&&|;|#", line):
                words = part.split()
                if len(words) > 1 and words[0] == program:
                    yield words


def test_every_exit_code_is_told_in_the_readme_and_in_operating() -> None:
    codes = [cli.DONE, cli.DIFFERS, cli.MISUSED, cli.UNREACHABLE]
    for page in (README, ROOT / "docs" / "operating.md"):
        assert [code for code in codes if f"| {code} |" not in text(page)] == []


def test_every_fault_point_is_in_the_architecture() -> None:
    told = text(ROOT / "ARCHITECTURE.md")
    assert [point for point in faults.POINTS if f"`{point}`" not in told] == []


# --- formats ----------------------------------------------------------------------------------------------------------


def test_the_readme_lists_every_format_as_the_format_describes_itself() -> None:
    rows = dict(re.findall(r"^\| `([A-Z0-9_]+)` \| (.*?) \|", text(README), re.MULTILINE))
    assert rows == {name: formats.find(name).summary for name in formats.available()}


def test_the_format_that_the_readme_writes_in_five_lines_works() -> None:
    (source,) = re.findall(r"```python\n((?:(?!```).)*FORMAT = .*?)```", text(README), re.DOTALL)
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    made = namespace["FORMAT"](formats.Options())
    context = Context(LabelSchema({}, {}))
    (shared,) = made.shared_files(context)
    fragments = [made.render({"id": task}, context).fragments for task in (3, 17)]
    (section,) = shared.sections
    whole = section.head + section.separator.join(f[section.name] for f in fragments) + section.tail
    assert whole == b"3\n17\n"


# --- configuration ----------------------------------------------------------------------------------------------------


def own_fields(model: type[BaseModel], *others: type[BaseModel]) -> dict[str, FieldInfo]:
    """A model's fields without those of others, and without `type`, which chooses the model."""
    known = {name for other in others for name in other.model_fields} | ({"type"} if others else set())
    return {name: field for name, field in model.model_fields.items() if name not in known}


def sections() -> dict[str, dict[str, FieldInfo]]:
    """Heading in docs/configuration.md → the keys it must tell of."""
    common = {
        "The file": config.Root,
        "source": sources.Settings,
        "documents": config.Documents,
        "targets": config.TargetConfig,
        "rate": config.Rate,
        "mirrors": config.Mirror,
        "state": config.State,
        "http": config.Http,
        "log": config.Log,
    }
    found = {heading: own_fields(model) for heading, model in common.items()}
    for kind in sources.available():
        found[f"source of type {kind}"] = own_fields(sources.settings_of(kind), sources.Settings)
    for kind in targets.available():
        found[f"target of type {kind}"] = own_fields(targets.settings_of(kind), targets.Settings)
    return found


def table_below(heading: str) -> dict[str, str]:
    """Key → default, from the table under a heading."""
    match = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", text(CONFIGURATION), re.MULTILINE | re.DOTALL)
    assert match, f"docs/configuration.md has no section {heading!r}"
    return dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", match[1], re.MULTILINE))


def default_of(field: FieldInfo) -> str:
    """A default as the tables write it; what is written for a nested section is its own table's affair."""
    if field.is_required():
        return REQUIRED
    value = field.get_default(call_default_factory=True)
    if value is None:
        return ABSENT
    if isinstance(value, BaseModel):
        return "below"
    if isinstance(value, float):
        return f"`{value:g}`"
    return f"`{value}`" if value or value is False else ABSENT


@pytest.mark.parametrize("heading", sections())
def test_every_key_of_the_configuration_is_told_with_its_default(heading: str) -> None:
    wanted = {name: default_of(field) for name, field in sections()[heading].items()}
    if heading == "targets":
        wanted["name"] = "its type"
        wanted["documents"] = "the file's"
    if heading == "source":
        wanted = {"type": REQUIRED, **wanted}
    assert table_below(heading) == wanted


def test_the_example_names_every_key() -> None:
    told = text(EXAMPLE)
    keys = {key for fields in sections().values() for key in fields}
    assert sorted(key for key in keys if not re.search(rf"\b{key}:", told)) == []


def filled(example: str) -> str:
    """The example with secrets in place of the files that would hold them."""
    return re.sub(r"\{file: [^}]*\}", SECRET, example)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in re.findall(r"\$\{(\w+)\}", text(EXAMPLE)):
        monkeypatch.setenv(name, "https://filled.example.org" if name.endswith("_URL") else "filled")


def test_the_example_loads_once_its_variables_are_set(environment: None, tmp_path: Path) -> None:
    path = tmp_path / "syncd.yaml"
    path.write_text(filled(text(EXAMPLE)))
    loaded = config.load(path)
    assert [part.config.type for part in loaded.targets] == ["s3", "gcs", "azure", "local", "redis"]


def variants() -> Iterator[tuple[str, str]]:
    """(line, the example with that one line no longer commented out)."""
    lines = text(EXAMPLE).splitlines()
    for number, line in enumerate(lines):
        match = re.fullmatch(r"( *)# (\w+:.*)", line)
        if match:
            changed = [*lines[:number], match[1] + match[2], *lines[number + 1 :]]
            yield match[2].partition("#")[0].strip(), filled("\n".join(changed))


@pytest.mark.parametrize(("line", "example"), [pytest.param(*v, id=v[0]) for v in variants()])
def test_every_line_that_the_example_leaves_out_could_be_put_in(
    environment: None, tmp_path: Path, line: str, example: str
) -> None:
    path = tmp_path / "syncd.yaml"
    path.write_text(example)
    try:
        config.load(path)
    except Misconfigured as error:
        # It may need a neighbour (a key its secret), but it is known, and its value is one that fits.
        assert re.search(r"go(es)? together|goes with|not both|one of", str(error)), str(error)


# --- links and command lines ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_relative_link_is_dead(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)\s]+)\)", text(page))
    dead = []
    for link in links:
        path, _, anchor = link.partition("#")
        there = page.parent / path
        if not there.exists() or (anchor and anchor not in anchors_of(there)):
            dead.append(link)
    assert dead == []


def anchors_of(page: Path) -> set[str]:
    """What headings are linked by, as GitHub makes it: small letters, hyphens for spaces, no punctuation."""
    headings = re.findall(r"^#+ (.+)$", text(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_make_target_that_is_told_of_is_in_the_makefile() -> None:
    there = set(re.findall(r"^([a-z]+):", text(ROOT / "Makefile"), re.MULTILINE))
    told = {words[1] for words in command_lines("make")}
    assert {"run", "once", "check", "test", "bench", "golden", "clean"} <= told
    assert told - there == set()
