"""Tables every room uses: change counters and running numbers."""

from sqlalchemy import Column, Integer, String, Table

from appliance.store.tables.base import metadata

change = Table(
    "change",
    metadata,
    Column("topic", String(32), primary_key=True),  # print, disc, study, people, …
    Column("counter", Integer, nullable=False),  # raised by each transaction that writes the topic
)

number = Table(
    "number",
    metadata,
    Column("name", String(32), primary_key=True),  # what is numbered: print-job, disc
    Column("last", Integer, nullable=False),  # given out last
)
