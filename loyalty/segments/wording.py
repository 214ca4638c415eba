"""What criteria mean, as staff read it: one short phrase for each."""

from collections.abc import Iterator

from loyalty.segments.form import CriteriaForm

WORDS = {  # fields of choices and words, and what stands before what was chosen
    "state": "", "tier": "in ", "language": "language ", "country": "country ", "birth_month": "birthday in ",
    "shop": "known in ",
}  # fmt: skip
SENTENCES = {
    ("has_email", "yes"): "with an e-mail address",
    ("has_email", "no"): "without an e-mail address",
    ("reminders", "yes"): "who want all reminders",
    ("reminders", "no"): "unsubscribed from some reminder",
    ("usable_reward", "yes"): "with a reward to use",
    ("usable_reward", "no"): "without a reward to use",
    ("recommended", "completed"): "who brought a friend who bought",
    ("recommended", "any"): "who recommended the shop",
    ("recommended", "no"): "who recommended the shop to nobody",
    ("came_by", "yes"): "who came by a recommendation",
    ("came_by", "no"): "who came without a recommendation",
}


def words(form: CriteriaForm, *, currency: str) -> str:
    """All of it in one line, such as “Members · in Gold · 3 or more orders in the last 90 days”."""
    text = " · ".join(_phrases(form, form.kept(), currency))
    return text[:1].upper() + text[1:]


def _phrases(form: CriteriaForm, kept: dict[str, list[str]], currency: str) -> Iterator[str]:
    yield from _person(form, kept)
    yield from _figures(kept, currency)
    yield from _past(form, kept)


def _person(form: CriteriaForm, kept: dict[str, list[str]]) -> Iterator[str]:
    for name, before in WORDS.items():
        if name in kept:
            yield before + " or ".join(form.labels(name) if name not in {"language", "country"} else kept[name])
    yield from _told(kept, "has_email", "reminders")
    if when := _when(kept, "created"):
        yield f"joined{when}"


def _figures(kept: dict[str, list[str]], currency: str) -> Iterator[str]:
    yield from _amount(kept, "balance", "active points", "")
    if days := kept.get("points_end_days"):
        yield f"points that end within {days[0]} day{'' if days[0] == '1' else 's'}"
    yield from _amount(kept, "earned", "points earned", _when(kept, "points"))
    yield from _amount(kept, "spent", "points spent", _when(kept, "points"))
    yield from _amount(kept, "orders", "orders", _when(kept, "orders"))
    yield from _amount(kept, "amount", f"{currency} of orders", _when(kept, "orders"))


def _past(form: CriteriaForm, kept: dict[str, list[str]]) -> Iterator[str]:
    if when := _when(kept, "last_order"):
        yield f"last order{when}"
    if days := kept.get("no_order_days"):
        yield f"last order longer ago than {days[0]} day{'' if days[0] == '1' else 's'}"
    for name, verb in (("got", "has got"), ("not_got", "has not got")):
        if name in kept:
            yield f"{verb} {' or '.join(f'“{label}”' for label in form.labels(name))}{_when(kept, 'rewards')}"
    yield from _told(kept, "usable_reward", "recommended", "came_by")


def _told(kept: dict[str, list[str]], *names: str) -> Iterator[str]:
    for name in names:
        if name in kept:
            yield SENTENCES[name, kept[name][0]]


def _when(kept: dict[str, list[str]], name: str) -> str:
    """The window of something, after it."""
    if days := kept.get(f"{name}_days"):
        return f" in the last {_days(days[0])}"
    ends = (("from", kept.get(f"{name}_after")), ("until", kept.get(f"{name}_before")))
    return "".join(f" {word} {end[0].replace('T', ' ')}" for word, end in ends if end)


def _days(number: str) -> str:
    return "day" if number == "1" else f"{number} days"


def _amount(kept: dict[str, list[str]], name: str, what: str, when: str) -> Iterator[str]:
    least, most = kept.get(f"{name}_min"), kept.get(f"{name}_max")
    if least and most:
        yield f"{least[0]} to {most[0]} {what}{when}"
    elif least:
        yield f"{least[0]} or more {what}{when}"
    elif most:
        yield f"{f'at most {most[0]}' if most[0] != '0' else 'no'} {what}{when}"
