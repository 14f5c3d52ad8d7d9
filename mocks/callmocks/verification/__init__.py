"""The contract held against endpoints, traffic and files: ``check``, ``proxy``, ``validate``."""
