"""Burners, copy types, discs on order, their volumes, and every physical piece made of them."""

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from appliance.store.tables.base import Number, UtcDateTime, metadata

burner = Table(
    "burner",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("burner_uri", Text, nullable=False),
    Column("settings", JSON, nullable=False),  # media.burners.BurnerSettings
    Column("burner_state", String(16), nullable=False, default="idle"),  # idle, processing, stopped
    Column("burner_state_reasons", JSON, nullable=False),  # media-empty, media-jam, offline ...
    Column("burner_state_message", Text, nullable=False, default=""),
    Column("supplies", JSON, nullable=False),  # [[name, how many or percent, unit]]
    Column("paused", Boolean, nullable=False, default=False),
    Column("version", Integer, nullable=False, default=1),
    Column("created", UtcDateTime, nullable=False),
    Column("updated", UtcDateTime, nullable=False),
)

copy_type = Table(
    "copy_type",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("settings", JSON, nullable=False),  # media.copy_types.CopyType
    Column("version", Integer, nullable=False, default=1),
)

disc = Table(  # one order: a selection on one or many volumes, each burned once or more
    "disc",
    metadata,
    Column("disc_id", Number, primary_key=True),
    Column("execution_status", String(16), nullable=False),  # IDLE PENDING CREATING DONE FAILURE (PS3.4 S)
    Column("execution_status_info", String(16), nullable=False, default="NORMAL"),
    Column("reasons", JSON, nullable=False),  # keywords: decision-needed, study-incomplete, media-needed, canceled ...
    Column("message", Text, nullable=False, default=""),
    Column("held", Boolean, nullable=False, default=False),  # a person must act before it goes on
    Column("phase", String(16), nullable=False, default="retrieve"),  # retrieve plan build check burn verify
    Column("done", BigInteger, nullable=False, default=0),  # bytes of the phase
    Column("total", BigInteger, nullable=False, default=0),
    Column("phase_began", UtcDateTime, nullable=True),
    Column("selection", JSON, nullable=False),  # {"studies": [], "series": [], "instances": []} of UIDs
    Column("patient_name", Text, nullable=False, default=""),  # for people: of the first patient
    Column("patient_id", Text, nullable=False, default=""),
    Column("profile", String(32), nullable=False),  # application profile (PS3.11)
    Column("medium", String(32), nullable=False),
    Column("copy_type", String(32), nullable=False),
    Column("choices", JSON, nullable=False),  # media.copy_types.CopyType in force, as it was when ordered
    Column("burner", String(64), nullable=False),
    Column("copies", Integer, nullable=False),
    Column("priority", Integer, nullable=False),  # 3 HIGH, 2 MED, 1 LOW
    Column("label_text", Text, nullable=False, default=""),
    Column("file_set_id", String(16), nullable=False),
    Column("incomplete_reason", Text, nullable=False, default=""),  # why it is made though instances are missing
    Column("decisions", JSON, nullable=False),  # what a person decided: media.patients.Conflict.decision, looked:UID
    Column("leave_out", JSON, nullable=False),  # [[SOP Instance UID, reason]]
    Column("key", LargeBinary, nullable=True),  # of an anonymous order
    Column("password", Text, nullable=False, default=""),  # of an encrypted archive, until it is purged
    Column("plan", JSON, nullable=True),  # media.plan.Plan.to_json, without its files
    Column("failed", JSON, nullable=False),  # [[SOP Instance UID, Failure Reason]]
    Column("request_uid", String(64), nullable=True, unique=True),  # of the Media Creation Management instance
    Column("request", JSON, nullable=True),  # what its SCU asked for, as DICOM JSON
    Column("remake_of", Number, nullable=True),
    Column("requested_by", String(128), nullable=False),
    Column("requested_from", String(64), nullable=False, default=""),
    Column("built", Boolean, nullable=False, default=False),  # its images are whole and checked
    Column("building_by", String(64), nullable=True),  # worker whose lock holds the claim
    Column("burning_by", String(64), nullable=True),
    Column("cancel", Boolean, nullable=False, default=False),  # asked for while a worker has it
    Column("attempts", Integer, nullable=False, default=0),
    Column("not_before", UtcDateTime, nullable=True),
    Column("purged", Boolean, nullable=False, default=False),  # its files are gone
    Column("created", UtcDateTime, nullable=False),
    Column("updated", UtcDateTime, nullable=False),
    Column("completed", UtcDateTime, nullable=True),
    # the database, not Python, forbids two discs on their way to one burner
    Index(
        "one_burning_a_burner",
        "burner",
        unique=True,
        sqlite_where=Column("burning_by").isnot(None),
        postgresql_where=Column("burning_by").isnot(None),
    ),
)
Index("ix_disc_queue", disc.c.execution_status, disc.c.priority, disc.c.disc_id)
Index("ix_disc_created", disc.c.created)

disc_study = Table(  # what a disc was asked for, and how much of it there was when it was planned
    "disc_study",
    metadata,
    Column("disc_id", Number, ForeignKey("disc.disc_id", ondelete="CASCADE"), primary_key=True),
    Column("study_instance_uid", String(64), primary_key=True),
    Column("instances", Integer, nullable=False, default=0),  # in the index when it was planned
    Index("ix_disc_study_uid", "study_instance_uid"),
)

volume = Table(
    "volume",
    metadata,
    Column("disc_id", Number, ForeignKey("disc.disc_id", ondelete="CASCADE"), primary_key=True),
    Column("volume", Integer, primary_key=True),  # from 1
    Column("image", String(64), nullable=False),  # name in the disc's folder
    Column("file_set_id", String(16), nullable=False),
    Column("file_set_uid", String(64), nullable=False),
    Column("sha256", String(64), nullable=False),  # of the image; of the list of sums of a folder
    Column("bytes", BigInteger, nullable=False),
    Column("instances", Integer, nullable=False),
    Column("findings", JSON, nullable=False),  # warnings and notes of the check
)

piece = Table(  # the record of each physical piece of media
    "piece",
    metadata,
    Column("piece_id", Number, primary_key=True, autoincrement=True),
    Column("disc_id", Number, ForeignKey("disc.disc_id", ondelete="CASCADE"), nullable=False),
    Column("volume", Integer, nullable=False),
    Column("copy", Integer, nullable=False),  # from 1
    Column("serial", String(32), nullable=False, unique=True),  # as on its label
    Column("burner", String(64), nullable=False),
    Column("state", String(16), nullable=False),  # waiting burning burned verified unverified in-doubt failed canceled
    Column("message", Text, nullable=False, default=""),
    Column("evidence", Text, nullable=False, default=""),  # how we know
    Column("sha256", String(64), nullable=False, default=""),  # of what was read back
    Column("began", UtcDateTime, nullable=True),
    Column("ended", UtcDateTime, nullable=True),
    Column("who", String(128), nullable=False, default=""),
    Index("ix_piece_disc", "disc_id", "piece_id"),
)

decision = Table(  # what a person decided once and need not be asked again
    "decision",
    metadata,
    Column("decision", String(160), primary_key=True),
    Column("disc_id", Number, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("who", String(128), nullable=False),
)
