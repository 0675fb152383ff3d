"""Big batches of files are written by a process of their own.

Writing a small file is five short system calls, and after each a thread must win Python's interpreter lock back from the one
that reads and assembles documents; the two slow each other down to half. A process has a lock of its own. It ends with its
parent (its input closes, and the kernel kills it if the parent is killed) and after a minute without work.
"""

import contextlib
import ctypes
import pickle
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import IO, Any

from syncd.errors import Unavailable
from syncd.targets import Failed, Object, Outcome, Refused, Written

IDLE_SECONDS = 60.0
BUFFER = 256 * 1024
"""Bytes: the answer to a whole batch."""
_PR_SET_PDEATHSIG = 1
_KINDS = (Object, Written, Refused, Failed)
_VALUES = {kind: attrgetter(*kind.__slots__) for kind in _KINDS}


class WritingProcess:
    """Calls `put_many` of a target made by the pickled `make`, in another process. One batch at a time."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._process: subprocess.Popen[bytes] | None = None
        self._one_at_a_time = threading.Lock()

    def put_many(self, objects: Sequence[Object]) -> list[Outcome]:
        """What the target answered there; its errors are raised here. Raises Unavailable when the process is lost."""
        with self._one_at_a_time:
            if self._process is None or self._process.poll() is not None:
                self._start()
            try:
                return self._ask(objects)
            except (OSError, EOFError, pickle.UnpicklingError) as error:
                self.close()
                raise Unavailable(
                    "the process that writes files ended in the middle of a batch; it is started again"
                ) from error

    def close(self) -> None:
        """Let the process end, and wait for it."""
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
            self._process.wait()
            self._process = None

    def _start(self) -> None:
        self.close()
        command = [sys.executable, "-m", __name__]
        self._process = subprocess.Popen(command, bufsize=BUFFER, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        _send(self._process.stdin, self._make)

    def _ask(self, objects: Sequence[Object]) -> list[Outcome]:
        if self._process is None or self._process.stdout is None:
            raise EOFError
        _send(self._process.stdin, _packed(objects))
        answer = pickle.load(self._process.stdout)  # noqa: S301 - our own process, over our own pipe
        if isinstance(answer, Exception):
            raise answer
        return list(_unpacked(answer))


def _packed(values: Iterable[Any]) -> list[tuple[type, Any]]:
    """Kind and fields of each: frozen dataclasses with slots would be pickled field by field, in Python."""
    return [(type(one), _VALUES[type(one)](one)) for one in values]


def _unpacked(packed: Iterable[tuple[type, Any]]) -> Iterator[Any]:
    for kind, values in packed:
        yield kind(*values) if isinstance(values, tuple) else kind(values)


def _send(pipe: IO[bytes] | None, value: object) -> None:
    if pipe is None:
        raise EOFError
    # In one write: between two of them the sender would wait for the interpreter lock.
    pipe.write(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))
    pipe.flush()


def serve(orders: IO[bytes], answers: IO[bytes]) -> None:
    """The other side: batches in, outcomes out, until the input ends or nothing comes for a while."""
    target = pickle.load(orders)()  # noqa: S301 - our parent, over its own pipe
    target.open()
    try:
        while select.select([orders], [], [], IDLE_SECONDS)[0]:
            try:
                batch = pickle.load(orders)  # noqa: S301
            except EOFError:
                return
            answer: object
            try:
                answer = _packed(target.put_many(list(_unpacked(batch))))
            except Exception as error:
                answer = error
            _send(answers, answer)
    finally:
        target.close()


if __name__ == "__main__":
    # Ctrl-C is for the parent, which finishes its batch.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    serve(sys.stdin.buffer, sys.stdout.buffer)
