"""Labellers and administrators at work on shapes, spans and transcripts: histories that change what mirrors show.

As in `people`, an action is a function of the database and three draws: two that pick rows (counted round) and a word.
"""

import re

from tests import people
from tests.labelstudio_database import LabelStudioDatabase
from tests.people import Action

PROJECTS = (1, 2, 3, 6)
"""Boxes, other shapes, spans of text, transcripts."""
TASKS = 6
"""Of each project, at the beginning."""


def make_small(db: LabelStudioDatabase) -> None:
    """Leave a few tasks of four projects of twelve."""
    kept = [task for project in PROJECTS for task in db.labelled(project)[:TASKS]]
    db.run(f"DELETE FROM task_completion WHERE task_id NOT IN ({', '.join(map(str, kept))})")
    db.run(f"DELETE FROM task WHERE id NOT IN ({', '.join(map(str, kept))})")


def say_the_same(db: LabelStudioDatabase, pick: int, other: int, word: str) -> None:
    """An annotation is updated to what another one of its project says."""
    annotations = _annotations(db, _project(db, pick))
    if annotations:
        db.copy_result(_picked(annotations, pick), _picked(annotations, other))


def label_an_import(db: LabelStudioDatabase, pick: int, other: int, word: str) -> None:
    """A task comes in, with an annotation like another one; its id may be that of a task that has gone."""
    project = _project(db, pick)
    annotations = _annotations(db, project)
    if annotations:
        model = _picked(annotations, other)
        db.run("DELETE FROM task WHERE id = (SELECT max(id) FROM task) AND ?", other % 3 == 0)
        db.run("DELETE FROM task_completion WHERE task_id NOT IN (SELECT id FROM task)")
        task = db.add_task(project, word)
        data = db.value(
            "SELECT t.data FROM task AS t JOIN task_completion AS c ON c.task_id = t.id WHERE c.id = ?", model
        )
        db.run("UPDATE task SET data = ? WHERE id = ?", data, task)
        db.copy_result(model, db.annotate(task))


def use_a_label_of_nobody(db: LabelStudioDatabase, pick: int, other: int, word: str) -> None:
    """Some results of a project name a class that only they know."""
    annotation = _annotations(db, _project(db, pick))
    if annotation:
        sql = "UPDATE task_completion SET result = replace(result, ?, ?) WHERE id = ?"
        db.run(sql, '"Car"', f'"{word}"', _picked(annotation, other))


def add_or_remove_a_label(db: LabelStudioDatabase, pick: int, other: int, word: str) -> None:
    """The labelling configuration changes; every third time the label has a category, which may contradict a number."""
    project = _project(db, pick)
    config = str(db.value("SELECT label_config FROM project WHERE id = ?", project))
    label = f'<Label value="{word}"' + (f' category="{other % 5}"' if other % 3 == 0 else "") + "/>"
    changed = re.sub(rf'<Label value="{word}"[^>]*/>', "", config)
    if changed == config:
        changed = re.sub(r"(<\w*Labels [^>]*>)", lambda found: found[1] + label, config, count=1)
    db.configure(project, changed)


def add_a_column(db: LabelStudioDatabase, pick: int, other: int, word: str) -> None:
    """A column for all tasks of a project, or for one."""
    tasks = db.ids("SELECT id FROM task WHERE project_id = ? ORDER BY id", _project(db, pick))
    for task in tasks if other % 2 else tasks[:1]:
        db.run("UPDATE task SET data = json_set(data, ?, 'x') WHERE id = ?", f'$."{word}"', task)


def break_a_region(db: LabelStudioDatabase, pick: int, other: int, word: str) -> None:
    """A region that most formats cannot hold; another update of the annotation mends it."""
    annotations = _annotations(db, _project(db, pick))
    if annotations:
        broken = "json_set(result, '$[0].value.x', 'broken', '$[0].value.start', 'x')"
        db.run(f"UPDATE task_completion SET result = {broken} WHERE id = ?", _picked(annotations, other))


def move_a_task(db: LabelStudioDatabase, pick: int, other: int, word: str) -> None:
    """Between projects, as scripts do."""
    tasks = db.ids("SELECT id FROM task WHERE project_id IS NOT NULL ORDER BY id")
    task, project = _picked(tasks, pick), PROJECTS[other % len(PROJECTS)]
    db.run("UPDATE task SET project_id = ? WHERE id = ?", project, task)
    db.run("UPDATE task_completion SET project_id = ? WHERE task_id = ?", project, task)


ACTIONS: tuple[Action, ...] = (
    say_the_same,
    label_an_import,
    use_a_label_of_nobody,
    add_or_remove_a_label,
    add_a_column,
    break_a_region,
    move_a_task,
    people.annotate,
    people.skip,
    people.delete_annotation,
    people.delete_annotations_quietly,
    people.delete_tasks,
    people.leave_project,
    people.move_annotations,
    people.flip_ground_truth,
)


def _project(db: LabelStudioDatabase, pick: int) -> int:
    return PROJECTS[pick % len(PROJECTS)]


def _annotations(db: LabelStudioDatabase, project: int) -> list[int]:
    sql = (
        "SELECT c.id FROM task_completion AS c JOIN task AS t ON t.id = c.task_id WHERE t.project_id = ? ORDER BY c.id"
    )
    return db.ids(sql, project)


def _picked(ids: list[int], pick: int) -> int:
    return ids[pick % len(ids)]
