# Sourced: sets `stores` to what the tests run on, both stores or the one that RUNGATE_TEST_STORE names.
# Where there is no PostgreSQL it is left out loudly; with RUNGATE_REQUIRE_POSTGRES=1 that is a failure.

read -ra stores <<<"${RUNGATE_TEST_STORE:-sqlite postgres}"
if [ -z "${RUNGATE_TEST_POSTGRES_URL:-}" ] && [ -z "$(command -v initdb || ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null)" ]; then
  echo "NOTHING IS TESTED ON POSTGRESQL: initdb is not installed (apt-get install postgresql)" >&2
  if [ "${RUNGATE_REQUIRE_POSTGRES:-}" = 1 ] || [ "${RUNGATE_TEST_STORE:-}" = postgres ]; then
    exit 1
  fi
  stores=(sqlite)
fi
