"""Types that flow between steps, and the errors that reach people."""

from polysee.schema.errors import BadRecord, MissingExtra, UserError
from polysee.schema.sample import IMAGE_MARK, MediaRef, Origin, Sample, Turn, make_sample, sample_id

__all__ = [
    "IMAGE_MARK",
    "BadRecord",
    "MediaRef",
    "MissingExtra",
    "Origin",
    "Sample",
    "Turn",
    "UserError",
    "make_sample",
    "sample_id",
]
