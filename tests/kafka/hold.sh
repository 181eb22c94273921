# shellcheck shell=bash
# A broker for the bash script that sources this file, from the repository's root, and defines die.

kafka_pid=

# Starts a broker that lives as long as the pipe to its stdin is open, and sets brokers and kafka_dir. Nothing else that
# the script starts inherits a coprocess's pipe, so a script that is killed outright leaves no broker behind either.
start_kafka() {
    brokers='' kafka_dir=''
    coproc KAFKA { exec tests/kafka/cluster hold; }
    # bash unsets KAFKA once the process has died.
    kafka_pid=${KAFKA_PID:-} kafka_stdin=${KAFKA[1]:-} kafka_stdout=${KAFKA[0]:-}
    if [ -n "$kafka_stdout" ]; then
        # shellcheck disable=SC2034 # the script that sources this wants it
        read -r -t 600 brokers <&"$kafka_stdout" && read -r -t 10 kafka_dir <&"$kafka_stdout"
    fi
    [ -n "$kafka_dir" ] || die "no Kafka came up (tests/kafka/cluster hold)"
}

stop_kafka() {
    [ -n "$kafka_pid" ] || return 0
    exec {kafka_stdin}>&-
    wait "$kafka_pid" || true
    kafka_pid=
}
