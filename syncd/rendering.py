"""One task through one format, for conversions and mirrors alike: whatever is wrong with its data sets only this task aside."""

from syncd.documents import Document
from syncd.errors import TaskRejected
from syncd.formats import Context, Format, Names, Rendering

_FAULTS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What code raises over data that nobody foresaw."""


def has_names(chosen: Format) -> bool:
    """True for formats whose tasks need classes or columns."""
    return type(chosen).names is not Format.names


def names_of(chosen: Format, document: Document, context: Context) -> Names:
    """What the task needs in the registries. Raises TaskRejected."""
    try:
        return chosen.names(document.task, context.schema, context.policy)
    except _FAULTS as fault:
        raise _unforeseen(document.id, fault) from fault


def rendering_of(chosen: Format, document: Document, context: Context) -> Rendering:
    """The task, rendered. Raises TaskRejected."""
    try:
        if document.is_plain:
            return chosen.render_document(document.body, document.task, context)
        return chosen.render(document.task, context)
    except _FAULTS as fault:
        raise _unforeseen(document.id, fault) from fault


def _unforeseen(task: int, fault: Exception) -> TaskRejected:
    return TaskRejected(f"its data cannot be read as this format expects ({type(fault).__name__}: {fault})", task=task)
