"""The CoMagic / UIS Data API v2.0: ``get.call_legs_report`` and what its clients need around it."""
