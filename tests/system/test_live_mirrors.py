"""A real Label Studio is annotated over its REST API: after each step every mirror is what `syncd export` gives then."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Servers
from tests.servers.label_studio import Json, LabelStudio, label_studio
from tests.system.live_following import Follower, eventually, following

pytestmark = pytest.mark.live

BOXES = """<View><Image name="image" value="$image"/>
<RectangleLabels name="label" toName="image"><Label value="Car"/><Label value="Tree"/></RectangleLabels></View>"""
SPANS = """<View><Labels name="ner" toName="text"><Label value="PER"/><Label value="ORG"/></Labels>
<Text name="text" value="$text"/></View>"""


@pytest.fixture(scope="module")
def studio(servers: Servers) -> LabelStudio:
    return servers.of(label_studio)


@pytest.fixture(scope="module")
def folder(studio: LabelStudio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Follower]:
    home = tmp_path_factory.mktemp("mirrors")
    mirrors = ["COCO", "YOLO", "CSV", "CONLL2003"]
    with following(
        studio, home, sweep_minutes=0.05, max_delete_ratio=0, mirrors=mirrors, publish_seconds=0.1
    ) as at_work:
        yield at_work


def box(label: str, x: float = 10) -> Json:
    """A region as the image editor sends it."""
    value = {"x": x, "y": 20, "width": 30, "height": 40, "rotation": 0, "rectanglelabels": [label]}
    size = {"original_width": 640, "original_height": 480, "image_rotation": 0}
    return {
        "id": f"box-{x}",
        "from_name": "label",
        "to_name": "image",
        "type": "rectanglelabels",
        "value": value,
        **size,
    }


def span(label: str, start: int, end: int, text: str) -> Json:
    value = {"start": start, "end": end, "text": text[start:end], "labels": [label]}
    return {"id": f"span-{start}", "from_name": "ner", "to_name": "text", "type": "labels", "value": value}


def agree(folder: Follower, project: int, *formats: str) -> None:
    """Every mirror becomes what an export of this moment is."""
    for name in formats:
        place = folder.deployment.folder / "exported" / name
        done = folder.deployment.command("export", str(project), name, "--path", str(place))
        assert done.returncode == 0, done.stderr
        exported = contents(place)
        mirror = folder.deployment.target / str(project) / name.lower()
        assert eventually(lambda mirror=mirror: contents(mirror), exported) == exported


def contents(place: Path) -> dict[str, bytes]:
    """Path → body; a file that goes while it is looked for is not there."""
    found = {}
    for path in place.rglob("*"):
        try:
            found[path.relative_to(place).as_posix()] = path.read_bytes()
        except (FileNotFoundError, IsADirectoryError):
            continue
    return found


def test_boxes_as_they_are_drawn_moved_renamed_and_deleted(studio: LabelStudio, folder: Follower) -> None:
    project = studio.new_project("Boxes", BOXES)
    first, second, third = studio.add_tasks(project, [{"image": f"/data/{n}.jpg"} for n in range(3)])
    of_first = studio.annotate(first, [box("Car"), box("Tree", 50)])
    agree(folder, project, "COCO", "YOLO", "CSV")
    of_second = studio.annotate(second, [box("Tree")])
    studio.annotate(third, [box("Car", 5)], ground_truth=True)
    agree(folder, project, "COCO", "YOLO", "CSV")
    studio.edit(of_first, result=[box("Tree", 33)])
    studio.edit(of_second, was_cancelled=True)
    agree(folder, project, "COCO", "YOLO", "CSV")
    studio.call(
        "PATCH", f"/api/projects/{project}", {"label_config": BOXES.replace("<Label", '<Label value="Bus"/><Label', 1)}
    )
    studio.annotate(first, [box("Bus", 40)])
    agree(folder, project, "COCO", "YOLO", "CSV")
    studio.call("POST", "/api/labels/bulk", {"old_label": ["Car"], "new_label": ["Lorry"], "project": project})
    agree(folder, project, "COCO", "YOLO", "CSV")
    studio.manage("delete_tasks", project, [first])
    agree(folder, project, "COCO", "YOLO", "CSV")
    classes = (folder.deployment.target / f"{project}/yolo/classes.txt").read_text().split()
    assert classes == ["Car", "Tree", "Bus", "Lorry"]


def test_spans_as_they_are_marked_and_taken_back(studio: LabelStudio, folder: Follower) -> None:
    project = studio.new_project("Spans", SPANS)
    text = "Ada Lovelace wrote for Taylor in London"
    first, second = studio.add_tasks(project, [{"text": text}, {"text": text}])
    annotation = studio.annotate(first, [span("PER", 0, 12, text)])
    agree(folder, project, "CONLL2003", "CSV")
    studio.annotate(second, [span("ORG", 23, 29, text), span("PER", 0, 3, text)])
    studio.edit(annotation, result=[span("PER", 0, 3, text), span("ORG", 23, 29, text)])
    agree(folder, project, "CONLL2003", "CSV")
    studio.call("DELETE", f"/api/annotations/{annotation}")
    agree(folder, project, "CONLL2003", "CSV")
