"""`manage.py sweep` keeps what it shows, and refuses with one sentence."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from trading.models import ParameterSweep
from trading.tests.backtest_rows import walk_make
from trading.tests.factories import user_make

pytestmark = pytest.mark.django_db
ASKED = {"strategy": "sma_cross", "symbol": "WALK"}


def said(*params, **options):
    out = StringIO()
    user = options.pop("user", None) or user_make().email
    call_command("sweep", user=user, param=list(params), stdout=out, **{**ASKED, **options})
    return out.getvalue()


def test_json_is_one_object_of_what_was_stored():
    walk_make()

    values = json.loads(said("fast=2:6:2", "slow=10,20", is_json=True))

    made = ParameterSweep.objects.get()
    assert values["id"] == made.pk
    assert values["n_combinations"] == 6
    assert values["best"] == made.best
    assert made.grid == {"fast": [2.0, 4.0, 6.0], "slow": ["10", "20"]}


def test_text_says_that_all_of_it_is_in_sample():
    walk_make()

    assert "2 combinations of sma_cross over 400 bars, all in-sample" in said("fast=2,3")


@pytest.mark.parametrize(
    ("params", "options", "sentence", "code"),
    [
        (["fast"], {}, "must be written name=values", 2),
        (["fast=9:2"], {}, "rising", 2),
        (["fast=1:2:0"], {}, "rising", 2),
        (["fast=a:b"], {}, "rising", 2),
        (["fast=2"], {"cash": "much"}, "must be a number", 2),
        (["speed=2"], {}, "no parameter 'speed'", 1),
        (["fast=2"], {"symbol": "NOPE"}, "NOPE", 1),
        (["fast=2"], {"user": "nobody@example.com"}, "no user", 1),
    ],
)
def test_a_wrong_request_is_refused(params, options, sentence, code):
    walk_make()

    with pytest.raises(CommandError, match=sentence) as refusal:
        said(*params, **options)

    assert refusal.value.returncode == code
