"""What the pages say and in which languages: sentences found in templates and code, a catalogue for each language.

A catalogue stands in two files: the .po that people edit and the .mo that gettext reads. Both are written here, so no
gettext tools are needed. `manage.py write_translations` brings them up to date, and a test says when it was forgotten.
"""

import ast
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.utils.translation.template import templatize

TEMPLATES = ("cockpit", "account", "allauth", "*.html")  # in the folder of templates
CODE = (
    "loyalty/cockpit",
    "loyalty/messages/choices.py",
    "loyalty/customers/*.py",
    "loyalty/points/queries.py",
    "rewards",
)
ONE = frozenset({"_", "gettext", "gettext_lazy", "gettext_noop"})
MANY = frozenset({"ngettext", "ngettext_lazy"})
LITERAL = r"u?('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
IN_TEMPLATE = re.compile(rf"\b(gettext|ngettext|_)\(\s*{LITERAL}(?:\s*,\s*{LITERAL})?")
HEADER = "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=(n != 1);\n"
MAGIC = 0x950412DE
NAMES = re.compile(r"%\((\w+)\)s")


@dataclass(frozen=True, slots=True, order=True)
class Sentence:
    """What is said, in English; `many` where it depends on a number."""

    one: str
    many: str = ""


def folder(language: str) -> Path:
    """Where the two files of a language stand."""
    return Path(settings.LOCALE_PATHS[0]) / language / "LC_MESSAGES"


def found() -> set[Sentence]:
    """Every sentence the customers' pages can say."""
    root = Path(settings.BASE_DIR)
    return {
        *(each for file in _files(root / "templates", TEMPLATES) for each in _of_template(file.read_text("utf-8"))),
        *(each for file in _files(root, CODE) for each in _of_code(file.read_text("utf-8"))),
    }


def read(text: str) -> dict[Sentence, tuple[str, ...]]:
    """A .po as people edit it: sentence → what is said instead, for one and for many. The header is left out."""
    catalogue: dict[Sentence, tuple[str, ...]] = {}
    for block in re.split(r"\n\s*\n", text):
        parts: dict[str, str] = {}
        name = ""
        for line in block.splitlines():
            begun = re.match(r'(msgid_plural|msgid|msgstr(?:\[\d\])?)\s+(".*")$', line)
            if begun:
                name = begun[1]
                parts[name] = ast.literal_eval(begun[2])
            elif line.startswith('"'):
                parts[name] += ast.literal_eval(line)
        if parts.get("msgid"):
            said = (parts["msgstr"],) if "msgstr" in parts else (parts["msgstr[0]"], parts["msgstr[1]"])
            catalogue[Sentence(parts["msgid"], parts.get("msgid_plural", ""))] = said
    return catalogue


def written(catalogue: Mapping[Sentence, tuple[str, ...]]) -> str:
    """The catalogue as a .po, in the order of the sentences."""
    blocks = [f'msgid ""\nmsgstr {_quoted(HEADER)}\n']
    for sentence, said in sorted(catalogue.items()):
        lines = [f"msgid {_quoted(sentence.one)}"]
        if sentence.many:
            lines += [f"msgid_plural {_quoted(sentence.many)}"]
            lines += [f"msgstr[{place}] {_quoted(text)}" for place, text in enumerate(said)]
        else:
            lines += [f"msgstr {_quoted(said[0])}"]
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def compiled(catalogue: Mapping[Sentence, tuple[str, ...]]) -> bytes:
    """The catalogue as a .mo: a table of lengths and places, then the texts, all ended by a zero byte."""
    texts = {"": HEADER}
    for sentence, said in catalogue.items():
        if all(said):
            texts["\0".join(filter(None, (sentence.one, sentence.many)))] = "\0".join(said)
    keys = sorted(texts, key=lambda key: key.encode())
    originals, others = [key.encode() for key in keys], [texts[key].encode() for key in keys]
    tables, place = [], 28 + 16 * len(keys)
    for group in (originals, others):
        for text in group:
            tables.append(struct.pack("<2I", len(text), place))
            place += len(text) + 1
    head = struct.pack("<7I", MAGIC, 0, len(keys), 28, 28 + 8 * len(keys), 0, place)
    return head + b"".join(tables) + b"".join(text + b"\0" for text in (*originals, *others))


def renewed(
    catalogue: Mapping[Sentence, tuple[str, ...]], sentences: Iterable[Sentence]
) -> dict[Sentence, tuple[str, ...]]:
    """The catalogue with exactly these sentences: new ones are empty, and what nobody says any more is gone."""
    return {each: catalogue.get(each, ("", "") if each.many else ("",)) for each in sentences}


def unfinished(catalogue: Mapping[Sentence, tuple[str, ...]]) -> list[str]:
    """Sentences without a translation, or whose translation lacks or invents a name in %(…)s."""
    wrong = []
    for sentence, said in catalogue.items():
        wanted = set(NAMES.findall(sentence.many or sentence.one))
        names = [set(NAMES.findall(text)) for text in said]
        if not all(said) or names[-1] != wanted or not names[0] <= wanted:
            wrong.append(sentence.one)
    return sorted(wrong)


def _files(root: Path, places: Iterable[str]) -> Iterator[Path]:
    for place in places:
        for each in sorted(root.glob(place)):
            inside = each.rglob("*") if each.is_dir() else [each]
            yield from (file for file in sorted(inside) if file.suffix in {".html", ".txt", ".py"})


def _of_template(text: str) -> Iterator[Sentence]:
    for kind, one, many in IN_TEMPLATE.findall(templatize(text)):
        yield Sentence(ast.literal_eval(one), ast.literal_eval(many) if kind == "ngettext" else "")


def _of_code(text: str) -> Iterator[Sentence]:
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        texts = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        if name in ONE and texts and texts[0]:
            yield Sentence(texts[0])
        elif name in MANY and len(texts) == 2:
            yield Sentence(*texts)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
