"""The portrait: a vector scene of filled outlines, and what turns it into pixels."""
