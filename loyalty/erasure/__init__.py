"""Forgetting a person: their name goes, the books stay. `forgetting` does it, `searching` proves that it is done."""
