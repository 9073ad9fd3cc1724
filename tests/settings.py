"""The product's settings in an environment of the tests' own: nothing of the developer's leaks in."""

import os
import tempfile

OURS = "PIERWATCH_NO_SKIP"  # says how to test, not what to run
for name in [name for name in os.environ if name.startswith("PIERWATCH_") or name in ("DATABASE_URL", "REDIS_URL")]:
    if name != OURS:
        del os.environ[name]
os.environ["PIERWATCH_DATA_DIR"] = tempfile.mkdtemp(prefix="pierwatch-tests-")
if os.environ.get("TEST_DATABASE_URL"):
    os.environ["DATABASE_URL"] = os.environ["TEST_DATABASE_URL"]

from config.settings import *  # noqa: E402, F403 the environment had to be set first

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    # in memory, connections of several threads share a cache and get "table is locked" at once, whatever the timeout
    DATABASES["default"]["TEST"] = {"NAME": os.environ["PIERWATCH_DATA_DIR"] + "/test.sqlite3"}  # noqa: F405
else:  # a connection that a server's thread keeps would keep the test database from being dropped
    DATABASES["default"]["CONN_MAX_AGE"] = 0  # noqa: F405
