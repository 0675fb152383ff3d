"""Keypoints, gathered by the region they are parts of: its box or outline in Label Studio's region tree.

In COCO one annotation holds all keypoints of an instance, in the order of its category's names.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from syncd.formats import Skipped
from syncd.formats._regions import Region, numbers

DEFAULT_CATEGORY = "default"
"""The category of keypoints that are part of no region; Label Studio's converter calls it so."""

UNKNOWN_KEYPOINT = "keypoint whose name the label configuration does not have"
SECOND_KEYPOINT = "second keypoint of the same name on one region"
OUTSIDE = "keypoint outside the image"

_VISIBLE = 2


class Keypoints(NamedTuple):
    """COCO's two fields: x, y and visibility for each name (0, 0, 0 when it is not there), and how many are."""

    keypoints: list[int]
    num_keypoints: int


def keypoint_groups(found: Sequence[Region]) -> dict[str | None, list[Region]]:
    """Keypoints by the id of the region they are part of; None for those of no region of this annotation."""
    parents = {region.id for region in found if region.place}
    groups: dict[str | None, list[Region]] = {}
    for region in found:
        if not region.place:
            groups.setdefault(region.parent if region.parent in parents else None, []).append(region)
    return groups


def place_keypoints(
    group: Sequence[Region], numbered: Mapping[str, int], width: int, height: int, *, task: int
) -> tuple[Keypoints, list[Skipped]]:
    """One instance's keypoints, `numbered` from 0, as the pixels they lie in; the first of a name counts."""
    placed = [0, 0, 0] * len(numbered)
    skipped = []
    count = 0
    for region in group:
        x, y = numbers(region, ("x", "y"), task=task)
        if not (0.0 <= x <= 100.0 and 0.0 <= y <= 100.0):
            skipped.append(Skipped(OUTSIDE))
            continue
        pixel = min(int(x / 100.0 * width), width - 1), min(int(y / 100.0 * height), height - 1)
        for label in region.labels:
            at = numbered.get(label)
            if at is None:
                skipped.append(Skipped(UNKNOWN_KEYPOINT))
            elif placed[3 * at + 2]:
                skipped.append(Skipped(SECOND_KEYPOINT))
            else:
                placed[3 * at : 3 * at + 3] = *pixel, _VISIBLE
                count += 1
    return Keypoints(placed, count), skipped


def box_around(keypoints: Keypoints) -> list[float]:
    """The box around the keypoints that are there: left, top, width, height; at least one must be."""
    there = [at for at in range(0, len(keypoints.keypoints), 3) if keypoints.keypoints[at + 2]]
    xs = [keypoints.keypoints[at] for at in there]
    ys = [keypoints.keypoints[at + 1] for at in there]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
