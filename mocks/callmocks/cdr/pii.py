"""Which fields of the Data API hold people: names, numbers, credentials and keys to recordings."""

CREDENTIALS = frozenset({"access_token", "login", "password"})
RECORDS = frozenset({"call_records", "wav_call_records", "voice_mail_records"})
"""Ids that play a talk to whoever has them, without a token."""
LINKS = frozenset({"full_record_file_link"})
_NAMES = ("_full_name", "tag_user_login")
_NUMBERS = ("_phone_number",)


def is_name(field: str) -> bool:
    return field.endswith(_NAMES) or field in ("name", "description", "login")


def is_number(field: str) -> bool:
    return field.endswith(_NUMBERS)


def is_personal(field: str) -> bool:
    return is_name(field) or is_number(field) or field in CREDENTIALS | RECORDS | LINKS
