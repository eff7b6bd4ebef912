"""The API, /api/v1: JSON from the models that make /openapi.json. Each view is one :func:`describe.endpoint`."""
