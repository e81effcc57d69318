"""Fixtures: see tests/face_fixtures.py."""

from tests.face_fixtures import *  # noqa: F403
