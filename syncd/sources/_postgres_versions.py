"""Finds every row that came, went or was written, by row version alone: aggregates of `xmin` and `ctid` over blocks of task ids.

An UPDATE always makes a new version, so nothing escapes: bulk renames that move no time, transactions that commit late, whatever
the clocks say. What differs is then compared by content. No column is read, so large results stay where they are.
"""

from collections import defaultdict
from collections.abc import Iterator
from hashlib import blake2b
from threading import Event

from syncd.labelstudio import tables
from syncd.sources._postgres_database import Database
from syncd.sources._postgres_rows import ROW_VERSION

BLOCK = 256
"""Task ids per block."""

BLOCKS = 64
"""Blocks per statement: tens of milliseconds."""


class Versions:
    """What each block of task ids looked like when it was last compared. About 120 bytes a block."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[int, bytes] = {}

    def learn(self) -> None:
        """Take every block as it is now: what happens from here on differs."""
        self._known = {block: digest for page in self._pages() for block, digest in page.items()}

    def differing(self, stop: Event) -> Iterator[tuple[int, int]]:
        """Id ranges whose rows moved since they were last yielded, one pass; cut short when `stop` is set.

        A block is known as it was *before* the caller compared it, so a change in between shows on the next pass.
        """
        vanished = set(self._known)
        for page in self._pages():
            for block, digest in page.items():
                vanished.discard(block)
                if digest != self._known.get(block):
                    yield _ids(block)
                    self._known[block] = digest
            if stop.is_set():
                return
        for block in sorted(vanished):
            yield _ids(block)
            del self._known[block]

    def _pages(self) -> Iterator[dict[int, bytes]]:
        """Block → digest of the blocks that hold rows, in id order, one snapshot a page."""
        first = 0
        while (task := self._database.rows("SELECT id FROM task WHERE id >= ? ORDER BY id LIMIT 1", (first,))) != []:
            block = task[0][0] // BLOCK
            yield self._page(block * BLOCK, (block + BLOCKS) * BLOCK - 1)
            first = (block + BLOCKS) * BLOCK

    def _page(self, first: int, last: int) -> dict[int, bytes]:
        found: defaultdict[int, list[object]] = defaultdict(list)
        with self._database.snapshot():
            for table in (tables.TASK, *tables.OF_A_TASK):
                if self._database.columns(table):
                    task = "id" if table is tables.TASK else "task_id"
                    sql = (
                        f"SELECT {task} / {BLOCK}, count(*), sum({ROW_VERSION.format(table.name)})::text "
                        f"FROM {table.name} WHERE {task} BETWEEN ? AND ? GROUP BY 1"
                    )
                    for block, *aggregate in self._database.rows(sql, (first, last)):
                        found[block] += (table.name, *aggregate)
        return {block: blake2b(repr(row).encode(), digest_size=12).digest() for block, row in sorted(found.items())}


def _ids(block: int) -> tuple[int, int]:
    return block * BLOCK, block * BLOCK + BLOCK - 1
