"""Every table, by room. Importing this makes ``metadata`` whole."""

from appliance.store.tables import ground, printing, security, studies
from appliance.store.tables.base import metadata

__all__ = ["ground", "metadata", "printing", "security", "studies"]
