"""What is there: a target's listing, with what the ledger knows of each object."""

from collections.abc import Collection, Iterator
from itertools import islice

from syncd.layout import MARKER, OURS, project_of_key, task_of_key
from syncd.ledger.lane import LaneLedger
from syncd.mirrors.clearing import PART_NAME, task_of_file
from syncd.mirrors.settings import MirrorSettings
from syncd.targets import Listed, Target
from syncd.verifying.comparison import There

PAGE = 1000


def listing(target: Target, lane: LaneLedger | None, mirrors: Collection[MirrorSettings]) -> Iterator[There]:
    """Every object but what syncd keeps for itself; of that only the marker."""
    formats = {one.name: one.make() for one in mirrors}
    published = lane.published() if lane else {}

    def is_mirrored(key: str) -> bool:
        project, _, rest = key.partition("/")
        name, _, path = rest.partition("/")
        made = formats.get(name) if project.isdecimal() else None
        return made is not None and (
            task_of_file(path, made.own_files) is not None or (made.parts and PART_NAME.fullmatch(path) is not None)
        )

    objects = target.list()
    while page := list(islice(objects, PAGE)):
        places = {one.key: place for one in page if (place := task_of_key(one.key))}
        files = lane.files([task for _, task in places.values()]) if lane and places else {}
        for one in page:
            if one.key.startswith(OURS) and one.key != MARKER:
                continue
            if one.key in places:
                task = places[one.key][1]
                file = files.get(task)
                is_it = file is not None and file.key == one.key and file.etag == one.etag and one.etag is not None
                yield _there(one, known=file.digest if file and is_it else None, task=task)
            elif (project := project_of_key(one.key)) is not None:
                ours = published.get(project)
                is_it = ours is not None and one.etag is not None and ours.etag == one.etag
                yield _there(one, known=ours.digest if ours and is_it else None)
            else:
                yield _there(one, ours=one.key == MARKER or is_mirrored(one.key))


def _there(one: Listed, *, known: bytes | None = None, task: int | None = None, ours: bool = True) -> There:
    return There(one.key, one.size, one.etag, one.md5, known, task, ours)
