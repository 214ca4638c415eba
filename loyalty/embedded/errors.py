"""The one refusal of this package."""


class StartRefused(Exception):
    """Something needed is missing or did not come up. The sentence says what, and what to do about it."""
