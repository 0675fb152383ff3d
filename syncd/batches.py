"""One drain's batches, and the thread that carries them out beside the lane's own."""

import threading
from collections.abc import Callable, Collection

from syncd.planning import Plan


class Batches:
    """The batches of one drain, for two threads that take them in turn."""

    def __init__(self, plan: Callable[[Collection[int]], Plan], may_go_on: Callable[[], bool]) -> None:
        self._plan = plan
        self._may_go_on = may_go_on
        self._in_hand: set[int] = set()
        self._changed = threading.Condition()
        self._is_over = False
        self.done = 0
        """Tasks looked at."""

    def take(self) -> Plan | None:
        """A batch of tasks that nobody has in hand; None when there is nothing left to do, or no right to do it.

        Raises what planning raises; then no further batch begins.
        """
        with self._changed:
            while not self._is_over and self._may_go_on():
                try:
                    plan = self._plan(self._in_hand)
                except BaseException:
                    self._is_over = True
                    raise
                if tasks := plan.tasks():
                    self._in_hand |= tasks
                    return plan
                if not self._in_hand:
                    break
                self._changed.wait()  # what the other one has in hand may be due again when it is settled
            return None

    def give_back(self, plan: Plan) -> None:
        """It was carried out, as far as that was possible."""
        with self._changed:
            self._in_hand -= plan.tasks()
            self.done += len(plan.tasks())
            self._changed.notify()

    def end(self) -> None:
        """No further batch begins."""
        with self._changed:
            self._is_over = True
            self._changed.notify()


class OtherHand(threading.Thread):
    """Works beside the lane's thread. It ends with the process, however long a request of its hangs."""

    def __init__(self, lane: str, work: Callable[[], None]) -> None:
        super().__init__(name=f"batch-{lane}", daemon=True)
        self._do_work = work
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._do_work()
        except BaseException as error:
            self.error = error
