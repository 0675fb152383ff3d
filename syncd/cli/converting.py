"""`syncd formats`, `convert`, `export`: annotations in the formats that people train on."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syncd.cli import DIFFERS, DONE, AsJson, ConfigFile, app, say, say_json, stop

if TYPE_CHECKING:
    from syncd.converting.conversion import Request

Output = Annotated[Path, typer.Option("--path", help="A folder for the format's files, or a name that ends in `.zip`.")]
Policy = Annotated[
    str | None,
    typer.Option("--annotations", metavar="best|all|latest|ground_truth", help="Which of a task's annotations."),
]
TaskIds = Annotated[list[str] | None, typer.Option("--task-ids", help="Only these: `3,17,20-29`.")]
AllTasks = Annotated[bool, typer.Option("--all-tasks", help="Tasks without annotation have an entry too.")]
Chosen = Annotated[
    list[str] | None, typer.Option("--option", metavar="K=V", help="An option of the format; see `formats`.")
]
FreshClasses = Annotated[
    bool, typer.Option("--fresh-classes", help="Number the classes anew, not as they are published.")
]
Workers = Annotated[int, typer.Option("--workers", min=1, max=256, help="Processes.")]
MediaRoot = Annotated[Path | None, typer.Option("--media-root", help="Label Studio's media folder, for uploads.")]
DocumentRoot = Annotated[Path | None, typer.Option("--document-root", help="What /data/local-files/ is below.")]
Host = Annotated[
    str | None, typer.Option("--host", help="Label Studio's address, for media that are not on this machine.")
]
Token = Annotated[str | None, typer.Option("--token", help="Its API token; better in $LABEL_STUDIO_API_KEY.")]
AllowHosts = Annotated[list[str] | None, typer.Option("--allow-host", help="A host that may be private, for media.")]
Fetch = Annotated[bool, typer.Option("--fetch", help="Fetch media whose size or length no annotation tells.")]
LimitMb = Annotated[int, typer.Option("--media-limit-mb", min=1, help="The largest media file that is fetched.")]


@app.command()
def formats(
    project: Annotated[
        str | None, typer.Option(help="Say which apply to this project of the source (id or title).")
    ] = None,
    label_config: Annotated[Path | None, typer.Option(help="Say which apply to this labelling configuration.")] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Every format with its options; for a project or a labelling configuration which apply, and why the others do not.

    Example: `syncd formats --project Cars`.
    """
    from syncd.converting.catalogue import catalogue
    from syncd.converting.schemas import schema_of_file, schema_of_project

    schema = None
    if project is not None:
        schema = schema_of_project(config, project)
    elif label_config is not None:
        schema = schema_of_file(label_config)
    found = catalogue(schema)
    if as_json:
        say_json([entry.as_json() for entry in found])
        return
    for entry in found:
        for line in entry.lines():
            say(line)


@app.command()
def convert(
    tasks: Annotated[
        Path, typer.Argument(metavar="INPUT", help="A Label Studio JSON export, or a folder of task files.")
    ],
    format_name: Annotated[str, typer.Option("--format", "-f", help="See `syncd formats`.")],
    path: Output,
    label_config: Annotated[
        Path | None, typer.Option("--label-config", help="The project's labelling configuration; else project.json's.")
    ] = None,
    options: Chosen = None,
    annotations: Policy = None,
    task_ids: TaskIds = None,
    all_tasks: AllTasks = False,
    fresh_classes: FreshClasses = False,
    workers: Workers = 1,
    media_root: MediaRoot = None,
    document_root: DocumentRoot = None,
    host: Host = None,
    token: Token = None,
    allow_host: AllowHosts = None,
    fetch: Fetch = False,
    media_limit_mb: LimitMb = 512,
    as_json: AsJson = False,
) -> None:
    """Turn a Label Studio export, or a bucket's own `tasks/`, into another format.

    The old output stays whole until the new one is. Exit code 1 when a task was set aside; all others are written.

    Example: `syncd convert export.json --label-config config.xml --format YOLO --path dataset/`.
    """
    from syncd.converting.conversion import Request
    from syncd.converting.gathering import given_path
    from syncd.converting.options import media_settings, options_of, policy_of, task_ids_of
    from syncd.converting.schemas import described
    from syncd.media import roots_of

    given = given_path(tasks)
    project = described(tasks, label_config)
    roots = roots_of(os.environ, media_root, document_root, host)
    media = media_settings(format_name, roots, token, allow_host or (), fetch=fetch, limit_mb=media_limit_mb)
    _run(
        Request(
            given=given,
            path=path,
            format=format_name,
            options=options_of(format_name, options or ()),
            schema=project.schema,
            policy=policy_of(annotations),
            all_tasks=all_tasks,
            only=task_ids_of(task_ids or ()),
            published={} if fresh_classes else project.classes,
            workers=workers,
            media=media,
        ),
        as_json,
    )


@app.command()
def export(
    project: Annotated[str, typer.Argument(help="Id or title.")],
    format_name: Annotated[str, typer.Argument(metavar="FORMAT", help="See `syncd formats --project PROJECT`.")],
    path: Output,
    options: Chosen = None,
    annotations: Policy = None,
    task_ids: TaskIds = None,
    all_tasks: AllTasks = False,
    drafts: Annotated[bool, typer.Option(help="JSON and JSONL: drafts in full, or only their ids.")] = True,
    predictions: Annotated[bool, typer.Option(help="JSON and JSONL: predictions in full, or only their ids.")] = False,
    fresh_classes: FreshClasses = False,
    workers: Workers = 1,
    media_root: MediaRoot = None,
    document_root: DocumentRoot = None,
    host: Host = None,
    token: Token = None,
    allow_host: AllowHosts = None,
    fetch: Fetch = False,
    media_limit_mb: LimitMb = 512,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """One project straight from the source, in any format.

    Class numbers and columns are the published ones where a mirror has published some. Exit code 1 when a task was set aside.

    Example: `syncd export Cars COCO --path cars/`.
    """
    from syncd.converting.conversion import Request
    from syncd.converting.gathering import GivenProject
    from syncd.converting.options import media_settings, options_of, policy_of, task_ids_of
    from syncd.converting.published import published_by_mirrors
    from syncd.converting.schemas import find_project, open_source
    from syncd.labelstudio.labelconfig import parse_label_config
    from syncd.ledger.registries import Registry
    from syncd.media import roots_of
    from syncd.mirrors.settings import rendition_of
    from syncd.model import DocumentShape

    roots = roots_of(os.environ, media_root, document_root, host)
    media = media_settings(format_name, roots, token, allow_host or (), fetch=fetch, limit_mb=media_limit_mb)
    chosen, only = options_of(format_name, options or ()), task_ids_of(task_ids or ())
    shape = DocumentShape(
        tasks="all" if all_tasks else "labeled",
        predictions="full" if predictions else "ids",
        drafts="full" if drafts else "ids",
    )
    source = open_source(config)
    try:
        found = find_project(source, project)
        policy = policy_of(annotations)
        known = Registry() if fresh_classes else published_by_mirrors(config, found.id)
        request = Request(
            given=GivenProject(source, found.id, shape, only),
            path=path,
            format=format_name,
            options=chosen,
            schema=parse_label_config(found.label_config),
            policy=policy,
            all_tasks=all_tasks,
            only=only,
            published=known.classes,
            published_columns=known.columns.get(rendition_of(format_name, chosen, policy), ()),
            workers=workers,
            media=media,
        )
        _run(request, as_json)
    finally:
        source.close()


def _run(request: "Request", as_json: bool) -> None:
    """Converts, shows progress, reports, and ends with the exit code."""
    from syncd.cli.progress import progress
    from syncd.converting.conversion import convert as convert_tasks
    from syncd.converting.interrupts import interruptible

    with interruptible(), progress("tasks") as advance:
        report = convert_tasks(request, advance)
    if as_json:
        say_json(report.as_json())
    else:
        for line in report.lines():
            say(line)
    stop(DONE if report.is_whole else DIFFERS)
