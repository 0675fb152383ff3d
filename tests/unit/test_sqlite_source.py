"""The SQLite source keeps to the file it was asked about."""

from contextlib import closing
from pathlib import Path

import pytest

from syncd.errors import Unavailable
from syncd.sources.sqlite import Settings, SqliteSource
from tests.labelstudio_database import unpack
from tests.watching import ALL


def test_a_file_that_took_the_place_of_another_is_not_read_before_it_was_asked_who_it_is(tmp_path: Path) -> None:
    ours = unpack(tmp_path / "ours.sqlite3")
    with closing(SqliteSource(Settings(type="sqlite", path=ours.path))) as source:
        source.identity()
        task = ours.labelled(1)[0]
        assert len(list(source.read([task], ALL))) == 1
        unpack(tmp_path / "theirs.sqlite3").path.replace(ours.path)
        with pytest.raises(Unavailable, match="was replaced by another file"):
            list(source.read([task], ALL))
        source.identity()
        assert len(list(source.read([task], ALL))) == 1
