"""The page: server-rendered views over the verbs. No SQL, no DICOM.

A page is three things:

1. ``pages/NAME.py`` with a ``blueprint``, listed in ``pages/__init__.py``. Each view says with ``@needs("thing.see")``
   which permission of security.roles it asks for; without one the page does not start. ``store()`` and ``actor()`` of
   visitor.py are what verbs want. A form is a forms.Form; ``form.does(verb)`` calls the verb and puts its complaint at
   the field it names. What changes is posted; the form's token is checked before the view runs.
2. ``templates/pages/NAME.html``, extending base.html; ``ui`` holds the macros (fields, states, buttons, notices). No
   inline script or style: the policy of headers.py blocks it.
3. Its strings: ``_("…")``, then ``scripts/translations update`` and the four catalogs filled in.

It shows itself in the navigation once its endpoint stands in navigation.py. ``PANELS`` and ``advise`` of a page file
stand on the overview (panels.py). A part that follows changes: ``@needs(…, live=True)`` over ``@live("topic")``, and
the macro ``ui.live``; ``@shared_live`` when it is the same for all of a role. A view that takes files:
``@needs(…, upload=True)``.
Tests that walk over all routes (tests/web/test_access.py, test_headers.py) take a new page in by themselves; add its
address to PAGES of tests/web/test_browser.py.
"""
