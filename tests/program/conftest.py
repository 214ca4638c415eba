from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loyalty.points import audit

SAMPLE = Path(__file__).parents[1] / "data" / "cdnow_sample.txt.gz"


@pytest.fixture
def sample() -> Path:
    """2,000 real purchases of 688 customers."""
    return SAMPLE


@pytest.fixture
def purchase_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a purchase history: `purchase_file("00001 19970101 1 11.77", ...)`, bytes or text, under a header."""

    def write(*lines: str | bytes, name: str = "purchases.txt") -> Path:
        path = tmp_path / name
        rows = [b"customer_id date number_of_cds dollar_value", *lines]
        path.write_bytes(b"".join((row.encode() if isinstance(row, str) else row) + b"\r\n" for row in rows))
        return path

    return write


@pytest.fixture
def ledger_stays_proved(db: None) -> Iterator[None]:
    yield
    assert list(audit.differences()) == []
