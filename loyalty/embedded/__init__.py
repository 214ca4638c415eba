"""PostgreSQL and Valkey without an installation: found in their wheels, run under a small supervisor of our own.

For the demo and the tests only. Production is told its servers by DATABASE_URL and REDIS_URL. See `__main__`.
"""
