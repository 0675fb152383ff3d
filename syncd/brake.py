"""The brake: a target that would lose much at once is asked about first.

When the deletions of the last 60 minutes in a project would exceed both 20 and `max_delete_ratio` × the files it had an hour
ago, all that are due are held. Whatever the ratio, nothing is deleted while the source suddenly shows no task at all.
"""

from syncd.ledger.lane import LaneLedger

FEW = 20
"""Deletions an hour that never need asking."""


def holds(lane: LaneLedger, project: int, due: int, *, max_delete_ratio: float, source_is_empty: bool) -> bool:
    """Whether `due` more deletions in a project must wait for `syncd resume TARGET --allow-deletes`."""
    if source_is_empty:
        return True
    if max_delete_ratio == 0:
        return False
    created, deleted = lane.recent_moves(project)
    an_hour_ago = lane.counts().get(project, 0) + deleted - created
    total = deleted + max(due, lane.leaving(project))
    return total > FEW and total > max_delete_ratio * an_hour_ago
