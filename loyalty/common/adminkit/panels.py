"""The fields of a filter chip as HTML. Drawn here, not by a template for each option: a list has dozens of them."""

from collections.abc import Iterator
from typing import Any

from django.forms import BoundField
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString


def drawn(bound: BoundField, *, alone: bool = True) -> SafeString:
    """A field with its label and what is wrong with it. The label of boxes is not shown where the chip says it alone."""
    errors = format_html_join("", '<p class="desk-error">{}</p>', ((error,) for error in bound.errors))
    return format_html("{}{}", _field(bound, alone=alone), errors)


def _field(bound: BoundField, *, alone: bool) -> SafeString:
    kind = getattr(bound.field.widget, "input_type", "")
    if kind in {"checkbox", "radio"} and hasattr(bound.field, "choices"):
        hints = getattr(bound.field.widget, "hints", {})
        options = format_html_join(
            "",
            "{}",
            (
                (_option(bound, kind, f"{bound.auto_id}_{place}", value, label, on=on, hint=hints.get(value, "")),)
                for place, (value, label, on) in enumerate(_options(bound))
            ),
        )
        return format_html(
            '<fieldset class="desk-options"><legend class="{}">{}</legend>{}</fieldset>',
            "visually-hidden" if alone else "desk-options__name",
            bound.label,
            options,
        )
    if kind == "select" and hasattr(bound.field, "choices"):
        options = format_html_join(
            "",
            '<option value="{}"{}>{}</option>',
            ((value, _mark("selected", on=on), label) for value, label, on in _options(bound)),
        )
        select = format_html('<select name="{}" id="{}">{}</select>', bound.html_name, bound.auto_id, options)
        return format_html(
            '<div class="desk-field"><label for="{}">{}</label>{}</div>', bound.auto_id, bound.label, select
        )
    if bound.use_fieldset:
        return format_html('<fieldset class="desk-field"><legend>{}</legend>{}</fieldset>', bound.label, bound)
    return format_html(
        '<div class="desk-field"><label for="{}">{}</label>{}</div>', bound.id_for_label, bound.label, bound
    )


def _option(bound: BoundField, kind: str, pk: str, value: str, label: Any, *, on: bool, hint: str) -> SafeString:
    """One box or button; under it what it means, where that is said."""
    described = format_html(' aria-describedby="{}_hint"', pk) if hint else ""
    box = format_html(
        '<label class="desk-option"><input type="{}" name="{}" value="{}" id="{}"{}{}> <span>{}</span></label>',
        kind,
        bound.html_name,
        value,
        pk,
        _mark("checked", on=on),
        described,
        label,
    )
    if not hint:
        return box
    return format_html('<div class="desk-told">{}<p class="desk-told__hint" id="{}_hint">{}</p></div>', box, pk, hint)


def _options(bound: BoundField) -> Iterator[tuple[str, Any, bool]]:
    """Each choice with its label and whether it is chosen. The empty one of a field that has one is chosen by default."""
    given = bound.data if isinstance(bound.data, list | tuple) else [bound.data or ""]
    chosen = {str(value) for value in given}
    for value, label in getattr(bound.field, "choices", ()):
        text = "" if value is None else str(value)
        yield text, label, text in chosen


def _mark(word: str, *, on: bool) -> str:
    return f" {word}" if on else ""
