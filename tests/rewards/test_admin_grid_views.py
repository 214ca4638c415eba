"""Saved views and chosen columns: each person's own, checked against the list's filters, never a way to another site."""

import pytest

from loyalty.accounts.models import SavedView
from tests.rewards.admin_rows import GRID, VIEW, gift_row, listed, row, staff, words

pytestmark = pytest.mark.django_db
SAVE, COLUMNS = f"{GRID}views/save/", f"{GRID}views/columns/"


@pytest.fixture
def viewer():
    return staff(VIEW)


def test_a_view_keeps_filters_order_and_page_size_and_leads_to_them(viewer):
    gift = gift_row(usage_status="used")
    row()

    answer = viewer.post(SAVE, {"name": "To ship", "query": "type=gift&delivery_status=ordered&o=redeemed&per=25&p=3"})

    kept = SavedView.objects.get()
    assert kept.query == "delivery_status=ordered&o=redeemed&per=25&type=gift"
    assert answer["Location"] == f"{GRID}?{kept.query}"
    page = viewer.get(f"{GRID}?{kept.query}")
    assert listed(page) == [gift.pk]
    assert "Views To ship" in words(page)
    assert f'href="{GRID}?{kept.query.replace("&", "&amp;")}"' in page.content.decode()


def test_the_same_name_again_replaces_the_view(viewer):
    viewer.post(SAVE, {"name": "Mine", "query": "usage=used"})
    viewer.post(SAVE, {"name": "Mine", "query": "usage=unused"})

    assert [view.query for view in SavedView.objects.all()] == ["usage=unused"]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("next=https://evil.example/", "There is no filter “next” in this list."),
        ("status=lost", "lost is not one of the available choices"),
        ("used_after=2026-03-02&used_before=2026-03-01", "Used: it ends before it begins."),
        ("o=secret", "There is no column “secret” to sort by."),
        ("per=7&usage=used", "A page holds 25, 50, 100, 200 rows."),
        ("", "Filter or sort the list first."),
        ("p=2", "Filter or sort the list first."),
    ],
)
def test_what_is_no_view_of_the_list_is_not_saved(viewer, query, sentence):
    page = viewer.post(SAVE, {"name": "Odd", "query": query}, follow=True)

    assert sentence in words(page)
    assert not SavedView.objects.exists()


@pytest.mark.parametrize("name", ["", "  ", "x" * 61])
def test_a_view_needs_a_name(viewer, name):
    page = viewer.post(SAVE, {"name": name, "query": "usage=used"}, follow=True)

    assert "Give it a name of at most 60 characters." in words(page)
    assert not SavedView.objects.exists()


def test_a_person_sees_and_removes_only_their_own_views(viewer):
    other = staff(VIEW)
    other.post(SAVE, {"name": "Theirs", "query": "usage=used"})
    view = SavedView.objects.get()

    assert "Theirs" not in words(viewer.get(GRID))
    assert "You have no such view." in words(viewer.post(f"{GRID}views/{view.pk}/forget/", follow=True))
    assert SavedView.objects.exists()
    other.post(f"{GRID}views/{view.pk}/forget/")
    assert not SavedView.objects.exists()


def test_chosen_columns_stand_for_that_person_alone_and_come_back_in_the_order_of_the_grid(viewer):
    row()

    answer = viewer.post(COLUMNS, {"columns": ["email", "cost", "nonsense"], "query": "usage=unused"})

    assert answer["Location"] == f"{GRID}?usage=unused"
    assert [head["name"] for head in viewer.get(GRID).context["cl"].heads] == ["redeemed", "cost", "email"]
    assert len(list(staff(VIEW).get(GRID).context["cl"].heads)) == 16


def test_all_columns_again_is_the_usual_grid(viewer):
    row()
    viewer.post(COLUMNS, {"columns": ["email"]})
    every = [each["name"] for each in viewer.get(GRID).context["columns"]]

    viewer.post(COLUMNS, {"columns": every})

    assert SavedView.objects.get().columns == []
    assert len(list(viewer.get(GRID).context["cl"].heads)) == 16


def test_a_column_that_is_not_shown_still_has_its_order(viewer):
    cheap, dear = row(cost_in_points=1), row(cost_in_points=2)
    viewer.post(COLUMNS, {"columns": ["email"]})

    assert listed(viewer.get(GRID, {"o": "cost"})) == [cheap.pk, dear.pk]


@pytest.mark.parametrize("url", [SAVE, COLUMNS, f"{GRID}views/1/forget/"])
def test_only_a_post_changes_anything_and_only_of_those_who_see_the_grid(viewer, url):
    assert viewer.get(url).status_code == 405
    assert staff("rewards.view_reward").post(url).status_code == 403
