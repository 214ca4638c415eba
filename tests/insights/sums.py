"""What must add up in every explanation."""


def add_up(why) -> None:
    """Every sum the explanation tells, against the figures it explains."""
    found = why.as_of
    assert sum(line.points for line in why.statement) == found.balance
    assert sum(entry.points for entry in why.history) == found.total
    for went in why.credits:
        assert went.entry.points == went.used + went.on_hold + went.left
        assert went.used == sum(line.points for line in went.by_kind)
    assert sum(went.left for went in why.credits) == found.balance + found.pending + found.lapsed
    assert sum(went.on_hold for went in why.credits) == found.held
    assert sum(ending.active for ending in why.endings) == found.balance
    assert sum(ending.pending for ending in why.endings) == found.pending
    for ending in why.endings:
        assert sum(part.points for part in ending.parts) == ending.active + ending.pending
