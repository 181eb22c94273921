# shellcheck shell=bash
# A PostgreSQL for the bash script that sources this file, from the repository's root, and defines die.

postgres_pid=

# Starts a server that lives as long as this script's end of a pipe is open, and sets postgres_url. No coprocess: bash
# has one at a time, which is Kafka's.
start_postgres() {
    local said
    said=$(mktemp)
    exec {postgres_stdin}> >(exec tests/postgres/cluster hold >"$said")
    postgres_pid=$!
    until [ "$(wc -l <"$said")" -eq 2 ]; do
        kill -0 "$postgres_pid" 2>/dev/null || die "no PostgreSQL came up (tests/postgres/cluster hold)"
        sleep 0.1
    done
    # shellcheck disable=SC2034 # the script that sources this wants it
    postgres_url=$(head -n 1 "$said")
    rm -f "$said"
}

stop_postgres() {
    [ -n "$postgres_pid" ] || return 0
    exec {postgres_stdin}>&-
    wait "$postgres_pid" || true
    postgres_pid=
}
