from array import array
from itertools import groupby

from django.db import migrations, models
from django.db.models import Q
import django.db.models.deletion


# No way back: drawing the waiting trials again needs the rules, which a migration has not.
def unfinished_to_chunks(apps, schema_editor):
    """Turn trials that wait or whose worker is gone into free chunks, their parameters kept."""
    Trial = apps.get_model('trading', 'Trial')
    StudyChunk = apps.get_model('trading', 'StudyChunk')
    rows = Trial.objects.filter(status__in=('WAITING', 'RUNNING'))
    found = rows.order_by('study_id', 'number').values_list('study_id', 'number', 'parameters')
    # Neighbors have the same distance of number and place; suggested and unsuggested ones apart.
    runs = groupby(
        enumerate(found.iterator()), lambda at: (at[1][0], at[1][1] - at[0], bool(at[1][2]))
    )
    for (study_id, _, has_parameters), run in runs:
        trials = [trial for _, trial in run]
        StudyChunk.objects.create(
            study_id=study_id,
            first=trials[0][1],
            n_trials=len(trials),
            parameters=[moving for _, _, moving in trials] if has_parameters else [],
        )
    rows.delete()


def blocks_to_bytes(apps, schema_editor):
    """Move the sums of the blocks out of the JSON of the folds."""
    Trial = apps.get_model('trading', 'Trial')
    for trial in Trial.objects.filter(folds__has_key='block_sums').iterator():
        both = [*trial.folds.pop('block_sums'), *trial.folds.pop('block_squares')]
        trial.blocks = array('d', both).tobytes()
        trial.save(update_fields=['folds', 'blocks'])


class Migration(migrations.Migration):

    dependencies = [
        ('trading', '0021_order_protection'),
    ]

    operations = [
        migrations.CreateModel(
            name='StudyChunk',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('first', models.PositiveIntegerField(help_text='Number of its first trial.')),
                ('n_trials', models.PositiveIntegerField()),
                ('parameters', models.JSONField(blank=True, default=list, help_text='Of the moving ones, per trial; empty: drawn from the seed, or not yet suggested')),
                ('lease_key', models.UUIDField(blank=True, help_text='Of the worker; empty: free.', null=True)),
                ('lease_expires_at', models.DateTimeField(blank=True, null=True)),
                ('study', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='chunks', to='trading.study')),
            ],
            options={
                'constraints': [
                    models.UniqueConstraint(fields=('study', 'first'), name='chunk_first_unique'),
                    models.CheckConstraint(condition=Q(('n_trials__gte', 1)), name='chunk_not_empty'),
                ],
            },
        ),
        migrations.RunPython(unfinished_to_chunks),
        migrations.AddField(
            model_name='trial',
            name='blocks',
            field=models.BinaryField(default=b'', help_text='Of returns per block, float64: the sums, then the sums of squares. Only the verdict reads them, thousands at once.'),
        ),
        migrations.RunPython(blocks_to_bytes),
        migrations.AlterField(
            model_name='trial',
            name='folds',
            field=models.JSONField(default=dict, help_text='Per fold in- and out-of-sample.'),
        ),
        migrations.RemoveField(
            model_name='trial',
            name='lease_expires_at',
        ),
        migrations.RemoveField(
            model_name='trial',
            name='lease_key',
        ),
        migrations.AlterField(
            model_name='trial',
            name='finished_at',
            field=models.DateTimeField(),
        ),
        migrations.AlterField(
            model_name='trial',
            name='parameters',
            field=models.JSONField(default=dict, help_text='Of the moving ones.'),
        ),
        migrations.AlterField(
            model_name='trial',
            name='status',
            field=models.CharField(choices=[('DONE', 'Done'), ('FAILED', 'Failed')], max_length=7),
        ),
    ]
