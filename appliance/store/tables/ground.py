"""Tables every room uses: change counters, running numbers, tallies."""

from sqlalchemy import BigInteger, Column, Float, String, Table

from appliance.store.tables.base import UtcDateTime, metadata

change = Table(
    "change",
    metadata,
    Column("topic", String(32), primary_key=True),  # print, disc, study, people, …
    Column("counter", BigInteger, nullable=False),  # raised by each transaction that writes the topic
)

number = Table(
    "number",
    metadata,
    Column("name", String(32), primary_key=True),  # what is numbered: print-job, disc
    Column("last", BigInteger, nullable=False),  # given out last
)

tally = Table(  # for /metrics: what happened since the appliance was set up, written in batches
    "tally",
    metadata,
    Column("name", String(32), primary_key=True),  # what is counted: steps, films_in, …
    Column("label", String(32), primary_key=True),  # of what kind: the step, who sent it, …
    Column("count", BigInteger, nullable=False),
    Column("total", Float, nullable=False),  # seconds or bytes of all of them
    Column("at", UtcDateTime, nullable=False),  # when it was written last
)
