"""Which file system a path lies on: SQLite is not safe on a network one, and the kernel copies cheaply on some only."""

from pathlib import Path

NETWORK = (
    "nfs",
    "cifs",
    "smb",
    "9p",
    "afs",
    "ceph",
    "glusterfs",
    "lustre",
    "fuse.sshfs",
    "fuse.s3fs",
    "fuse.rclone",
    "virtiofs",
)

SHARING = ("xfs", "btrfs", "bcachefs", "zfs")
"""File systems where two files may share blocks, so that a copy moves nothing."""


def filesystem_of(path: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str:
    """The file system's type as the kernel names it (`ext4`, `nfs4`); "" where that cannot be told."""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return ""
    place = path.resolve()
    best, kind = -1, ""
    for line in lines:
        left, _, right = line.partition(" - ")
        point = Path(left.split()[4].encode().decode("unicode_escape"))
        if len(point.parts) >= best and (place == point or point in place.parents):
            best, kind = len(point.parts), right.split()[0]
    return kind


def can_copy(kind: str) -> bool:
    """Whether the kernel copies a range without moving its bytes: the files share blocks, or the file server does it."""
    return kind in SHARING or is_network(kind)


def is_network(kind: str) -> bool:
    """Whether locks and shared memory cannot be trusted there."""
    return kind.startswith(NETWORK)
