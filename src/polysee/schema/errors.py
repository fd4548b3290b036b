"""Errors for people. Everything else that is raised is a defect of ours and keeps its traceback."""

from __future__ import annotations


class UserError(Exception):
    """A mistake that the user can mend; the command line prints it without a traceback and exits with 2.

    ``cause`` says what is wrong, lower-case and without a full stop; ``fix`` says what to do about it;
    ``place`` is a ``file:line:column`` or a path where one is known.
    """

    def __init__(self, cause: str, fix: str, *, place: str | None = None) -> None:
        super().__init__(cause, fix, place)
        self.cause = cause
        self.fix = fix
        self.place = place

    def __str__(self) -> str:
        head = f"{self.place}: {self.cause}" if self.place else self.cause
        return f"{head}\nhint: {self.fix}"

    def __reduce__(self) -> tuple[object, ...]:
        # Worker processes send their errors back pickled; keyword arguments need help to survive that.
        return (_rebuild, (type(self), self.cause, self.fix, self.place))


def _rebuild(kind: type[UserError], cause: str, fix: str, place: str | None) -> UserError:
    return kind(cause, fix, place=place)


class MissingData(UserError):
    """Files of a dataset are not on this machine. A run stops there; a plan can go on with what is known of them."""


class MissingExtra(UserError):
    """An optional dependency is not installed."""

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(f"this needs the package {module!r}", f"pip install 'polysee[{extra}]'")

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_plain, (self.cause, self.fix))


def _rebuild_plain(cause: str, fix: str) -> UserError:
    return UserError(cause, fix)


class BadRecord(Exception):
    """One record cannot be used. The engine writes it to the rejects table and goes on.

    ``reason`` is a short stable slug (``truncated-image``) that the funnel counts; ``detail`` is for a person.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else self.reason
