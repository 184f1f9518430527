"""Predictions, verdicts and keys."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "predictions",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("created", _TIME, nullable=False),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("decision", sa.String(16), nullable=False),
        sa.Column("probability", sa.Double),
        sa.Column("failed", sa.Boolean, nullable=False),
        sa.Column("model", sa.String(128), nullable=False),
        sa.Column("model_sha256", sa.String(64), nullable=False),
        sa.Column("input_sha256", sa.String(64)),
        sa.Column("patient_key", sa.String(64)),
        sa.Column("document", sa.JSON, nullable=False),
        sa.Column("saliency", sa.JSON),
    )
    for column in ("created", "input_sha256", "patient_key"):
        op.create_index(f"ix_predictions_{column}", "predictions", [column])
    op.create_table(
        "verdicts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("prediction_id", sa.String(32), sa.ForeignKey("predictions.id", ondelete="CASCADE"), nullable=False),
        sa.Column("created", _TIME, nullable=False),
        sa.Column("reviewer", sa.String(128), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
    )
    op.create_index("ix_verdicts_prediction_id", "verdicts", ["prediction_id"])
    op.create_table(
        "api_keys",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("created", _TIME, nullable=False),
        sa.Column("expires", _TIME),
        sa.Column("revoked", _TIME),
    )
    op.create_index("ix_api_keys_name", "api_keys", ["name"])


def downgrade() -> None:
    """Remove the tables with all that is in them."""
    for table in ("api_keys", "verdicts", "predictions"):
        op.drop_table(table)
