"""The page: server-rendered views over the verbs. No SQL, no DICOM.

A page is one view file in ``pages/`` (a blueprint, listed in ``pages/__init__.py``), one template folder under
``templates/pages/`` and its strings in ``translations/``. Each view says with ``@needs`` which permission it asks for.
"""
