# What the scenarios of loadtest/run are made of: Kafka, the servers, a measured run and its proof.
# shellcheck shell=bash disable=SC2154 # what loadtest/run sets

# What is configured and sent, unless a scenario has a local of that name.
sources=4     # with an access key each
rows=5        # of each map: more than this traffic has fields, so that the maps are not empty
topics=()     # --topics N, where events name contracts
allowed=0     # events a second that each source may send; 0: as many as come
limits=       # TOML, to go behind [limits]
queue=        # and behind [queue]
quota=        # µs of processor time that the server may take in 100 ms, of all cores together
store=        # a table of its own

server_pid=

die() {
    echo "loadtest/run: $*" >&2
    exit 1
}

# Whether $1 is one of the others.
one_of() {
    local other
    for other in "${@:2}"; do [ "$1" != "$other" ] || return 0; done
    return 1
}

# Those of the servers named that are to be measured, in this round's order.
among() {
    local server
    for server in "${servers[@]}"; do ! one_of "$server" "$@" || echo "$server"; done
}

# Its two arguments, the other way round every second round.
turn() {
    if ((round % 2)); then echo "$1 $2"; else echo "$2 $1"; fi
}

stop_server() {
    [ -n "$server_pid" ] || return 0
    kill -s TERM "$server_pid" 2>/dev/null || true
    # Java ends with 143, the signal's number.
    wait "$server_pid" || [ $? = 143 ] || echo "loadtest/run: the server ended badly; see $data/log" >&2
    server_pid=
}

stop() {
    stop_server
    stop_postgres
    stop_kafka
}

# Starts peer $1, in mode $3, with a topic under prefix $2; sets server_pid and address.
start_peer() {
    local port
    # It can't be told to pick a port.
    while port=$((RANDOM % 12000 + 20000)) && answers "$port"; do :; done
    address=127.0.0.1:$port
    rm -rf "$data"
    mkdir -p "$data"
    loadtest/peers/peer "$1" serve "$3" "$brokers" "${2}events" "$port" >"$data/log" 2>&1 </dev/null &
    server_pid=$!
    for _ in $(seq 600); do
        ! answers "$port" || return 0
        kill -0 "$server_pid" 2>/dev/null || break
        sleep 0.1
    done
    cat "$data/log" >&2 && die "$1 did not start; its log is above"
}

# Whether somebody listens on port $1.
answers() {
    # shellcheck disable=SC2016 # it is the inner shell's argument
    bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1"' - "$1" 2>/dev/null
}

# Starts server $1 with topics under prefix $2 on the folder $data, as it is; sets server_pid and address.
launch() {
    local file=$data/run.json
    local command=("$bin/weir" serve --config "$data/weir.toml" --data "$data" --listen 127.0.0.1:0
        --admin 127.0.0.1:0 --log warn)
    case $1 in
        weir-kafka) command+=(--brokers "$brokers" --create-topics) ;;
        weir-journal) ;;
        reference)
            command=("$loadtest" reference --brokers "$brokers" --topic "${2}reference" "${topics[@]}"
                --run-file "$file")
            ;;
        bare) command=("$loadtest" bare --run-file "$file") ;;
        *) die "there is no server $1" ;;
    esac
    rm -f "$file"
    [ -z "$quota" ] || command=(within_quota "${command[@]}")
    "${command[@]}" >"$data/log" 2>&1 </dev/null &
    server_pid=$!
    for _ in $(seq 12000); do
        [ ! -s "$file" ] || break
        kill -0 "$server_pid" 2>/dev/null || break
        sleep 0.005
    done
    [ -s "$file" ] || { cat "$data/log" >&2 && die "$1 did not start; its log is above"; }
    address=$(sed -n 's:.*"url"[^"]*"http\://\([^"]*\)".*:\1:p' "$file")
}

# Becomes the command given, with $quota for its processor time. Control groups are root's to make.
within_quota() {
    local group
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        group=/sys/fs/cgroup/weir-load
        mkdir -p "$group"
        echo "$quota 100000" >"$group/cpu.max"
    else
        group=/sys/fs/cgroup/cpu/weir-load
        mkdir -p "$group"
        echo "$quota" >"$group/cpu.cfs_quota_us"
    fi
    echo "$BASHPID" >"$group/cgroup.procs"
    exec "$@"
}

# As launch, on an empty folder.
start_server() {
    rm -rf "$data"
    mkdir -p "$data"
    "$loadtest" config --prefix "$2" --sources "$sources" --rows "$rows" --rate "$allowed" \
        "${topics[@]}" >"$data/weir.toml"
    printf '[limits]\n%s\n[queue]\n%s\n%s\n' "$limits" "$queue" "$store" >>"$data/weir.toml"
    launch "$1" "$2"
}

# Sends to the server that runs; the arguments are the generator's.
send() {
    "$loadtest" send --to "$address" --pid "$server_pid" --sources "$sources" --fields 5 "${topics[@]}" \
        --seconds "$seconds" --acknowledged "$data/acknowledged" "$@"
}

# Holds what server $2 acknowledged in scenario $1 against the queue, under prefix $3. The server has stopped.
prove() {
    local verdict="keeps nothing" proof=()
    case $2 in
        weir-kafka) proof=(--brokers "$brokers" --prefix "$3") ;;
        reference) proof=(--brokers "$brokers" --prefix "$3" --records one) ;;
        mq-bridge | camel | benthos) proof=(--brokers "$brokers" --prefix "$3" --records raw) ;;
        weir-journal) proof=(--data "$data") ;;
    esac
    if [ ${#proof[@]} -gt 0 ]; then
        verdict=$("$loadtest" verify --acknowledged "$data/acknowledged" "${proof[@]}") ||
            die "round $round, $1 on $2: $verdict"
    fi
    echo "$(date -u +%T) round $round, $1 on $2: $verdict" >&2
}

# Stops the server and proves, as prove does. With a store the journal lets go of what is loaded: there every event that
# was acknowledged must be one in the store.
prove_loaded() {
    local wanted loaded
    if [ -n "$store" ]; then
        wanted=$(sed -n 's/.*"statuses":{"200":\([0-9]*\).*/\1/p' "$data/report")
        for _ in $(seq 600); do
            loaded=$("$bin/weir" store status --json --config "$data/weir.toml" --data "$data" |
                sed -n 's/.*"event":\([0-9]*\).*/\1/p')
            [ "$loaded" != "$wanted" ] || break
            sleep 0.2
        done
        stop_server
        [ "$loaded" = "$wanted" ] || die "round $round, $1 on $2: $loaded of $wanted events are in the store"
        echo "$(date -u +%T) round $round, $1 on $2: all of $wanted events are in the store" >&2
    else
        stop_server
        prove "$@"
    fi
}

# Scenario $1 on server $2, which runs, with topics under prefix $3: sends, stops it, proves. The rest are the
# generator's arguments.
measure_running() {
    send --scenario "$1" --server "$2" "${@:4}" >"$data/report" || die "the generator failed on $2"
    stop_server
    prove "$1" "$2" "$3"
    cat "$data/report" >>"$reports"
}

# Starts server $2 for scenario $1. The rest are the generator's arguments. Topics are new, unless the scenario has a
# prefix of its own.
measure() {
    local prefix=${prefix:-r$round.$1.$2.}
    start_server "$2" "$prefix"
    measure_running "$1" "$2" "$prefix" "${@:3}"
}

# Another's product, $2, in mode $3 (loadtest/peers): as measure, with warming up for a young JVM to compile in.
measure_peer() {
    local prefix=r$round.$1.$2. warm=3 sources=1
    [ "$2" != camel ] || warm=20
    start_peer "$2" "$prefix" "$3"
    measure_running "$1" "$2" "$prefix" --raw --warm "$warm" "${@:4}"
}

# Reports what no generator measured: scenario $1 on server $2, then the figures as the inside of a JSON object.
report_figures() {
    printf '{"scenario":"%s","server":"%s","figures":{%s}}\n' "$1" "$2" "$3" >>"$reports"
}
