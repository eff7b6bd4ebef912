"""Received instances and what they belong to; retrievals; storage commitment."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    text,
)

from appliance.store.tables.base import WORD, Number, UtcDateTime, metadata

study = Table(
    "study",
    metadata,
    Column("study_id", Number, primary_key=True, autoincrement=True),
    Column("study_instance_uid", String(64), nullable=False, unique=True),
    # as the instance that came first says; what others say stands in their headers
    Column("patient_name", Text, nullable=False, default=""),
    Column("patient_id", Text, nullable=False, default=""),
    Column("issuer_of_patient_id", Text, nullable=False, default=""),
    Column("patient_birth_date", String(32), nullable=False, default=""),
    Column("patient_sex", String(16), nullable=False, default=""),
    Column("study_date", String(32), nullable=False, default=""),
    Column("study_time", String(32), nullable=False, default=""),
    Column("study_id_text", String(64), nullable=False, default=""),  # Study ID (0020,0010)
    Column("accession_number", Text, nullable=False, default=""),
    Column("study_description", Text, nullable=False, default=""),
    Column("referring_physician_name", Text, nullable=False, default=""),
    Column("modalities", JSON, nullable=False),
    # counters, raised in the transaction that adds or removes an instance
    Column("series", Integer, nullable=False, default=0),
    Column("instances", Integer, nullable=False, default=0),
    Column("bytes", BigInteger, nullable=False, default=0),
    Column("kept_aside", Integer, nullable=False, default=0),  # same UID, other bytes
    Column("identities", Integer, nullable=False, default=1),  # different patients its instances speak of
    # what is known of its completeness
    Column("expected", Integer, nullable=True),  # instances it should have; NULL: nobody knows
    Column("expected_by", String(16), nullable=False, default=""),  # image-level, study-level
    Column("missing", JSON, nullable=False),  # SOP Instance UIDs known to be missing, at most a thousand
    Column("incomplete_reason", Text, nullable=False, default=""),
    Column("retrieved_from", String(64), nullable=False, default=""),  # peer it is asked about again
    # where it came from
    Column("source", String(64), nullable=False, default=""),  # calling AE title, peer or user, of the latest
    Column("peer", String(64), nullable=False, default=""),  # known peer that sent the latest instance
    Column("received", UtcDateTime, nullable=False),  # the first instance
    Column("updated", UtcDateTime, nullable=False),  # the latest instance
    Column("used", UtcDateTime, nullable=False),  # the last time it was received or put on a disc: retention
    Column("awaits_rule", Boolean, nullable=False, default=False),  # came from a peer with a rule, not followed yet
    Column("ruled", UtcDateTime, nullable=True),  # when that rule was followed
    Index("ix_study_used", "used"),
    Index("ix_study_patient", "patient_id"),
    Index("ix_study_accession", "accession_number"),
    Index("ix_study_date", "study_date", "study_id"),
    Index(
        "ix_study_rule",
        "peer",
        sqlite_where=Column("awaits_rule").is_(True),
        postgresql_where=text("awaits_rule"),
    ),
)

series = Table(
    "series",
    metadata,
    Column("series_id", Number, primary_key=True, autoincrement=True),
    Column("study_id", Number, ForeignKey("study.study_id", ondelete="CASCADE"), nullable=False),
    Column("series_instance_uid", String(64), nullable=False),
    Column("series_number", String(16), nullable=False, default=""),
    Column("modality", String(32), nullable=False, default=""),
    Column("series_description", Text, nullable=False, default=""),
    Column("body_part_examined", Text, nullable=False, default=""),
    Column("instances", Integer, nullable=False, default=0),
    Column("bytes", BigInteger, nullable=False, default=0),
    Index("ix_series_uid", "series_instance_uid", "study_id", unique=True),
    Index("ix_series_study", "study_id", "series_id"),
)

header = Table(  # what instances of a series have in common: kept once, however many they are
    "header",
    metadata,
    Column("header_id", Number, primary_key=True, autoincrement=True),
    Column("series_id", Number, ForeignKey("series.series_id", ondelete="CASCADE"), nullable=False),
    Column("digest", LargeBinary(16), nullable=False),  # of keys and records
    Column("attributes", JSON, nullable=False),  # of studies.keys.InstanceKeys
    Column("records", LargeBinary, nullable=False),  # patient, study and series of studies.records, packed
    Index("ix_header_digest", "series_id", "digest", unique=True),
)

instance = Table(
    "instance",
    metadata,
    Column("instance_id", Number, primary_key=True, autoincrement=True),
    Column("sop_instance_uid", String(64), nullable=False),
    Column("series_id", Number, ForeignKey("series.series_id", ondelete="CASCADE"), nullable=False),
    Column("header_id", Number, ForeignKey("header.header_id", ondelete="CASCADE"), nullable=False),
    Column("attributes", JSON, nullable=False),  # the keys the header does not have
    Column("record", LargeBinary, nullable=False),  # of studies.records, packed
    Column("path", String(40), nullable=False, unique=True),  # below instances/
    Column("offset", Integer, nullable=False),  # of its data set in the file
    Column("size", BigInteger, nullable=False),  # of its data set, in bytes
    Column("sha256", LargeBinary(32), nullable=False),  # of its data set as received
    Column("received", UtcDateTime, nullable=False),
    Column("source", String(64), nullable=False, default=""),
    Column("kept_aside", Boolean, nullable=False, default=False),  # another one has the UID, with other bytes
    Column("committed", Boolean, nullable=False, default=False),  # its sender may have deleted it: never purged
    # one accepted instance a UID, and each different content once: the database says so
    Index("ix_instance_content", "sop_instance_uid", "sha256", unique=True),
    Index("ix_instance_series", "series_id"),
    Index("ix_instance_header", "header_id"),
    Index(
        "ix_instance_committed",
        "series_id",
        sqlite_where=Column("committed").is_(True),
        postgresql_where=text("committed"),
    ),
)
Index(
    "one_accepted_instance_a_uid",
    instance.c.sop_instance_uid,
    unique=True,
    sqlite_where=~instance.c.kept_aside,
    postgresql_where=text("NOT kept_aside"),
)

study_word = Table(  # prefix search in any script: words of names, identifiers, descriptions, normalised
    "study_word",
    metadata,
    Column("kind", String(1), primary_key=True),  # n name, i patient ID, a accession number, m modality, d description
    Column("word", WORD, primary_key=True),
    Column("study_id", Number, ForeignKey("study.study_id", ondelete="CASCADE"), primary_key=True),
    Index("ix_study_word_study", "study_id"),
    sqlite_with_rowid=False,
)

rejection = Table(  # instances named by a rejection note (113001, 113037 to 113039)
    "rejection",
    metadata,
    Column("sop_instance_uid", String(64), primary_key=True),
    Column("note_uid", String(64), primary_key=True),  # SOP Instance UID of the note
    Column("study_instance_uid", String(64), nullable=False),
    Column("code", String(16), nullable=False),
    Index("ix_rejection_study", "study_instance_uid"),
    Index("ix_rejection_note", "note_uid"),
)

retrieval = Table(
    "retrieval",
    metadata,
    Column("retrieval_id", Number, primary_key=True, autoincrement=True),
    Column("peer", String(64), nullable=False),
    Column("study_instance_uid", String(64), nullable=False),
    Column("series", JSON, nullable=False),  # Series Instance UIDs; empty: all of the study
    Column("method", String(8), nullable=False),  # get, move
    Column("state", String(16), nullable=False),  # pending, processing, completed, aborted, canceled
    Column("done", Integer, nullable=False, default=0),
    Column("total", Integer, nullable=True),  # NULL: nobody knows
    Column("message", Text, nullable=False, default=""),
    Column("requested_by", String(128), nullable=False),
    Column("working", String(64), nullable=True),  # worker whose lock holds the claim
    Column("cancel", Boolean, nullable=False, default=False),
    Column("created", UtcDateTime, nullable=False),
    Column("updated", UtcDateTime, nullable=False),
    Index("ix_retrieval_state", "state", "retrieval_id"),
    Index("ix_retrieval_study", "study_instance_uid"),
)

file_import = Table(  # uploaded files on their way into the index
    "file_import",
    metadata,
    Column("import_id", Number, primary_key=True, autoincrement=True),
    Column("folder", String(64), nullable=False),  # below the spool: what was uploaded, gone when the import has ended
    Column("names", JSON, nullable=False),  # [[name in the folder, name it was uploaded as], ...]
    Column("state", String(16), nullable=False),  # pending, processing, completed, aborted, canceled
    Column("done", Integer, nullable=False, default=0),  # files looked at, those inside archives counted
    Column("total", Integer, nullable=True),  # NULL: nobody knows yet
    Column("report", JSON, nullable=False),  # of studies.importing.ImportReport
    Column("message", Text, nullable=False, default=""),
    Column("actor", String(64), nullable=False),
    Column("address", String(64), nullable=False, default=""),
    Column("working", String(64), nullable=True),  # worker whose lock holds the claim
    Column("cancel", Boolean, nullable=False, default=False),
    Column("created", UtcDateTime, nullable=False),
    Column("updated", UtcDateTime, nullable=False),
    Index("ix_file_import_state", "state", "import_id"),
)

commitment = Table(  # storage commitment requests, until they are answered
    "commitment",
    metadata,
    Column("commitment_id", Number, primary_key=True, autoincrement=True),
    Column("transaction_uid", String(64), nullable=False),
    Column("ae_title", String(16), nullable=False),  # who asked
    Column("address", String(64), nullable=False),
    Column("peer", String(64), nullable=False),
    Column("called_ae_title", String(16), nullable=False),  # as whom we answer
    Column("asked", JSON, nullable=False),  # [[SOP Class UID, SOP Instance UID], ...]
    Column(
        "failed", JSON, nullable=True
    ),  # [[SOP Class UID, SOP Instance UID, Failure Reason], ...]; NULL: not checked
    Column("state", String(16), nullable=False),  # pending, answered, given-up
    Column("attempts", Integer, nullable=False, default=0),
    Column("not_before", UtcDateTime, nullable=False),
    Column("message", Text, nullable=False, default=""),
    Column("created", UtcDateTime, nullable=False),
    Index("ix_commitment_state", "state", "not_before"),
    Index("ix_commitment_transaction", "transaction_uid"),
)
