"""Masks of texts that keep their shape: letters for letters, digits for digits, byte for byte.

Equal texts have equal masks and different ones different masks (a Feistel network over the
symbols of one alphabet is a permutation), so that joins and filters hold in masked data. Nobody
can undo it: the key is thrown away.
"""

import re
from functools import lru_cache, reduce
from hashlib import blake2b

CYRILLIC = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"
LATIN = "abcdefghijklmnopqrstuvwxyz"
DIGITS = "0123456789"
HEX = "0123456789abcdef"
MAX_INTERNAL_DIGITS = 6  # internal numbers name workplaces, not people: they stay
ROUNDS = 8
MAX_PART = 48  # symbols that are permuted together
WORD = re.compile(r"[а-яё]+|[a-z]+|[0-9]+|[^\W_]", re.IGNORECASE)
# For letters of other alphabets, by their bytes in UTF-8: first replacement, number of them.
REPLACEMENT_LETTERS = {2: ("а", 32), 3: ("一", 0x4000), 4: ("𠀀", 0x4000)}


class Cipher:
    def __init__(self, key: bytes) -> None:
        self._key = key
        self._permute_part = lru_cache(maxsize=65_536)(self._permute_word)

    def mask_number(self, text: str, internal_digits: int = MAX_INTERNAL_DIGITS) -> str:
        """The first digit stays, so that 7 … stays 7 …; so does what is no digit."""
        digits = "".join(char for char in text if char in DIGITS)
        if len(digits) <= internal_digits:
            return text
        if len(digits) == 1:
            return text.replace(digits, self._permute_cached("number", digits, DIGITS))
        masked = iter(digits[0] + self._permute_cached("number", digits[1:], DIGITS))
        return "".join(next(masked) if char in DIGITS else char for char in text)

    def mask_digits(self, digits: str) -> str:
        """Digits alone; the first one stays, so that they are a number as before."""
        if len(digits) == 1:
            return digits
        return digits[0] + self._permute_cached("number", digits[1:], DIGITS)

    def mask_name(self, text: str) -> str:
        """Word by word: the same word always has the same mask."""
        return WORD.sub(self._mask_word, text)

    def mask_secret(self, text: str) -> str:
        # No permutation: equal parts of two secrets must not have equal masks.
        stream = blake2b(_encode_text(text), key=self._key, person=b"secret").digest()
        while len(stream) < len(text):
            stream += blake2b(stream, key=self._key).digest()
        return "".join(map(self._replace_char, text, stream))

    def mask_hex(self, text: str) -> str:
        """A text that is not hexadecimal is masked as a name."""
        lowered = text.lower()
        if not set(lowered) <= set(HEX):
            return self.mask_name(text)
        return self._permute_cached("hex", lowered, HEX)

    def _permute_cached(self, purpose: str, word: str, alphabet: str) -> str:
        """A long word part by part: its time would take the square of its length."""
        starts = range(0, len(word), MAX_PART)
        parts = (word[start : start + MAX_PART] for start in starts)
        return "".join(self._permute_part(purpose, part, alphabet) for part in parts)

    def _mask_word(self, match: re.Match[str]) -> str:
        word, first = match[0], match[0][0].lower()
        for alphabet in (CYRILLIC, LATIN, DIGITS):
            if first in alphabet:
                masked = self._permute_cached("word", word.lower(), alphabet)
                return "".join(map(_match_case, masked, word))
        return self._replace_letter(word)

    def _replace_char(self, char: str, number: int) -> str:
        for alphabet in (DIGITS, LATIN, CYRILLIC):
            if char.lower() in alphabet:
                return _match_case(alphabet[number % len(alphabet)], char)
        return self._replace_letter(char) if char.isalnum() else char

    def _replace_letter(self, char: str) -> str:
        """One of another alphabet, with as many bytes."""
        start, count = REPLACEMENT_LETTERS.get(len(_encode_text(char)), ("", 0))
        return chr(ord(start) + self._keyed_number("other", char) % count) if start else char

    def _permute_word(self, purpose: str, word: str, alphabet: str) -> str:
        """A Feistel network; a single letter is shifted."""
        radix = len(alphabet)
        symbols = [alphabet.index(char) for char in word]
        if len(symbols) == 1:
            return alphabet[(symbols[0] + self._keyed_number(purpose, "single")) % radix]
        half = len(symbols) // 2
        left, right = symbols[:half], symbols[half:]
        for number in range(ROUNDS):
            value = reduce(lambda total, symbol: total * radix + symbol, left, 0)
            secret = self._keyed_number(f"{purpose} {len(symbols)} {number}", repr(right))
            value = (value + secret) % radix ** len(left)
            mixed = []
            for _ in left:
                value, symbol = divmod(value, radix)
                mixed.append(symbol)
            left, right = right, mixed[::-1]
        return "".join(alphabet[symbol] for symbol in left + right)

    def _keyed_number(self, purpose: str, text: str) -> int:
        data = _encode_text(f"{purpose}\0{text}")
        return int.from_bytes(blake2b(data, key=self._key, digest_size=32).digest())


def _encode_text(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # JSON may have single surrogates


def _match_case(char: str, original: str) -> str:
    return char.upper() if original.isupper() else char
