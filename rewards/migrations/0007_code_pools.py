import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0001_initial'),
        ('platforms', '0001_initial'),
        ('rewards', '0006_grid_sorts_by_any_column'),
    ]

    operations = [
        migrations.CreateModel(
            name='CodePool',
            fields=[
                ('reward', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='pool', serialize=False, to='rewards.reward')),
                ('connection', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='platforms.storeconnection')),
                ('in_use', models.BooleanField(default=True)),
                ('warn_below', models.PositiveIntegerField(default=100)),
                ('low_since', models.DateTimeField(null=True)),
                ('created_at', models.DateTimeField()),
            ],
            options={
                'verbose_name': 'code pool',
                'constraints': [models.CheckConstraint(condition=Q(warn_below__lte=1000000), name='pool_warning_in_range')],
            },
        ),
        migrations.CreateModel(
            name='PoolCandidate',
            fields=[
                ('pk', models.CompositePrimaryKey('job_id', 'number', blank=True, editable=False, primary_key=True, serialize=False)),
                ('number', models.PositiveIntegerField()),
                ('code', models.CharField(max_length=60)),
                ('canonical', models.CharField(max_length=60)),
                ('starts_at', models.DateTimeField(null=True)),
                ('ends_at', models.DateTimeField(null=True)),
                ('job', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='jobs.job')),
            ],
            options={
                'constraints': [
                    models.UniqueConstraint(fields=('job', 'canonical'), name='pool_candidate_once'),
                    models.CheckConstraint(condition=Q(starts_at__isnull=True) | Q(ends_at__isnull=True) | Q(ends_at__gt=F('starts_at')), name='pool_candidate_in_order'),
                ],
            },
        ),
        migrations.AddField(
            model_name='rewardcode',
            name='pool',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='rewards.codepool'),
        ),
        migrations.AddField(
            model_name='rewardcode',
            name='job_id',
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name='rewardcode',
            name='starts_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='rewardcode',
            name='ends_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='rewardcode',
            name='taken_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name='rewardcode',
            index=models.Index(F('pool'), django.db.models.expressions.RawSQL("COALESCE(ends_at, 'infinity'::timestamptz)", ()), F('id'), condition=Q(pool__isnull=False, taken_at__isnull=True), name='code_in_pool'),
        ),
        migrations.AddConstraint(
            model_name='rewardcode',
            constraint=models.CheckConstraint(condition=Q(pool__isnull=False) | Q(job_id__isnull=True, starts_at__isnull=True, ends_at__isnull=True, taken_at__isnull=True), name='code_times_only_in_pools'),
        ),
        migrations.AddConstraint(
            model_name='rewardcode',
            constraint=models.CheckConstraint(condition=Q(starts_at__isnull=True) | Q(ends_at__isnull=True) | Q(ends_at__gt=F('starts_at')), name='code_times_in_order'),
        ),
    ]
