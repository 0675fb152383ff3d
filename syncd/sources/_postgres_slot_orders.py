"""`syncd slot`: makes, shows and removes what `capture: logical` needs in the database. What syncd may not do is written down."""

from contextlib import closing, suppress
from dataclasses import dataclass, field

import psycopg

from syncd.errors import SyncdError
from syncd.sources._postgres_database import Database
from syncd.sources._postgres_publication import Publication, publication
from syncd.sources._postgres_slot import LogUnavailable, Slot
from syncd.sources.postgres import Settings

CREATE_SECONDS = 30.0
FORBIDDEN = "42501"


@dataclass(slots=True)
class SlotReport:
    """What there is in the database, and what is left for somebody with more rights."""

    publication: str
    slot: str
    published: bool
    lacking: tuple[str, ...]
    exists: bool
    wal_status: str
    retained_bytes: int
    wal_level: str
    max_slot_wal_keep_size: str
    to_do: list[str] = field(default_factory=list)
    """Statements to run in Label Studio's database, as its owner or a superuser."""


def create(settings: Settings) -> SlotReport:
    """Make the publication and the slot, each if it is not there and the role may."""
    with closing(_Orders(settings)) as orders:
        return orders.create()


def report(settings: Settings) -> SlotReport:
    """Change nothing."""
    with closing(_Orders(settings)) as orders:
        return orders.report(orders.lacks())


def drop(settings: Settings) -> SlotReport:
    """Remove the slot and the publication, as far as the role may."""
    with closing(_Orders(settings)) as orders:
        return orders.drop()


class _Orders:
    def __init__(self, settings: Settings) -> None:
        self._database = Database(settings.dsn.get_secret_value())
        self._slot = Slot(self._database, settings.slot, settings.publication)

    def close(self) -> None:
        self._database.close()

    def create(self) -> SlotReport:
        found = self._publication()
        if not found.exists:
            self._may(found.to_create)
        state = self._slot.state()
        # A slot shows the log with the publications of that time: it has to be the younger one.
        if state.slot is None and state.level == "logical" and self._publication().exists:
            with suppress(LogUnavailable):  # what it lacks is in the report
                self._slot.create(seconds=CREATE_SECONDS)
        return self.report(self.lacks())

    def drop(self) -> SlotReport:
        state, left = self._slot.state(), []
        if state.slot is not None and state.slot.ours:
            self._slot.drop()
        statement = f"DROP PUBLICATION {self._slot.publication};"
        if self._publication().exists and not self._may(statement):
            left.append(statement)
        return self.report(left)

    def lacks(self) -> list[str]:
        """The statements that are missing before the log can be followed."""
        found, state = self._publication(), self._slot.state()
        statements = []
        if state.level != "logical":
            statements.append("ALTER SYSTEM SET wal_level = 'logical';  -- then restart the server")
        if found.lacking and found.exists:
            statements.append(f"DROP PUBLICATION {self._slot.publication};")
        if found.lacking or not found.exists:
            statements.append(found.to_create)
        role, may = self._role()
        if state.slot is None and not may:
            statements.append(f"ALTER ROLE {role} REPLICATION;  -- on Amazon RDS: GRANT rds_replication TO {role}")
        return statements

    def report(self, to_do: list[str]) -> SlotReport:
        found, state = self._publication(), self._slot.state()
        slot = state.slot
        return SlotReport(
            publication=self._slot.publication,
            slot=self._slot.name,
            published=found.exists,
            lacking=found.lacking if found.exists else (),
            exists=slot is not None,
            wal_status=slot.wal_status if slot else "",
            retained_bytes=state.retained,
            wal_level=state.level,
            max_slot_wal_keep_size=self._kept_at_most(),
            to_do=to_do,
        )

    def _publication(self) -> Publication:
        return publication(self._database, self._slot.publication)

    def _may(self, statement: str) -> bool:
        """Run it; False when the role has no right to."""
        try:
            self._database.command(statement)
        except SyncdError as error:
            if isinstance(error.__cause__, psycopg.Error) and error.__cause__.sqlstate == FORBIDDEN:
                return False
            raise
        return True

    def _role(self) -> tuple[str, bool]:
        sql = "SELECT quote_ident(rolname), rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user"
        role, may = self._database.rows(sql)[0]
        return role.decode(), may

    def _kept_at_most(self) -> str:
        found: bytes = self._database.rows("SELECT current_setting('max_slot_wal_keep_size')")[0][0]
        return found.decode()
