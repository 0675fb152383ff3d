"""TSV: what CSV is, with tabs between the cells, in `result.tsv`."""

from typing import ClassVar

from syncd.formats.csv import Csv


class Tsv(Csv):
    """Quoting, line ends and options are CSV's."""

    name: ClassVar[str] = "TSV"
    summary: ClassVar[str] = "a table with one row per annotation (or region), tab separated"
    path: ClassVar[str] = "result.tsv"
    delimiter: ClassVar[str] = "\t"


FORMAT = Tsv
