"""The metrics: a line each, with the sentence that says what it means. docs/metrics.md tells the same and when to worry."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any, Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from syncd import __version__
from syncd.claims import iso, lag_seconds
from syncd.lane import Lane
from syncd.targets import BOUNDS
from syncd.web import Running

Status = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OfTarget:
    """A metric with a value per target; None leaves a target out. `value` gets its part of the status, and its lane."""

    name: str
    kind: Literal["gauge", "counter"]
    said: str
    value: Callable[[Status, Lane], float | None]


OF_TARGETS = (
    OfTarget("syncd_target_up", "gauge", "1 while the target can be reached", lambda _, lane: lane.reached_now),
    OfTarget("syncd_leader", "gauge", "1 while this process holds the target's lease", lambda _, lane: lane.leading),
    OfTarget("syncd_paused", "gauge", "1 while an operator has paused it", lambda s, _: s["state"] == "paused"),
    OfTarget("syncd_dirty_tasks", "gauge", "Tasks that are due", lambda s, _: s["dirty"]),
    OfTarget("syncd_quarantined_tasks", "gauge", "Tasks that are set aside", lambda s, _: s["quarantined"]),
    OfTarget("syncd_held_deletes", "gauge", "Deletions that the brake holds", lambda s, _: s["held_deletes"]),
    OfTarget("syncd_task_files", "gauge", "Task files in the target", lambda s, _: s["files"]),
    OfTarget("syncd_lag_seconds", "gauge", "Age of the moment it is true up to", lambda s, _: s["lag_seconds"]),
    OfTarget(
        "syncd_synced_through_timestamp_seconds",
        "gauge",
        "The moment up to which every added or removed row is visible",
        lambda s, _: _epoch(s["synced_through"]),
    ),
    OfTarget(
        "syncd_reconcile_last_success_timestamp_seconds",
        "gauge",
        "The moment up to which every change of any kind is visible: the start of the last full sweep that is settled",
        lambda s, _: _epoch(s["swept_through"]),
    ),
    OfTarget(
        "syncd_reconcile_drift_objects",
        "gauge",
        "Objects that differed from what the ledger knew when the target was last listed",
        lambda _, lane: lane.differing,
    ),
    OfTarget(
        "syncd_backfill_progress_ratio",
        "gauge",
        "How much is done of what has been due since nothing was",
        lambda _, lane: lane.rates.progress(),
    ),
    OfTarget("syncd_journal_seq", "gauge", "Newest journal line that readers can see", lambda s, _: s["journal_seq"]),
    OfTarget(
        "syncd_objects_unchanged_total",
        "counter",
        "Tasks that were looked at and found to be right",
        lambda _, lane: lane.pipeline.totals.unchanged,
    ),
    OfTarget(
        "syncd_objects_deleted_total", "counter", "Task files deleted", lambda _, lane: lane.pipeline.totals.deleted
    ),
    OfTarget(
        "syncd_object_bytes_total", "counter", "Bytes of task files written", lambda _, lane: lane.pipeline.totals.bytes
    ),
    OfTarget(
        "syncd_conflicts_total",
        "counter",
        "Objects that somebody else had changed",
        lambda _, lane: lane.pipeline.totals.conflicts,
    ),
    OfTarget(
        "syncd_deletes_blocked_total",
        "counter",
        "Deletions that the brake stopped",
        lambda _, lane: lane.pipeline.totals.held,
    ),
    OfTarget(
        "syncd_set_aside_total",
        "counter",
        "Times that a task was set aside",
        lambda _, lane: lane.pipeline.totals.rejected,
    ),
    OfTarget(
        "syncd_throttled_total",
        "counter",
        "Requests that the store answered by asking to slow down",
        lambda _, lane: lane.traffic.throttled,
    ),
    OfTarget("syncd_retries_total", "counter", "Requests sent once more", lambda _, lane: lane.traffic.retries),
    OfTarget(
        "syncd_sent_bytes_total", "counter", "Bytes sent to the store", lambda _, lane: lane.traffic.bytes_written
    ),
    OfTarget(
        "syncd_received_bytes_total", "counter", "Bytes read from the store", lambda _, lane: lane.traffic.bytes_read
    ),
)


class Metrics(Collector):
    """One scrape of a running daemon."""

    def __init__(self, running: Running, status: Status) -> None:
        self._running = running
        self._status = status
        self._targets = [
            (name, status["targets"][name], lane)
            for lane in running.assembly.lanes
            if (name := lane.settings.name) in status["targets"]
        ]

    def collect(self) -> Iterator[Metric]:
        """Every metric there is."""
        build = GaugeMetricFamily("syncd_build_info", "1; the label tells the version", labels=["version"])
        build.add_metric([__version__], 1)
        yield build
        yield GaugeMetricFamily(
            "syncd_config_reload_success_timestamp_seconds",
            "When the configuration that runs was loaded",
            value=self._running.configured_at,
        )
        yield from self._of_source()
        for metric in OF_TARGETS:
            yield self._of_targets(metric)
        yield self._written()
        yield self._durations()

    def _of_source(self) -> Iterator[Metric]:
        error = self._status["source"]["error"]
        yield GaugeMetricFamily("syncd_source_up", "1 while the source can be read", value=error is None)
        kept = self._status["source"]["story"].get("retained_bytes", 0)
        said = "Bytes of write-ahead log that PostgreSQL keeps for syncd's slot; 0 without one"
        yield GaugeMetricFamily("syncd_slot_retained_bytes", said, value=kept)
        horizon = iso(self._running.assembly.ledger.claims(ALL)[0])
        if horizon is not None:
            said = "The moment up to which the source's changes are known here, whether written yet or not"
            yield GaugeMetricFamily("syncd_source_horizon_timestamp_seconds", said, value=_epoch(horizon))
            yield GaugeMetricFamily("syncd_source_lag_seconds", "Age of that moment", value=lag_seconds(horizon))

    def _of_targets(self, metric: OfTarget) -> Metric:
        family = (GaugeMetricFamily if metric.kind == "gauge" else CounterMetricFamily)(
            metric.name, metric.said, labels=["target"]
        )
        for name, status, lane in self._targets:
            value = metric.value(status, lane)
            if value is not None:
                family.add_metric([name], value)
        return family

    def _written(self) -> Metric:
        said = "Objects written, by result: ok, conflict (a condition refused it), failed (the store would not take it)"
        family = CounterMetricFamily("syncd_objects_written_total", said, labels=["target", "result"])
        for name, _, lane in self._targets:
            family.add_metric([name, "ok"], lane.pipeline.totals.written)
            family.add_metric([name, "conflict"], lane.traffic.conflicts)
            family.add_metric([name, "failed"], lane.traffic.failed)
        return family

    def _durations(self) -> Metric:
        said = "How long a write took, a batch of objects at a time"
        family = HistogramMetricFamily("syncd_put_duration_seconds", said, labels=["target"])
        for name, _, lane in self._targets:
            took = lane.traffic.seconds.get("put")
            if took is not None:
                bounds = [*map(str, BOUNDS), "+Inf"]
                family.add_metric([name], list(zip(bounds, accumulate(took.counts), strict=True)), took.sum_seconds)
        return family


ALL = 1 << 62
"""Above every number of signals."""


def _epoch(when: str | None) -> float | None:
    return datetime.fromisoformat(when).timestamp() if when else None
