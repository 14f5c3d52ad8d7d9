"""INN of the Federal Tax Service: the code of a tax office, a serial number, check digits."""

# Of the last check digit; the one before it and that of 10 digits take the last of these.
_WEIGHTS = (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)


def make_company_inn(office: str, serial: int) -> str:
    """10 digits, one of them a check digit; of the serial number the last five count."""
    return _append_check_digit(f"{office}{serial % 10**5:05d}")


def make_trader_inn(office: str, serial: int) -> str:
    """12 digits of a person, two of them check digits."""
    return _append_check_digit(_append_check_digit(f"{office}{serial:06d}"))


def _append_check_digit(digits: str) -> str:
    weights = _WEIGHTS[-len(digits) :]
    check = sum(w * int(d) for w, d in zip(weights, digits, strict=True)) % 11 % 10
    return f"{digits}{check}"
