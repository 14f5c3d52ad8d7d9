"""Which fields of the Data API hold people: names, numbers, credentials and keys to recordings."""

CREDENTIALS = frozenset({"access_token", "login", "password"})
# Ids that play a talk to whoever has them, without a token.
RECORDS = frozenset({"call_records", "wav_call_records", "voice_mail_records"})
LINKS = frozenset({"full_record_file_link"})


def is_name(field: str) -> bool:
    whole = field in ("name", "description", "login")
    return whole or field.endswith(("_full_name", "tag_user_login"))


def is_number(field: str) -> bool:
    return field.endswith("_phone_number")


def is_personal(field: str) -> bool:
    return is_name(field) or is_number(field) or field in CREDENTIALS | RECORDS | LINKS
