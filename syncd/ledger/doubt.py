"""What somebody found to be other than this ledger believes."""

import json
from collections.abc import Collection

from syncd.ledger.lane import LaneLedger


def doubt(lane: LaneLedger, tasks: Collection[int]) -> None:
    """These tasks' objects hold other bytes than they should, whatever they say of themselves: they are written again."""
    listed = json.dumps(list(tasks))
    with lane.ledger.numbered() as (t, number):
        # No checksum is empty: none of these objects is taken for right by its own digest.
        t.execute(
            f"UPDATE written_{lane.id} SET digest = NULL, md5 = '' WHERE task IN (SELECT value FROM json_each(?))",
            (listed,),
        )
        t.execute(
            f"INSERT INTO dirty_{lane.id} (task, project, first, last, urgency) SELECT task, project, ?1, ?1, 0 FROM seen "
            "WHERE task IN (SELECT value FROM json_each(?2)) "
            "ON CONFLICT (task) DO UPDATE SET last = excluded.last, urgency = 0, not_before = 0",
            (number, listed),
        )
