"""What mirrors have to hold: every format rendered from scratch, from the database and the registry that the bucket tells."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from syncd.bucket import registry_in
from syncd.config import load
from syncd.documents import document_from
from syncd.errors import TaskRejected
from syncd.formats import Context, Format, Rendering, available, find
from syncd.labelstudio.labelconfig import parse_label_config
from syncd.layout import task_of_key
from syncd.mirrors.settings import MirrorSettings
from syncd.rendering import rendering_of
from tests.deployment import Deployment

EVERY_FORMAT = sorted(name for name in available() if find(name).mirrors)
LAST = 2**63


def from_scratch(there: Mapping[str, bytes], mirrors: Sequence[MirrorSettings]) -> dict[str, bytes]:
    """Key → body of every file that the mirrors of these objects have to be, going by the task files and project.json alone."""
    wanted: dict[str, bytes] = {}
    for key, body in there.items():
        project, _, name = key.partition("/")
        if name == "project.json":
            tasks = documents(there, int(project))
            for mirror in mirrors:
                wanted |= {
                    f"{project}/{mirror.name}/{path}": made
                    for path, made in one_mirror(mirror, body, tasks, there, project)
                }
    return wanted


def assert_mirrored(deployment: Deployment) -> dict[str, bytes]:
    """Every mirror of the deployment's target is what a rendering from scratch gives; what is there."""
    there, (target,) = deployment.files(), load(deployment.folder / "syncd.yaml").targets
    assert_equal(there, [mirror.settings for mirror in target.config.mirrors])
    return there


def assert_equal(there: Mapping[str, bytes], mirrors: Sequence[MirrorSettings]) -> None:
    """The mirrors' files among these objects are what they have to be."""
    wanted, found = from_scratch(there, mirrors), mirror_files(there)
    assert sorted(found) == sorted(wanted)
    assert [key for key in wanted if found[key] != wanted[key]] == []


def mirror_files(there: Mapping[str, bytes]) -> dict[str, bytes]:
    """The mirrors' files among a bucket's objects."""
    return {
        key: body
        for key, body in there.items()
        if key.partition("/")[0].isdecimal() and "/tasks/" not in key and not key.endswith("/project.json")
    }


def documents(there: Mapping[str, bytes], project: int) -> dict[int, bytes]:
    """A project's task files by task, in order."""
    found = {}
    for key, body in there.items():
        place = task_of_key(key)
        if place is not None and place[0] == project:
            found[place[1]] = body
    return dict(sorted(found.items()))


def one_mirror(
    mirror: MirrorSettings, project_json: bytes, tasks: Mapping[int, bytes], there: Mapping[str, bytes], project: str
) -> Iterator[tuple[str, bytes]]:
    """(path, body) of one mirror's files."""
    made, registry = mirror.make(), registry_in(project_json)
    schema = parse_label_config(json.loads(project_json)["label_config"])
    if made.accepts(schema) is not None:
        return
    columns = registry.columns.get(mirror.rendition, ())
    context = Context(schema, classes=registry.classes, columns=columns, policy=mirror.policy)
    renderings = rendered(made, tasks, context)
    for one in renderings.values():
        yield from one.files.items()
    newest = max((one.updated_at for one in renderings.values()), default="")
    for file in made.shared_files(context, newest=newest):
        parts = []
        for section in file.sections:
            fragments = [one.fragments[section.name] for one in renderings.values() if section.name in one.fragments]
            parts.append(section.head + section.separator.join(fragments) + section.tail)
        yield file.path, b"".join(parts)
    yield from made.extras(context).items()
    if made.parts:
        yield from cut(
            made, renderings, context, [key for key in there if key.startswith(f"{project}/{mirror.name}/part-")]
        )


def rendered(made: Format, tasks: Mapping[int, bytes], context: Context) -> dict[int, Rendering]:
    found = {}
    for task, body in tasks.items():
        try:
            found[task] = rendering_of(made, document_from(body), context)
        except TaskRejected:
            continue
    return found


def cut(
    made: Format, renderings: Mapping[int, Rendering], context: Context, parts: Sequence[str]
) -> Iterator[tuple[str, bytes]]:
    """Part files with the borders that the names of those that are there tell."""
    firsts = sorted(int(Path(key).stem.removeprefix("part-")) for key in parts)
    for first, end in pairwise([*(firsts or [0]), LAST]):
        fragments = [
            (task, body) for task, one in renderings.items() if first <= task < end for body in one.fragments.values()
        ]
        yield f"part-{first:020}{made.part_suffix}", made.part(fragments, context)
