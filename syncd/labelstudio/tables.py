"""The few tables of Label Studio's database that make up a task document, and the columns read from each.

Django's names are irregular (`task_completion` holds annotations). Columns that a release may lack have a default: a database
older or newer than the one we know still reads, and columns we do not know are never asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType


@dataclass(frozen=True)
class Table:
    """One table: the `names` of its columns in the order rows are read; those in `optional` may be missing.

    A missing one reads as the SQL literal given there.
    """

    name: str
    names: str
    optional: Mapping[str, str] = field(default_factory=dict)
    may_be_missing: bool = False

    @cached_property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.names.split())

    def select(self, present: frozenset[str], expressions: Mapping[str, str] = MappingProxyType({})) -> str:
        """The select list for a database that has the columns `present`; `expressions` stand for columns of their name."""
        return ", ".join(
            f"{expressions[c]} AS {c}" if c in expressions else c if c in present else f"{self.optional[c]} AS {c}"
            for c in self.columns
        )

    def missing(self, present: frozenset[str]) -> list[str]:
        """Columns that must be there and are not."""
        return [c for c in self.columns if c not in present and c not in self.optional]


TASK = Table(
    "task",
    "id project_id data meta created_at updated_at is_labeled file_upload updated_by_id inner_id "
    "allow_skip comment_count unresolved_comment_count last_comment_updated_at",
    optional={
        "meta": "'{}'",
        "file_upload": "NULL",
        "updated_by_id": "NULL",
        "inner_id": "NULL",
        "allow_skip": "1",
        "comment_count": "0",
        "unresolved_comment_count": "0",
        "last_comment_updated_at": "NULL",
    },
)

ANNOTATION = Table(
    "task_completion",
    "id task_id result was_cancelled ground_truth created_at updated_at draft_created_at lead_time "
    "prediction result_count unique_id import_id last_action bulk_created project_id updated_by_id "
    "parent_prediction_id parent_annotation_id last_created_by_id completed_by_id",
    optional={
        "draft_created_at": "NULL",
        "result_count": "0",
        "unique_id": "NULL",
        "import_id": "NULL",
        "last_action": "NULL",
        "bulk_created": "0",
        "project_id": "NULL",
        "updated_by_id": "NULL",
        "parent_prediction_id": "NULL",
        "parent_annotation_id": "NULL",
        "last_created_by_id": "NULL",
    },
)

PREDICTION = Table(
    "prediction",
    "id task_id result model_version score cluster neighbors mislabeling created_at updated_at "
    "model_id model_run_id project_id",
    optional={
        "cluster": "NULL",
        "neighbors": "NULL",
        "mislabeling": "0.0",
        "model_id": "NULL",
        "model_run_id": "NULL",
        "project_id": "NULL",
    },
    may_be_missing=True,
)

DRAFT = Table(
    "tasks_annotationdraft",
    "id task_id user_id result lead_time was_postponed import_id created_at updated_at annotation_id",
    optional={"was_postponed": "0", "import_id": "NULL", "annotation_id": "NULL"},
    may_be_missing=True,
)

COMMENT_AUTHOR = Table("task_comment_authors", "id task_id user_id", may_be_missing=True)

PROJECT = Table(
    "project",
    "id title label_config data_types updated_at deleted_at",
    optional={"data_types": "'{}'", "deleted_at": "NULL"},
)

USER = Table("htx_user", "id email first_name last_name")

UPLOAD = Table("data_import_fileupload", "id file", may_be_missing=True)
"""Read through the task: its `file_upload` is this table's `file` under the task's `file_upload_id`."""

ORGANIZATION = Table("organization", "id created_at", may_be_missing=True)

OF_A_TASK = (ANNOTATION, PREDICTION, DRAFT, COMMENT_AUTHOR)
"""Tables whose rows belong to a task by `task_id`."""

SHARED = (PROJECT, USER, UPLOAD)
"""Small tables that many documents draw from."""

ALL = (TASK, *OF_A_TASK, *SHARED, ORGANIZATION)
