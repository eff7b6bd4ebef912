"""Every table, by room. Importing this makes ``metadata`` whole."""

from appliance.store.tables import ground, media, printing, security, studies
from appliance.store.tables.base import metadata

__all__ = ["ground", "media", "metadata", "printing", "security", "studies"]
