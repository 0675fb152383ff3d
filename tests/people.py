"""People at work in a small Label Studio: annotators, bulk actions, importers, scripts. Used to make random histories.

An action is a function of the database and three draws: two that pick rows (counted round) and a word.
"""

import time
from collections.abc import Callable
from typing import TypeAlias

from tests.labelstudio_database import LabelStudioDatabase, long_ago

PROJECTS = (4, 12)
"""The projects that `make_small` leaves; 4 is never deleted, so that the source is never empty."""
WORDS = ("red", "green", "Größe", "色")

Action: TypeAlias = Callable[[LabelStudioDatabase, int, int, str], object]


def make_small(database: LabelStudioDatabase) -> None:
    """Leave two projects of twelve: 54 tasks."""
    for table in ("task_completion", "task"):
        database.run(f"DELETE FROM {table} WHERE project_id NOT IN {PROJECTS}")


def annotate(db: LabelStudioDatabase, pick: int, other: int, word: str) -> None:
    db.annotate(_task(db, pick), word, cancelled=other % 4 == 0)


def edit(db: LabelStudioDatabase, pick: int, other: int, word: str) -> None:
    db.edit(_annotation(db, pick), word)


def edit_and_take_back(db: LabelStudioDatabase, pick: int, other: int, word: str) -> None:
    for said in (word, WORDS[other % len(WORDS)], word):
        db.edit(_annotation(db, pick), said)


def skip(db: LabelStudioDatabase, pick: int, other: int, word: str) -> None:
    db.skip(_annotation(db, pick))


def delete_annotation(db: LabelStudioDatabase, pick: int, other: int, word: str) -> None:
    db.delete_annotation(_annotation(db, pick))


def delete_annotations_quietly(db: LabelStudioDatabase, pick: int, other: int, word: str) -> None:
    db.delete_annotations_quietly(_task(db, pick))


def delete_tasks(db: LabelStudioDatabase, pick: int, other: int, word: str) -> None:
    db.delete_tasks(sorted({_task(db, pick), _task(db, other)}))


def reuse_the_newest_id(db: LabelStudioDatabase, pick: int, other: int, word: str) -> None:
    """Delete the newest task and import another one, which gets its id: in the same project or in the other."""
    db.delete_tasks([db.value("SELECT max(id) FROM task")])
    db.annotate(db.add_task(PROJECTS[pick % 2], word), word)


def leave_project(db: LabelStudioDatabase, pick: int, other: int, word: str) -> None:
    db.leave_project(_task(db, pick))


def move_annotations(db: LabelStudioDatabase, pick: int, other: int, word: str) -> None:
    db.move_annotations(_task(db, pick), _task(db, other))


def flip_ground_truth(db: LabelStudioDatabase, pick: int, other: int, word: str) -> None:
    db.set_ground_truth(_annotation(db, pick), other % 2 == 0)


def rename_label(db: LabelStudioDatabase, pick: int, other: int, word: str) -> None:
    db.rename_label(PROJECTS[pick % 2], word, WORDS[other % len(WORDS)])


def add_data_column(db: LabelStudioDatabase, pick: int, other: int, word: str) -> None:
    db.bulk_update_data(PROJECTS[pick % 2], word)


def touch_everything(db: LabelStudioDatabase, pick: int, other: int, word: str) -> None:
    db.bulk_touch(PROJECTS[pick % 2])


def rewrite_everything(db: LabelStudioDatabase, pick: int, other: int, word: str) -> None:
    db.bulk_rewrite(PROJECTS[pick % 2])


def draft_and_predict(db: LabelStudioDatabase, pick: int, other: int, word: str) -> None:
    db.draft(_task(db, pick), word)
    db.predict(_task(db, other), word)


def rename_user(db: LabelStudioDatabase, pick: int, other: int, word: str) -> None:
    db.rename_user(word)


def rename_project(db: LabelStudioDatabase, pick: int, other: int, word: str) -> None:
    db.rename_project(PROJECTS[0], word)


def soft_delete_or_restore(db: LabelStudioDatabase, pick: int, other: int, word: str) -> None:
    deleted = db.value("SELECT deleted_at FROM project WHERE id = ?", PROJECTS[1])
    (db.restore if deleted else db.soft_delete)(PROJECTS[1])


def commit_late(db: LabelStudioDatabase, pick: int, other: int, word: str) -> None:
    """A transaction that began long ago: its times are older than what others committed since."""
    annotation, when = _annotation(db, pick), long_ago(5)
    with db.transaction() as t:
        sql = "UPDATE task_completion SET lead_time = ?, updated_at = ? WHERE id = ?"
        t.execute(sql, (other, when.strftime("%Y-%m-%d %H:%M:%S.%f"), annotation))
        time.sleep(other % 10 / 40)  # the transaction's own length: syncd looks at the database meanwhile
    db.annotate(_task(db, other), word, at=when)


ACTIONS: tuple[Action, ...] = (
    annotate,
    edit,
    edit_and_take_back,
    skip,
    delete_annotation,
    delete_annotations_quietly,
    delete_tasks,
    reuse_the_newest_id,
    leave_project,
    move_annotations,
    flip_ground_truth,
    rename_label,
    add_data_column,
    touch_everything,
    rewrite_everything,
    draft_and_predict,
    rename_user,
    rename_project,
    soft_delete_or_restore,
    commit_late,
)


def _task(db: LabelStudioDatabase, pick: int) -> int:
    return _picked(db.ids("SELECT id FROM task WHERE project_id IS NOT NULL ORDER BY id"), pick)


def _annotation(db: LabelStudioDatabase, pick: int) -> int:
    return _picked(db.ids("SELECT id FROM task_completion ORDER BY id"), pick)


def _picked(ids: list[int], pick: int) -> int:
    return ids[pick % len(ids)]
