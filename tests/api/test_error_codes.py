"""The list of codes of refusals, held against the source of everything that raises one."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from loyalty.api import conf, error_codes, errors
from loyalty.api.v1 import outline

ROOT = Path(errors.__file__).parents[2]
ROOMS = ("loyalty", "rewards", "platforms")
# Functions that return a code and its sentence, for others to raise.
TELLING = {"rewards/catalogue.py": {"_closed", "_obstacle", "_lacking"}}
CHOSEN_ELSEWHERE = {"rewards/catalogue.py: code", "loyalty/api/v1/told_events.py: code"}

# Codes that no call of the API is answered with, by the reason.
NEVER_ANSWERED = {
    "said by a base class; whoever raises it names a closer code": {
        "refused", "hold_refused", "reward_not_available", "credit_not_cancellable", "request_refused", "bad_row",
    },
    "the door looks first, and answers not_found or in its own words": {
        "criteria_refused", "stock_below_zero", "unknown_hold", "unknown_job",
    },
    "guards of a state that the caller has looked at under the same lock": {
        "illegal_transition", "invalid_refund", "not_clawable", "not_reversible", "shortfall_closed",
        "unknown_shortfall",
    },
    "kept beside a reward, cancellation or webhook that failed by it, where workers ask the shop": {
        "credentials_unreadable", "secret_unreadable",
    },
    "notes on the rows of a job or campaign": {
        "ambiguous_customer", "bad_code", "bad_date", "bad_language", "bad_number", "bad_state", "came_of_it",
        "code_too_long", "done_before", "ends_before_start", "forgotten", "formula", "fraction", "had_before",
        "handed_out", "in_use", "invalid_id", "irreversible", "named_twice", "negative", "no_code", "no_customer",
        "nobody", "note_too_long", "nothing_left", "out_of_range", "over", "shortened_number", "stays_changed",
        "thousands_separator", "too_long", "too_many_cells", "too_many_points", "twice_in_file", "two_people",
    },
    "pages of the back office": {
        "above_ceiling", "cannot_make_codes", "cannot_reconcile", "colour_refused", "entry_refused",
        "extension_refused", "finding_closed", "invalid", "invalid_policy", "no_customer_column", "no_origin",
        "no_price", "not_a_credit", "not_possible", "not_the_author", "nothing_to_check", "nothing_to_collect",
        "nothing_to_retry", "own_request", "picture_refused", "privacy_request_not_to_be_settled",
        "quantity_refused", "referral_refused", "repair_refused", "request_closed", "same_customer",
        "segment_refused", "send_again_refused", "shared_code_refused", "text_refused", "tier_move_refused",
        "tier_refused", "tier_stands_there", "tracking_sheet_refused", "transfer_refused", "transfers_off",
        "unclear_instant", "unknown_earning_rule", "unknown_request", "use_refused",
        "webhook_not_to_be_tried_again",
    },
    "pages of customers, and their mails": {
        "address_taken", "address_unproved", "needed_mail", "not_a_customer", "not_to_be_sent", "programme_closed",
        "self_cancellation_refused", "sign_in_link_refused", "staff_only", "switched_off", "unknown_link",
        "user_taken",
    },
    "management commands and the demo": {
        "backfill_refused", "credentials_file_refused", "no_orders", "shop_unreachable", "unknown_permission",
        "unreadable_table", "wrong_days", "wrong_kind",
    },
    "webhooks of shops and payout providers": {"bad_signature", "malformed", "too_old"},
}  # fmt: skip
EXCEPTED = {code for codes in NEVER_ANSWERED.values() for code in codes}


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Every file that may name a code."""
    for path in sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        text = path.read_text()
        if "migrations" not in path.parts and re.search(r"\bcode\s*=|\bProblem\(", text):
            yield path.relative_to(ROOT).as_posix(), ast.parse(text)


def text_of(node: ast.AST | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def own_code(kind: ast.ClassDef) -> Iterator[str]:
    """What a class calls itself."""
    for each in kind.body:
        targets = each.targets if isinstance(each, ast.Assign) else [getattr(each, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "code" for target in targets):
            yield text_of(each.value)


def name_of(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def given_code(call: ast.Call) -> ast.expr | None:
    """What a call gives as a code; the outcome of a row is no refusal."""
    if name_of(call) == "Problem":
        return call.args[1]
    if name_of(call) in {"Outcome", "mark_refused"}:
        return None
    return next((each.value for each in call.keywords if each.arg == "code"), None)


def told_by(function: ast.FunctionDef) -> Iterator[str]:
    """The codes among the pairs that it returns."""
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
            yield text_of(node.value.elts[0])


@pytest.fixture(scope="module")
def named():
    """Every code of the code base; and where an error gets one from a variable."""
    codes, variables = set(), set()
    for path, tree in sources():
        raised = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                codes.update(own_code(node))
            elif isinstance(node, ast.FunctionDef) and node.name in TELLING.get(path, ()):
                codes.update(told_by(node))
            elif isinstance(node, ast.Raise):
                raised.add(node.exc)
            elif isinstance(node, ast.Call) and (code := given_code(node)) is not None:
                codes.add(text_of(code))
                if not text_of(code) and (node in raised or name_of(node) == "__init__"):
                    variables.add(f"{path}: {ast.unparse(code)}")
    return codes - {""}, variables


def test_names_every_code_that_an_integrator_may_be_answered_with(named):
    codes, _ = named

    unknown = codes - error_codes.ALL.keys() - EXCEPTED

    assert not unknown, "Say in loyalty/api/error_codes.py what these mean, or here why no call is answered with them."


def test_names_none_that_nobody_raises(named):
    codes, _ = named

    assert error_codes.ALL.keys() - codes == set()
    assert EXCEPTED - codes == set()
    assert EXCEPTED & error_codes.ALL.keys() == set()


def test_knows_where_a_code_that_is_raised_was_chosen(named):
    _, variables = named

    assert {each for each in variables if not each.endswith(".code")} == CHOSEN_ELSEWHERE


def test_tells_the_status_that_each_is_answered_with():
    told = {code: status for status, codes in error_codes.BY_STATUS.items() for code in codes}
    own = {kind.code: kind.status for kind in errors.RequestError.__subclasses__()}

    assert len(told) == sum(map(len, error_codes.BY_STATUS.values()))
    for code, status in {**own, **errors.STATUSES, "insufficient_points": conf.negative_balance_status()}.items():
        assert told[code] == status, code


def test_is_told_in_the_document_in_full_and_not_as_a_closed_list():
    code = outline.document()["components"]["schemas"]["ErrorDetail"]["properties"]["code"]

    assert code["examples"] == list(error_codes.ALL)
    assert all(f"`{name}`: {says}" in code["description"] for name, says in error_codes.ALL.items())
    assert "enum" not in code


def test_is_told_on_the_page_with_an_address_for_each_code(client):
    page = client.get("/api/reference/").content.decode()

    assert [code for code in error_codes.ALL if f'id="code-{code}"' not in page] == []
