"""Paretune's own tables in the study database; Optuna's tables are next to them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData()


def _measurement_columns() -> list[sa.Column[Any]]:
    """Returns the columns of a Measurement, without its conditions."""
    return [
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value", sa.Float, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("better", sa.Text, nullable=False),
        sa.Column("low", sa.Float, nullable=False),
        sa.Column("high", sa.Float, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
    ]


studies = sa.Table(
    "paretune_study",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("schema", sa.Integer, nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("source", sa.JSON, nullable=False),  # the study file as plain data
    sa.Column("identity", sa.JSON, nullable=False),  # what must be the same on resume
    sa.Column("axes", sa.JSON, nullable=False),
    sa.Column("info", sa.JSON, nullable=False),  # facts to show: data, host, versions
    sa.Column("trial_limit", sa.Integer),  # without the baseline; null for no limit
    sa.Column("end_reason", sa.Text),  # of the last run
)

trials = sa.Table(
    "paretune_trials",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("state", sa.Text, nullable=False, index=True),  # queried for each trial
    sa.Column("worker", sa.Text),
    sa.Column("plan", sa.JSON, nullable=False),
    sa.Column("plan_key", sa.Text, nullable=False, index=True),
    sa.Column("params", sa.JSON, nullable=False),  # of the branches taken
    sa.Column("proposal", sa.JSON, nullable=False),  # Proposal.to_json
    sa.Column("values", sa.JSON),
    sa.Column("violations", sa.JSON),
    sa.Column("reason", sa.JSON),
    sa.Column("started", sa.Float, nullable=False),
    sa.Column("finished", sa.Float),
    sa.Column("seconds", sa.JSON),  # by stage
    sa.Column("cached", sa.JSON),  # stages taken from the cache
    sa.Column("artifact", sa.JSON),  # of the first target, if there are several
    sa.Column("artifacts", sa.JSON),  # by target, if there are several
    sa.Column("repeat_of", sa.Integer),  # the trial with the same plan, which answered it
    sa.Column("variant_of", sa.Integer),  # the trial that trained its network
)

measurements = sa.Table(
    "paretune_measurements",
    metadata,
    sa.Column("trial", sa.Integer, nullable=False),
    sa.Column("part", sa.Text, nullable=False),  # "validation", "test", "final"
    *_measurement_columns(),
    sa.Column("conditions", sa.JSON, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("measured_at", sa.Float, nullable=False),
    sa.PrimaryKeyConstraint("trial", "part", "name"),
)

examples = sa.Table(
    "paretune_examples",  # results on each example, of quantities that are compared
    metadata,
    sa.Column("trial", sa.Integer, nullable=False),
    sa.Column("part", sa.Text, nullable=False),  # "validation", "test", "test in SETTING"
    sa.Column("name", sa.Text, nullable=False),  # of the measurement
    sa.Column("form", sa.Text, nullable=False),  # as in ExampleResults, like the next ones
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("examples", sa.Text, nullable=False),
    sa.Column("packed", sa.LargeBinary, nullable=False),
    sa.PrimaryKeyConstraint("trial", "part", "name"),
)

curves = sa.Table(
    "paretune_curves",
    metadata,
    sa.Column("stage_key", sa.Text, nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("loss", sa.Float, nullable=False),
    sa.Column("accuracy", sa.Float),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.PrimaryKeyConstraint("stage_key", "epoch"),
)

steps = sa.Table(
    "paretune_steps",  # reported by a custom trainer
    metadata,
    sa.Column("trial", sa.Integer, nullable=False),
    sa.Column("step", sa.Integer, nullable=False),
    sa.Column("values", sa.JSON, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),  # since the trial began
    sa.PrimaryKeyConstraint("trial", "step"),
)

rungs = sa.Table(
    "paretune_rungs",  # where racing compared trials
    metadata,
    sa.Column("trial", sa.Integer, nullable=False),
    sa.Column("step", sa.Integer, nullable=False),
    sa.Column("values", sa.JSON),  # by objective; null if one is not a number
    sa.Column("promoted", sa.Boolean, nullable=False),
    sa.PrimaryKeyConstraint("trial", "step"),
)

stages = sa.Table(
    "paretune_stages",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("parent", sa.Text),
    sa.Column("file", sa.Text, nullable=False),  # relative to the study's folder
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("bytes", sa.Integer, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),  # of training
    sa.Column("created", sa.Float, nullable=False),
)

structures = sa.Table(
    "paretune_structures",  # measurements by structure, of trained or untrained networks
    metadata,
    sa.Column("key", sa.Text, nullable=False),
    *_measurement_columns(),  # names without their targets
    sa.Column("trial", sa.Integer),  # the trial of the network; null if it was untrained
    sa.PrimaryKeyConstraint("key", "name"),
)

subnets = sa.Table(
    "paretune_subnets",  # scores of subnets of an elastic network, before their finetuning
    metadata,
    sa.Column("stage", sa.Text, nullable=False),  # key of the elastic training
    sa.Column("subnet", sa.Text, nullable=False),  # search/study/elastic.py: subnet_key
    sa.Column("lineage", sa.Text, nullable=False),  # elastic.py: source_key of the plan
    sa.Column("params", sa.JSON, nullable=False),  # width, depth and resolution
    sa.Column("loss", sa.Float, nullable=False),  # on training examples
    sa.Column("correct", sa.Float),  # share of them; null if the task has no such number
    sa.Column("examples", sa.Integer, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.PrimaryKeyConstraint("stage", "subnet"),
)

elastic_checks = sa.Table(
    "paretune_elastic_checks",  # whether the subnets of an elastic training are of use
    metadata,
    sa.Column("stage", sa.Text, primary_key=True),  # key of the elastic training
    sa.Column("lineage", sa.Text, nullable=False),  # elastic.py: source_key of the plan
    sa.Column("content", sa.JSON, nullable=False),  # ElasticCheck.to_json
    sa.Column("created", sa.Float, nullable=False),
)

repeats = sa.Table(
    "paretune_repeats",  # trials that were trained again with other seeds
    metadata,
    sa.Column("trial", sa.Integer, nullable=False),
    sa.Column("repeat", sa.Integer, nullable=False),  # 1, 2, ...; 0: nothing to train again
    sa.Column("setting", sa.Text, nullable=False),  # digest of seed and measured quantities
    sa.Column("state", sa.Text, nullable=False),  # search/study/seed_results.py, like the next ones
    sa.Column("content", sa.JSON, nullable=False),  # {"validation": [...], "test": [...]}
    sa.Column("reason", sa.JSON),
    sa.Column("duration", sa.Float, nullable=False),  # in seconds
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("finished", sa.Float, nullable=False),
    sa.PrimaryKeyConstraint("trial", "repeat"),
)

fronts = sa.Table(
    "paretune_front",
    metadata,
    sa.Column("trial", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("time", sa.Float, nullable=False),
    sa.Column("hypervolume", sa.Float),
    sa.Column("members", sa.JSON, nullable=False),
)

retargets = sa.Table(
    "paretune_retargets",  # stored models measured on other runtimes, options or machines
    metadata,
    sa.Column("setting", sa.Text, nullable=False),  # digest of target, runtime, options, host
    sa.Column("trial", sa.Integer, nullable=False),
    sa.Column("target", sa.Text),
    sa.Column("runtime", sa.Text, nullable=False),
    sa.Column("options", sa.JSON, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("measured_at", sa.Float, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("artifact", sa.JSON),
    sa.Column("measured", sa.JSON, nullable=False),  # part -> quantity -> measurement
    sa.PrimaryKeyConstraint("setting", "trial"),
)

origins = sa.Table(
    "paretune_origins",  # studies from which `run --from` took something over
    metadata,
    sa.Column("name", sa.Text, primary_key=True),  # digest of the other database's identity
    sa.Column("content", sa.JSON, nullable=False),  # search/database/origins.py
)

rounds = sa.Table(
    "paretune_rounds",  # the rounds of `paretune optimize`
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("content", sa.JSON, nullable=False),  # search/optimizing/round_log.py
)

hosts = sa.Table(
    "paretune_hosts",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("facts", sa.JSON, nullable=False),
)

workers = sa.Table(
    "paretune_workers",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("process_started", sa.Float, nullable=False),
    sa.Column("heartbeat", sa.Float, nullable=False),
)

roles = sa.Table(
    "paretune_roles",  # of the workers that only train, or only measure
    metadata,
    sa.Column("worker", sa.Text, primary_key=True),
    sa.Column("role", sa.Text, nullable=False),  # search/study/role.py
)

claims = sa.Table(
    "paretune_claims",  # the trial number that each worker proposes for: search/database/claims.py
    metadata,
    sa.Column("worker", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
)

machines = sa.Table(
    "paretune_machines",  # where each worker runs; a name of a host alone is not unique
    metadata,
    sa.Column("worker", sa.Text, primary_key=True),
    sa.Column("machine", sa.Text, nullable=False),  # start of the system, and name space
    sa.Column("gpu", sa.Text),  # what CUDA_VISIBLE_DEVICES gives it; null for all or none
    sa.Column("started", sa.Float, nullable=False),
)

activity = sa.Table(
    "paretune_activity",  # what each worker does now
    metadata,
    sa.Column("worker", sa.Text, primary_key=True),
    sa.Column("trial", sa.Integer, nullable=False),
    sa.Column("stage", sa.Text),
    sa.Column("epoch", sa.Integer),  # or step, of a custom trainer
    sa.Column("epochs", sa.Integer),
    sa.Column("loss", sa.Float),
    sa.Column("score", sa.Float),
    sa.Column("curve", sa.JSON, nullable=False),  # [[epoch, loss, score], ...] of the stage
    sa.Column("started", sa.Float, nullable=False),  # of the trial
    sa.Column("updated", sa.Float, nullable=False),
)

stored_files = sa.Table(
    "paretune_files",  # files of the study's folder that its store has
    metadata,
    sa.Column("name", sa.Text, primary_key=True),  # path in the study's folder
    sa.Column("sha256", sa.Text, nullable=False, index=True),
    sa.Column("bytes", sa.BigInteger, nullable=False),
)

leases = sa.Table(
    "paretune_leases",  # rights to work on something: search/database/leases.py
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("worker", sa.Text, nullable=False),
    sa.Column("token", sa.Text, nullable=False, index=True),  # of this holding
    sa.Column("beats", sa.Integer, nullable=False),  # counts renewals
    sa.Column("lasts", sa.Float, nullable=False),  # seconds without a renewal
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("space", sa.Text, nullable=False),  # processes.process_space
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("process_started", sa.Float, nullable=False),
    sa.Column("taken", sa.Float, nullable=False),  # Unix time, to show
)

requests = sa.Table(
    "paretune_requests",  # what the user asks of the workers
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.JSON, nullable=False),
)

versions = sa.Table(
    "paretune_versions",  # empty until a study changes; then its first version is here, too
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("source", sa.JSON, nullable=False),  # as in paretune_study, like the next ones
    sa.Column("identity", sa.JSON, nullable=False),
    sa.Column("axes", sa.JSON, nullable=False),
    sa.Column("changes", sa.JSON, nullable=False),  # VersionChanges.to_json
)

trial_versions = sa.Table(
    "paretune_trial_versions",  # the version that a trial began under; no row means 1
    metadata,
    sa.Column("trial", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("version", sa.Integer, nullable=False),
)

past_measurements = sa.Table(
    "paretune_past_measurements",  # replaced, as a later version measures with other options
    metadata,
    sa.Column("version", sa.Integer, nullable=False),  # the version that replaced them
    *(
        sa.Column(column.name, column.type, nullable=column.nullable)
        for column in measurements.columns
    ),
    sa.PrimaryKeyConstraint("version", "trial", "part", "name"),
)

devices = sa.Table(
    "paretune_devices",  # the device of each target when it was first measured on
    metadata,
    sa.Column("target", sa.Text, primary_key=True),  # empty in a study of one runtime
    sa.Column("facts", sa.JSON, nullable=False),  # search/trial/study_devices.py
)

epochs = sa.Table(
    "paretune_epochs",  # what was trained in each trial; written only if a tracker wants it
    metadata,
    sa.Column("trial", sa.Integer, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("values", sa.JSON, nullable=False),  # name -> value
    sa.Column("time", sa.Float, nullable=False),
    sa.PrimaryKeyConstraint("trial", "stage", "epoch"),
)

tracked = sa.Table(
    "paretune_tracked",  # what a tracker has received
    metadata,
    sa.Column("tracker", sa.Text, nullable=False),  # its name and a digest of its address
    sa.Column("trial", sa.Integer, nullable=False),  # -1: the study
    sa.Column("run", sa.Text),  # the tracker's id; null while a process creates the run
    sa.Column("sent", sa.Text, nullable=False),  # digest of what the run shows
    sa.Column("files", sa.Text, nullable=False),  # digest of the files that were sent
    sa.Column("time", sa.Float, nullable=False),
    sa.PrimaryKeyConstraint("tracker", "trial"),
)
