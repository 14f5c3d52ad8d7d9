"""The document of a fax: one page that names it."""

import re
from collections.abc import Sequence


def render_pdf(lines: Sequence[str]) -> bytes:
    """A PDF of one A4 page with these lines, ASCII only."""
    ascii_lines = [line.encode("ascii", "replace") for line in lines]
    escaped = [re.sub(rb"([\\()])", rb"\\\1", line) for line in ascii_lines]
    text = b"BT /F 12 Tf 60 780 Td 16 TL " + b" ".join(b"(%b) '" % x for x in escaped) + b" ET"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(text), text),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier >>",
    ]
    file, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(file))
        file += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    count = len(objects) + 1
    return (
        b"%bxref\n0 %d\n0000000000 65535 f \n%btrailer\n<< /Size %d /Root 1 0 R >>\n"
        b"startxref\n%d\n%%%%EOF\n" % (file, count, table, count, len(file))
    )
