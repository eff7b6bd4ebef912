"""Printers, print profiles, print jobs, films, and the history of jobs."""

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from appliance.store.tables.base import WORD, Number, UtcDateTime, metadata

printer = Table(
    "printer",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("device_uri", Text, nullable=False),
    Column("ae_titles", JSON, nullable=False),
    Column("settings", JSON, nullable=False),  # printing.printers.PrinterSettings
    Column("printer_state", String(16), nullable=False, default="idle"),  # idle, processing, stopped
    Column("printer_state_reasons", JSON, nullable=False),  # of the device, IPP keywords
    Column("printer_state_message", Text, nullable=False, default=""),
    Column("supplies", JSON, nullable=False),  # [[name, percent]]
    Column("is_accepting_jobs", Boolean, nullable=False, default=True),
    Column("paused", Boolean, nullable=False, default=False),
    Column("version", Integer, nullable=False, default=1),  # for If-Match
    Column("created", UtcDateTime, nullable=False),
    Column("updated", UtcDateTime, nullable=False),
)

print_profile = Table(
    "print_profile",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("printer", String(64), ForeignKey("printer.name", ondelete="CASCADE"), nullable=False),
    Column("settings", JSON, nullable=False),  # the rest of printing.profiles.PrintProfile
    Column("version", Integer, nullable=False, default=1),
)

print_job = Table(
    "print_job",
    metadata,
    Column("job_id", Number, primary_key=True),
    Column("printer", String(64), nullable=False),
    Column("job_state", String(24), nullable=False),
    Column("job_state_reasons", JSON, nullable=False),
    Column("job_state_message", Text, nullable=False, default=""),
    Column("originator", String(64), nullable=False),  # calling AE title or user
    Column("originator_address", String(64), nullable=False, default=""),
    Column("called_ae_title", String(16), nullable=False, default=""),
    Column("profile", String(64), nullable=False, default=""),
    Column("priority", Integer, nullable=False),  # 3 HIGH, 2 MED, 1 LOW
    Column("copies", Integer, nullable=False),
    Column("collated", Boolean, nullable=False),
    Column("films", Integer, nullable=False),
    Column("color", Boolean, nullable=False),
    Column("label", Text, nullable=False, default=""),  # Film Session Label
    Column("print_job_uid", String(64), nullable=False, unique=True),  # SOP Instance UID told to the modality
    Column("fingerprint", String(64), nullable=False),  # SHA-256 over attributes and pixels: duplicates
    Column("warnings", JSON, nullable=False),  # given to the modality, in words
    Column("bytes", BigInteger, nullable=False),  # on disk when accepted
    Column("composed", Boolean, nullable=False, default=False),  # documents are whole on disk
    Column("composing_by", String(64), nullable=True),  # worker whose lock holds the claim
    Column("sending_by", String(64), nullable=True),
    Column("send_started", Boolean, nullable=False, default=False),  # bytes may have left for the printer
    Column("send_began", UtcDateTime, nullable=True),  # the moment of the latest claim
    Column("again", Integer, nullable=False, default=0),  # how often a job in doubt was told to print again
    Column("attempts", Integer, nullable=False, default=0),  # sends tried
    Column("compose_attempts", Integer, nullable=False, default=0),
    Column("not_before", UtcDateTime, nullable=True),  # retry waits until then
    Column("sent_documents", Integer, nullable=False, default=0),  # sheets that surely came out in earlier attempts
    Column("evidence", Text, nullable=False, default=""),
    Column("reprint_of", Number, nullable=True),
    Column("purged", Boolean, nullable=False, default=False),  # its files are gone
    Column("created", UtcDateTime, nullable=False),
    Column("updated", UtcDateTime, nullable=False),
    Column("completed", UtcDateTime, nullable=True),
    # the database, not Python, forbids two jobs on their way to one printer
    Index(
        "one_sending_a_printer",
        "printer",
        unique=True,
        sqlite_where=Column("sending_by").isnot(None),
        postgresql_where=Column("sending_by").isnot(None),
    ),
)
Index("ix_print_job_queue", print_job.c.job_state, print_job.c.printer, print_job.c.priority, print_job.c.job_id)
Index("ix_print_job_printer", print_job.c.printer, print_job.c.job_id)
Index("ix_print_job_originator", print_job.c.originator, print_job.c.job_id)
Index("ix_print_job_fingerprint", print_job.c.fingerprint, print_job.c.created)
Index("ix_print_job_created", print_job.c.created)

print_job_word = Table(  # prefix search: words of label, AE titles and printer, normalised
    "print_job_word",
    metadata,
    Column("word", WORD, primary_key=True),
    Column("job_id", Number, ForeignKey("print_job.job_id", ondelete="CASCADE"), primary_key=True),
    Index("ix_print_job_word_job", "job_id", "word"),
    sqlite_with_rowid=False,
)

film = Table(
    "film",
    metadata,
    Column("job_id", Number, ForeignKey("print_job.job_id", ondelete="CASCADE"), primary_key=True),
    Column("film", Integer, primary_key=True),  # from 1
    Column("image_display_format", Text, nullable=False),
    Column("film_size_id", String(32), nullable=False, default=""),
    Column("film_orientation", String(16), nullable=False, default=""),
    Column("document", String(64), nullable=False, default=""),  # name in the job's folder, once composed
    Column("document_format", String(64), nullable=False, default=""),
    Column("document_sha256", String(64), nullable=False, default=""),
    Column("preview", String(64), nullable=False, default=""),
    Column("width_mm", Integer, nullable=False, default=0),  # hundredths of mm, as held
    Column("height_mm", Integer, nullable=False, default=0),
    Column("warnings", JSON, nullable=False),  # of composing, in words
)

job_event = Table(
    "job_event",
    metadata,
    Column("event_id", Number, primary_key=True, autoincrement=True),
    Column("kind", String(8), nullable=False),  # print, disc
    Column("job_id", Number, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("state", String(24), nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("message", Text, nullable=False, default=""),
    Column("actor", String(128), nullable=False),
    Index("ix_job_event_job", "kind", "job_id", "event_id"),
)
