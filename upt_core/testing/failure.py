"""How the kit says that a plugin breaks its contract."""

from __future__ import annotations


class ConformanceError(AssertionError):
    """A plugin breaks the contract of its kind.

    Args:
        check: the name of the check that failed.
        seen: what the plugin did, on which input.
        expected: what the contract asks for.
        cure: what to change.
    """

    def __init__(self, check: str, seen: str, expected: str, cure: str) -> None:
        self.check, self.seen, self.expected, self.cure = check, seen, expected, cure
        super().__init__(f"{check}: {seen}\n    expected: {expected}\n    cure: {cure}")


def require(holds: bool, check: str, seen: str, expected: str, cure: str) -> None:
    """Raises a ConformanceError unless the condition holds."""
    if not holds:
        raise ConformanceError(check, seen, expected, cure)
