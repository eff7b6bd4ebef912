"""Checking anybody's disc: an image, a folder, an archive or a device.

Shares no code with the writer and uses no DICOM or ISO library, so that a mistake made there is not made here again.
"""

from .finding import Finding as Finding
from .instances import Demands as Demands
from .verify import Report as Report
from .verify import examine as examine
from .verify import verify as verify
