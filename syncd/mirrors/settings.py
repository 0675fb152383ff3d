"""What a target's configuration says of one mirror."""

from dataclasses import dataclass, field
from functools import cache

from syncd import formats
from syncd.formats import AnnotationPolicy, Format, Options
from syncd.sources import ProjectChoice


@dataclass(frozen=True, slots=True)
class MirrorSettings:
    """`name` is its folder in a project; `format` a format's name in capitals."""

    name: str
    format: str
    options: Options = field(default_factory=Options)
    policy: AnnotationPolicy = "best"
    projects: ProjectChoice = "all"

    def make(self) -> Format:
        """The format, with these options."""
        return _kind(self.format)(self.options)

    @property
    def rendition(self) -> str:
        return rendition_of(self.format, self.options, self.policy)


@cache
def rendition_of(format_name: str, options: Options, policy: AnnotationPolicy | None) -> str:
    """A name for a format with its options and policy, the defaults left out: `CSV`, `CSV annotations=best rows=region`."""
    kind = _kind(format_name)
    given = {
        key: value for key, value in options.model_dump().items() if value != kind.Options.model_fields[key].default
    }
    if policy not in (None, kind.default_policy):
        given["annotations"] = policy
    return " ".join([kind.name, *(f"{key}={given[key]}" for key in sorted(given))])


@cache
def _kind(name: str) -> type[Format]:
    """Looked up once: a project has its formats made often."""
    return formats.find(name)
