"""Figures as a person reads them."""

from datetime import UTC, datetime


def age(seconds: float | None) -> str:
    """How long ago, in the unit that fits: `4 s`, `12 min`, `3 h`, `5 days`."""
    if seconds is None:
        return "–"
    for unit, size, until in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < until:
            return f"{max(0, int(seconds // size))} {unit}"
    return f"{int(seconds // 86_400)} days"


def since(when: str | None) -> str:
    """How long ago an ISO 8601 time was."""
    return age(None if when is None else (datetime.now(UTC) - datetime.fromisoformat(when)).total_seconds())


def count(number: float) -> str:
    """`1,234,567`, and `0.4` where it is small and no whole number."""
    return f"{number:,.0f}" if number >= 10 or number == int(number) else f"{number:.1f}"


def counted(number: int, what: str) -> str:
    """`1 task`, `1,200 tasks`."""
    return f"{count(number)} {what}{'' if number == 1 else 's'}"


def moment(when: str) -> str:
    """A time of day, UTC, with the date unless it is today's."""
    at, now = datetime.fromisoformat(when).astimezone(UTC), datetime.now(UTC)
    return f"{at:%H:%M:%S} UTC" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M} UTC"
