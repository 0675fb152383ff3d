"""A crew: this process and others forked from it take units from one queue in the kernel, whoever is free the next one.

So all of them end within one unit of each other. A forked process is there in a millisecond and has imported what this one has.
"""

import ctypes
import gc
import multiprocessing
import pickle
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Generic, NamedTuple, TypeVar

from syncd.errors import Unavailable
from syncd.taskfiles.elements import Unit

Answer = TypeVar("Answer")
_AHEAD = 4
"""Units of each process that are under way, or done before their turn."""
_UNIT = struct.Struct("<qqq")
"""Number of a unit among all, its first and its last byte."""
_MESSAGES = socket.SOCK_SEQPACKET if sys.platform == "linux" else socket.SOCK_STREAM
_PR_SET_PDEATHSIG = 1


class _Other(NamedTuple):
    process: BaseProcess
    answers: Connection


class Crew(Generic[Answer]):
    """`count` processes; each calls `begin` for what does the work in it."""

    def __init__(self, count: int, begin: Callable[[], Callable[[Unit], Answer]]) -> None:
        self._count = count
        self._begin = begin
        self._giving, self._taking = socket.socketpair(socket.AF_UNIX, _MESSAGES)
        self._others: list[_Other] = []
        self._done: dict[int, Answer | Exception] = {}

    def each(self, units: Iterable[Unit]) -> Iterator[Answer]:
        """The answers in the order of the units of one file. Raises what the work raises, when it is that unit's turn."""
        left = iter(units)
        following = next(left, None)
        if following is None:
            return
        self._fork(following)
        work, alike = self._begin(), following
        given = told = 0
        while following is not None or told < given:
            while following is not None and given - told < _AHEAD * self._count and self._gives(given, following):
                given, following = given + 1, next(left, None)
            mine = self._taken()
            if mine is not None:
                self._done[mine[0]] = _answer_of(work, replace(alike, first=mine[1], last=mine[2]))
            self._collect(blocks=mine is None)
            while told in self._done:
                answer = self._done.pop(told)
                if isinstance(answer, Exception):
                    raise answer
                yield answer
                told += 1

    def close(self) -> None:
        """Nobody is at work when this returns; a unit that is under way is worked on to its end."""
        while self._taken() is not None:
            pass
        self._giving.close()
        for other in self._others:
            other.answers.close()
            other.process.join()
        self._taking.close()

    def _fork(self, alike: Unit) -> None:
        context = multiprocessing.get_context("fork")
        for _ in range(self._count - 1):
            mine, theirs = context.Pipe(duplex=False)
            process = context.Process(target=self._serve, args=(alike, mine, theirs))
            process.start()
            theirs.close()
            self._others.append(_Other(process, mine))

    def _serve(self, alike: Unit, parents: Connection, answers: Connection) -> None:
        """The life of another process."""
        for inherited in (parents, *(other.answers for other in self._others)):
            inherited.close()  # while somebody holds it open, nobody hears that the parent has closed it
        _die_with_parent()
        gc.freeze()  # what the parent holds is no garbage of ours, and looking at it would copy its pages
        self._giving.close()
        work = self._begin()
        with suppress(BrokenPipeError):
            while message := self._taking.recv(_UNIT.size):
                number, first, last = _UNIT.unpack(message)
                answer = _answer_of(work, replace(alike, first=first, last=last))
                answers.send_bytes(_packed(number, answer))

    def _gives(self, number: int, unit: Unit) -> bool:
        """False when the queue is full."""
        try:
            self._giving.send(_UNIT.pack(number, unit.first, unit.last), socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        return True

    def _taken(self) -> tuple[int, int, int] | None:
        """The next unit of the queue; None when others have taken all."""
        try:
            number, first, last = _UNIT.unpack(self._taking.recv(_UNIT.size, socket.MSG_DONTWAIT))
        except BlockingIOError:
            return None
        return number, first, last

    def _collect(self, *, blocks: bool) -> None:
        """Takes in what others have answered; with `blocks` waits for one."""
        ready = wait([other.answers for other in self._others], None if blocks else 0)
        for other in self._others:
            if other.answers not in ready:
                continue
            try:
                number, answer = pickle.loads(other.answers.recv_bytes())  # noqa: S301 - from a process of ours
            except (EOFError, OSError) as error:
                reason = "a worker was killed, perhaps for want of memory; try again with fewer --workers"
                raise Unavailable(reason) from error
            self._done[number] = answer


def _answer_of(work: Callable[[Unit], Answer], unit: Unit) -> Answer | Exception:
    try:
        return work(unit)
    except Exception as error:
        return error


def _packed(number: int, answer: object) -> bytes:
    """An answer as it travels; what cannot is told in words."""
    try:
        packed = pickle.dumps((number, answer))
        if isinstance(answer, Exception):
            pickle.loads(packed)  # noqa: S301 - our own bytes: some errors can be taken apart, but not put together again
    except Exception as error:
        told = traceback.format_exception(answer if isinstance(answer, Exception) else error)
        return pickle.dumps((number, RuntimeError("".join(told))))
    return packed


def _die_with_parent() -> None:
    """Ctrl-C is the parent's to handle; and no worker outlives a parent that was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
