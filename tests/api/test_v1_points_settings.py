"""What points are called, in Smile's shape."""

from loyalty.api.keys import Scope
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import Programme
from tests.api.conftest import refusal


def test_are_the_words_of_the_programme(integrator):
    merchant.programme()
    Programme.objects.update(points_label_one="Leaf", points_label_other="Leaves")

    answer = integrator(Scope.POINTS_SETTINGS_READ).get("/points_settings")

    assert answer.status_code == 200
    assert answer.json() == {"points_settings": {"points_label": {"one": "Leaf", "other": "Leaves"}}}


def test_need_their_scope(integrator):
    assert refusal(integrator(Scope.REFERRAL_SETTINGS_READ).get("/points_settings")) == (403, "missing_scope")
