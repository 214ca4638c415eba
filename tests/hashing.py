"""Passwords of tests are hashed in one round instead of a million: that work belongs to an attacker, not to every run."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class OneRound(PBKDF2PasswordHasher):
    iterations = 1
