"""What both sides of the wire know: schemas, assumptions, findings and messages."""
