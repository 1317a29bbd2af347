"""The longest gaps of a series are kept, where it has more than fit; the first were before."""

import heapq
from itertools import pairwise

from django.db import migrations, models

KEPT = 50


def longest_keep(apps, schema_editor):
    bars, series = apps.get_model("marketdata", "Bar"), apps.get_model("marketdata", "BarSeries")
    for row in series.objects.filter(n_gaps__gt=KEPT):
        found = bars.objects.filter(instrument_id=row.instrument_id, timeframe=row.timeframe)
        closes = found.order_by("closed_at").values_list("closed_at", flat=True)
        pairs = pairwise(closes.iterator(chunk_size=10_000))
        # With more gaps than are kept, the longest distances are gaps.
        longest = heapq.nlargest(KEPT, pairs, key=lambda pair: pair[1] - pair[0])
        row.gaps = [[begin.isoformat(), end.isoformat()] for begin, end in sorted(longest)]
        row.save(update_fields=["gaps"])


class Migration(migrations.Migration):
    dependencies = [("marketdata", "0002_bar_series")]

    operations = [
        migrations.AlterField(
            model_name="barseries",
            name="gaps",
            field=models.JSONField(
                default=list,
                help_text="Pairs of ISO times around the 50 longest gaps, in their order.",
            ),
        ),
        # Going back, the longest stay where the first were: as true, and no less.
        migrations.RunPython(longest_keep, migrations.RunPython.noop),
    ]
