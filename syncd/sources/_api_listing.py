"""What the REST API lists: projects, and tasks in the Data Manager, a page at a time, whatever changes meanwhile.

Pages of tasks are cut by id, not by number, so a task that is there all the time is never passed over. Listing leaves nothing
behind in Label Studio, unlike exports.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import orjson

from syncd.errors import Unavailable
from syncd.labelstudio.rest import Client
from syncd.labelstudio.rest_faults import Refused
from syncd.model import Json, Project, TaskJson
from syncd.sources._api_states import State, listed

PAGE = 100
"""Tasks with all fields; Label Studio takes about three milliseconds each."""
IDS = 500
_PLAIN = "id,title,label_config"
_COUNTED = f"{_PLAIN},task_number,total_annotations_number,total_predictions_number"
_PROJECTS = 100
"""The most that Label Studio gives."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """How many tasks, annotations and predictions a project has."""

    tasks: int
    annotations: int
    predictions: int


NOTHING = Numbers(0, 0, 0)


class Listing:
    """The lists of one Label Studio."""

    def __init__(self, client: Client) -> None:
        self._client = client

    # --- projects ------------------------------------------------------------------------------------------------

    def projects(self, *, counted: bool = True) -> dict[Project, Numbers]:
        """Every project that the token sees, in id order; their numbers, which cost Label Studio most of it, if asked for.

        Raises Unavailable when they change faster than they can be read.
        """
        for _ in range(5):
            found: dict[int, Json] = {}
            count, page = 1, 1
            while (page - 1) * _PROJECTS < count:
                answer = self._projects_page(page, _COUNTED if counted else _PLAIN)
                count = answer["count"]
                found.update((row["id"], row) for row in answer["results"])
                page += 1
            if len(found) == count:  # else one moved from page to page while we were turning it
                return {_project(row): _numbers(row) for _, row in sorted(found.items())}
        raise Unavailable(
            f"{self._client.url}: its list of projects changes faster than it can be read; syncd tries again"
        )

    def _projects_page(self, page: int, fields: str) -> Json:
        return self._client.get(
            "/api/projects/",
            page=page,
            page_size=_PROJECTS,
            include=fields,
        )

    # --- tasks ---------------------------------------------------------------------------------------------------

    def states(self, project: int, *, since: str | None = None) -> Iterator[list[State]]:
        """Tasks of a project in id order, a page at a time: all, or those whose time is later than `since`."""
        later = [_is("updated_at", "greater", "Datetime", since)] if since else []
        for page in self._pages(project, later):
            yield [self._state(record) for record in page]

    def _unlisted(self, project: int, filters: Sequence[Json], refused: Refused) -> list[TaskJson]:
        """The one task whose full record Label Studio fails to give, in short. Raises `refused` when even that fails."""
        try:
            return self._page(project, filters, "tasks:id", 1, "task_only")[0]
        except Refused as again:
            raise refused from again

    def ids(self, project: int) -> Iterator[int]:
        """The ids of a project's tasks in order. The first page is short: some ask only whether there is any."""
        for page in self._pages(project, (), sizes=(2, IDS), fields="task_only"):
            yield from (record["id"] for record in page)

    def count(self, project: int) -> int:
        """How many tasks a project has."""
        _, total = self._page(project, (), "tasks:id", 1, "task_only")
        return total

    def newest(self, project: int) -> str | None:
        """The newest time of a task of the project."""
        page, _ = self._page(project, (), "-tasks:updated_at", 1, "task_only")
        return str(page[0]["updated_at"]) if page else None

    def project_of(self, task: int) -> int | None:
        """Where a task is; None when nowhere that the token sees. Label Studio may ask its models for predictions by this."""
        try:
            found: int = self._client.get(f"/api/tasks/{task}", resolve_uri="false")["project"]
        except Refused as refused:
            if refused.status == 404:
                return None
            raise
        return found

    def _pages(
        self, project: int, filters: Sequence[Json], *, sizes: tuple[int, int] = (PAGE, PAGE), fields: str = "all"
    ) -> Iterator[list[TaskJson]]:
        """By id. The first page has `sizes[0]` tasks, the others `sizes[1]`, or fewer where Label Studio gives fewer."""
        (size, later), after, is_more = sizes, 0, True
        while is_more:
            beyond = _is("id", "greater", "Number", after)
            try:
                page, total = self._page(project, (*filters, beyond), "tasks:id", size, fields)
            except Refused as refused:
                if refused.status != 500:
                    raise
                if size > 1:
                    size //= 4  # one row that Label Studio cannot show must not hide the others
                    continue
                page, total = self._unlisted(project, (*filters, beyond), refused), 2
            if page:
                yield page
                after, size = page[-1]["id"], min(4 * size, later)
            is_more = total > len(page) > 0

    def _page(
        self, project: int, filters: Sequence[Json], order: str, size: int, fields: str
    ) -> tuple[list[TaskJson], int]:
        """Tasks, and how many there would be without a limit."""
        query: dict[str, Json] = {"ordering": [order]}
        if filters:
            query["filters"] = {"conjunction": "and", "items": filters}
        answer = self._client.get(
            "/api/tasks",
            project=project,
            page_size=size,
            fields=fields,
            resolve_uri="false",
            query=orjson.dumps(query).decode(),
        )
        return answer["tasks"], answer["total"]

    def _state(self, record: TaskJson) -> State:
        if "annotations" not in record:
            return State(record["id"], record["project"], None, record["updated_at"])
        # The listing has only the drafts of the token's own user.
        drafts = self._client.get(f"/api/tasks/{record['id']}/drafts") if record.get("draft_exists") else ()
        return listed(record, drafts)


def _is(column: str, operator: str, kind: str, value: int | str) -> Json:
    return {"filter": f"filter:tasks:{column}", "operator": operator, "type": kind, "value": value}


def _project(row: Json) -> Project:
    shown = (row["title"] or "", row["label_config"] or "")
    version = blake2b(repr((row["id"], *shown)).encode(), digest_size=8).hexdigest()
    return Project(row["id"], *shown, version)  # its `updated_at` is in no answer


def _numbers(row: Json) -> Numbers:
    names = ("task_number", "total_annotations_number", "total_predictions_number")
    return Numbers(*(row.get(name) or 0 for name in names))
