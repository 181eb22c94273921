# The scenarios of loadtest/run, in the order of the tables.
# shellcheck shell=bash disable=SC2034,SC2154 # what loadtest/run and lib.sh set and use

# Those that take events as Weir does, and those that keep track events as they come.
ours=(weir-kafka weir-journal reference bare)
peers=(mq-bridge camel benthos)

scenario_single() {
    local server
    for server in $(among "${ours[@]}"); do measure single "$server" --connections 512; done
    for server in $(among "${peers[@]}"); do measure_peer single "$server" single --connections 512; done
}

scenario_batch50() {
    local server
    for server in $(among "${ours[@]}"); do measure batch50 "$server" --connections 64 --batch 50; done
    for server in $(among "${peers[@]}"); do measure_peer batch50 "$server" batch --connections 64 --batch 50; done
}

scenario_mixed() {
    local server
    for server in $(among "${ours[@]}"); do
        measure mixed "$server" --connections 512 --mix mixed
    done
}

# An open loop at half of what the server takes in a closed one.
scenario_half() {
    local server rate
    for server in $(among weir-kafka weir-journal reference); do
        share_of_peak "$server" 2
        measure half "$server" --connections 512 --rate "$rate"
    done
}

# Sets rate: the requests a second that server $1 takes in a closed loop, the median up to now, divided by $2.
share_of_peak() {
    [ -n "$("$loadtest" peak "$1" <"$reports")" ] || measure single "$1" --connections 512
    rate=$(($("$loadtest" peak "$1" <"$reports") / $2))
}

# An open loop at a tenth of what Weir takes in a closed one, the same for all: each wake-up carries few requests.
scenario_tenth() {
    local server rate
    share_of_peak weir-kafka 10
    for server in $(among weir-kafka weir-journal reference); do
        measure tenth "$server" --connections 512 --rate "$rate"
    done
}

# With half a core's time, as a small pod has it.
scenario_quota() {
    local server quota=50000
    for server in $(among weir-kafka weir-journal reference); do
        measure quota "$server" --connections 512
    done
}

scenario_sources() {
    local server sources
    for server in $(among weir-kafka weir-journal); do
        for sources in $(turn 1 10000); do
            measure "sources-$sources" "$server" --connections 512
        done
    done
}

# The events are the same; there are only more rows to look their names up in.
scenario_maps() {
    local server rows
    for server in $(among weir-kafka weir-journal); do
        for rows in $(turn 10 5000); do measure "maps-$rows" "$server" --connections 512 --mix mixed; done
    done
}

# At one rate for all, since librdkafka's cost lies in its requests, each of one topic: the faster events come, the more
# of them share one. The topics stay from round to round: a broker that has just made a thousand is busy for a while.
scenario_topics() {
    local server count topics prefix
    for server in $(among weir-kafka reference); do
        for count in $(turn 1 500); do
            topics=(--topics "$count") prefix=topics-$count.$server.
            if [ "$round" = 1 ]; then
                start_server "$server" "$prefix"
                sleep 10
                stop_server
            fi
            measure "topics-$count" "$server" --connections 512 --warm 5 --rate 2000
        done
    done
}

scenario_gzip() {
    local server body flags
    for server in $(among weir-kafka weir-journal); do
        for body in $(turn plain gzip); do
            if [ "$body" = gzip ]; then flags=(--gzip); else flags=(); fi
            measure "batch50-$body" "$server" --connections 64 --batch 50 "${flags[@]}"
        done
    done
}

# Bodies hold memory from their heads on. Held back for a time, they let through as many a second as fit into it, by
# the time; three times that comes.
scenario_overload() {
    local server memory=4096000
    local limits="inflight_bytes = $memory"
    for server in $(among weir-kafka weir-journal); do
        measure overload "$server" --connections 512 --batch 50 --hold 250 --overload "$memory"
    done
}

# Three times what the sources may send.
scenario_limited() {
    local server allowed=10000
    for server in $(among weir-kafka weir-journal); do
        measure limited "$server" --connections 512 --batch 50 --limited "$((sources * allowed))"
    done
}

# From start to ready on a journal of 1 GiB, beside reading its files; all of it is in the system's cache.
scenario_start() {
    local server data=$dir/start prefix=start. seconds=600 begun ready read
    for server in $(among weir-journal); do
        if [ "$round" = 1 ]; then
            start_server "$server" "$prefix"
            send --connections 64 --batch 50 --warm 0 --requests 28000 >"$data/report"
            stop_server
            prove start "$server" "$prefix"
            [ "$(du -bs "$data/journal" | cut -f1)" -ge $((1 << 30)) ] || die "the journal has less than 1 GiB"
            cat "$data"/journal/*.log >/dev/null
        fi
        begun=$(microseconds)
        launch "$server" "$prefix"
        ready=$(($(microseconds) - begun))
        stop_server
        begun=$(microseconds)
        cat "$data"/journal/*.log >/dev/null
        read=$(($(microseconds) - begun))
        report_figures start "$server" "\"ready ms\":${ready}e-3,\"read ms\":${read}e-3"
    done
}

# Loading alone, by Weir's loader and by hand: a journal that was filled in the first round.
scenario_load() {
    local mix prefix=load. seconds=600
    for mix in mixed track; do
        [ -n "$(among weir-journal)" ] || continue
        local data=$dir/load-$mix
        if [ "$round" = 1 ]; then
            start_server weir-journal "$prefix"
            # As many people as wanted, and each makes calls of all kinds.
            send --connections 64 --batch 50 --mix "$mix" --people 19999 --warm 0 --requests 8000 >"$data/report"
            stop_server
            prove "load-$mix" weir-journal "$prefix"
        fi
        "$loadtest" load --data "$data" --scenario "load-$mix" >>"$reports"
    done
}

# Loading from Kafka into PostgreSQL, by Weir and by Benthos: the same topics, filled in the first round.
scenario_drain() {
    local server prefix=drain. seconds=600 data=$dir/drain group
    local store='[store]
url = { env = "WEIR_LOAD_STORE" }'
    [ -n "$(among weir-kafka)" ] || return 0
    command -v psql >/dev/null || die "psql is missing; install it: apt-get install -y postgresql"
    if [ "$round" = 1 ]; then
        start_postgres
        export WEIR_LOAD_STORE="${postgres_url%/*}/loaded?sslmode=disable"
        postgres_server=$(ask_postgres "SELECT pg_read_file('postmaster.pid')" | head -n 1)
        WEIR_ONLY=gateway start_server weir-kafka "$prefix"
        # As many people as wanted, and each makes calls of all kinds.
        send --connections 64 --batch 50 --mix mixed --people 19999 --warm 0 --requests 8000 >"$data/report"
        stop_server
        prove drain weir-kafka "$prefix"
        drained_topics=$(tests/kafka/cluster tool TopicCommand --bootstrap-server "$brokers" --list |
            grep "^$prefix" | grep -v rejected | paste -sd ,)
    fi
    for server in $(among weir-kafka benthos); do
        ask_postgres "DROP DATABASE IF EXISTS loaded" >/dev/null
        ask_postgres "CREATE DATABASE loaded" >/dev/null
        if [ "$server" = benthos ]; then
            group=benthos
            loadtest/peers/peer benthos load "$brokers" "$drained_topics" "$WEIR_LOAD_STORE" >"$data/log" 2>&1 &
            server_pid=$!
        else
            group=weir-store
            WEIR_ONLY=load launch weir-kafka "$prefix"
        fi
        "$loadtest" drain --brokers "$brokers" --topics "$drained_topics" --group "$group" --pid "$server_pid" \
            --postgres "$postgres_server" --scenario drain --server "$server" >>"$reports" ||
            { cat "$data/log" >&2 && die "$server did not load; its log is above"; }
        stop_server
        # The next round reads all of it again.
        tests/kafka/cluster tool consumer.group.ConsumerGroupCommand --bootstrap-server "$brokers" --delete \
            --group "$group" >&2
    done
}

ask_postgres() {
    psql -q -A -t -v ON_ERROR_STOP=1 -c "$1" "$postgres_url"
}

# What the gateway costs at a quarter of its peak: without a store, with one whose loader can't write, and with one that
# is filled. The loader's own thread is left out.
scenario_beside() {
    local server=weir-journal prefix=beside. rate which holder store=''
    [ -n "$(among $server)" ] || return 0
    share_of_peak $server 4
    for which in $(if ((round % 2)); then echo nothing idle loading; else echo loading idle nothing; fi); do
        store='[store]' holder=
        [ "$which" != nothing ] || store=
        start_server $server "$prefix"
        if [ "$which" = idle ]; then
            "$loadtest" hold --store "$data/store.sqlite" &
            holder=$!
            sleep 1
        fi
        send --scenario "beside-$which" --server $server --connections 512 --rate "$rate" --without loader \
            >"$data/report" || die "the generator failed on $server"
        [ -z "$holder" ] || kill "$holder"
        prove_loaded "beside-$which" $server "$prefix"
        cat "$data/report" >>"$reports"
    done
}

# A batch in a store of 10,000 rows, and in one of 10,000,000, which takes minutes to fill and 15 GB of disk.
scenario_grown() {
    local rows
    for rows in $(turn 10000 10000000); do
        mkdir -p "$dir/grown"
        "$loadtest" grown --store "$dir/grown/$rows.sqlite" --rows "$rows" --round "$round" \
            --scenario "grown-$rows" >>"$reports"
    done
}

# What a job does with 1,000,000 deals and 200,000 accounts before it sends them: read, merged, mapped.
# A whole job: from an org that stands in for Zoho CRM into the store.
scenario_contacts() {
    "$loadtest" contacts --weir "$bin/weir" --folder "$dir/contacts" --scenario contacts >>"$reports"
}

scenario_prepare() {
    command -v sqlite3 >/dev/null || die "sqlite3 is missing; install it: apt-get install -y sqlite3"
    "$loadtest" prepare --folder "$dir/prepare" --scenario prepare >>"$reports"
}

microseconds() {
    echo "${EPOCHREALTIME/[.,]/}"
}

# What wakes a server that nobody sends to.
scenario_idle() {
    local server connections
    command -v strace >/dev/null || die "strace is missing; install it: apt-get install -y strace"
    for server in $(among weir-kafka weir-journal); do
        for connections in 0 100; do idle "$server" "$connections"; done
    done
}

# Server $1 with $2 connections that have each sent one request.
idle() {
    local prefix="idle-$2.$1." generator='' thread
    start_server "$1" "$prefix"
    if [ "$2" -gt 0 ]; then
        send --connections "$2" --requests "$2" --warm 0 --idle "$((idle_seconds + 5))" >"$data/report" &
        generator=$!
    fi
    sleep 3 # starting and answering are over
    for thread in "/proc/$server_pid/task/"*; do echo "${thread##*/} $(<"$thread/comm")"; done >"$data/threads"
    timeout -s INT "$idle_seconds" strace -f -qq -T -o "$data/strace" -p "$server_pid" 2>/dev/null || true
    [ -z "$generator" ] || wait "$generator"
    stop_server
    [ -z "$generator" ] || prove "idle-$2" "$1" "$prefix"
    "$loadtest" wakeups --scenario "idle-$2" --server "$1" --threads "$data/threads" --strace "$data/strace" \
        --seconds "$idle_seconds" >>"$reports"
}

# Minutes at a rate that leaves the server time: does its memory grow?
scenario_steady() {
    local server seconds=$steady_seconds
    for server in $(among weir-kafka weir-journal); do
        measure steady-single "$server" --connections 512 --rate 10000
        measure steady-batch50 "$server" --connections 64 --batch 50 --rate 400
    done
}

# A quarter of the peak for minutes, without a store and with one: how far its loader falls behind, and what it takes.
scenario_lag() {
    local server=weir-journal rate
    [ -n "$(among $server)" ] || return 0
    share_of_peak $server 4
    local prefix=lag. seconds=$steady_seconds watcher store='' peak without=0
    for store in '' '[store]'; do
        start_server $server "$prefix"
        while sleep 1 && [ -e "/proc/$server_pid" ]; do
            metric 'weir_load_lag_seconds{loader="store"}' || true
        done >"$data/lag" &
        watcher=$!
        send --connections 512 --rate "$rate" --scenario lag --server $server >"$data/report"
        prove_loaded lag $server "$prefix"
        wait "$watcher" || true
        peak=$(sed -n 's/.*"rss_peak":\([0-9]*\).*/\1/p' "$data/report")
        [ -n "$store" ] || without=$peak
    done
    report_figures lag $server "\"most lag s\":$(sort -g "$data/lag" | tail -n 1),\"events/s\":$rate,\
\"MB more than without\":$(((peak - without) / 1000))e-3"
}

# Half of the peak for a while, with Kafka killed for half of it: what clients notice, what it costs in memory, files
# and disk, and whether all of it arrives in the end.
scenario_outage() {
    local server=weir-kafka prefix=outage. rate phase watcher killer='' began memory
    local queue='journal_bytes = 42_949_672_960'
    [ -n "$(among $server)" ] || return 0
    share_of_peak $server 2
    start_server $server "$prefix"
    memory=$(WEIR_BROKERS=$brokers "$bin/weir" check --config "$data/weir.toml" |
        sed -n 's/^memory: at most \(.*\) MiB$/\1/p')
    watch_server >"$data/watched" &
    watcher=$!
    for phase in before:4 during:2 after:4; do
        if [ "${phase%:*}" = during ]; then
            # Once requests are on their way, so that those which meet it are in the figures.
            { sleep 1 && tests/kafka/cluster signal "$kafka_dir" 1 KILL; } &
            killer=$!
        elif [ "${phase%:*}" = after ]; then
            wait "$killer"
            tests/kafka/cluster start "$kafka_dir" 1
        fi
        seconds=$((outage_seconds / ${phase#*:})) send --connections 512 --rate "$rate" --warm 0 \
            --scenario "outage-${phase%:*}" --server $server >"$data/report"
        mv "$data/acknowledged" "$data/${phase%:*}"
        cat "$data/report" >>"$reports"
    done
    began=$(microseconds)
    until [ "$(metric weir_spool_records)" = 0 ]; do
        if [ $(($(microseconds) - began)) -gt 600000000 ]; then
            echo "the spool did not drain within ten minutes" >&2
            exit 1
        fi
        sleep 0.2
    done
    began=$(($(microseconds) - began))
    stop_server
    wait "$watcher" || true
    for phase in before during after; do
        mv "$data/$phase" "$data/acknowledged"
        prove "outage-$phase" $server "$prefix"
    done
    awk -v drained="$began" -v bound="$memory" '
        function most(a, b) { return a > b ? a : b }
        NR == 1 { least_files = $2 }
        { files = most(files, $2); rss = most(rss, $1); held = most(held, $3); disk = most(disk, $4) }
        $2 < least_files { least_files = $2 }
        END {
            printf "\"most memory MB\":%f,\"bound of weir check MB\":%f,", \
                rss / 1e3, bound * 1.048576
            printf "\"fewest open files\":%d,\"most open files\":%d,", least_files, files
            printf "\"most records held\":%d,\"most MB held\":%f,\"s to drain after the last request\":%f", \
                held, disk / 1e6, drained / 1e6
        }' "$data/watched" >"$data/figures"
    report_figures outage $server "$(cat "$data/figures")"
}

# What $1, a metric without labels, says now.
metric() {
    curl -fsS "$(sed -n 's:.*"admin_url"[^"]*"\([^"]*\)".*:\1:p' "$data/run.json")/metrics" | sed -n "s/^$1 //p"
}

# Every second: resident kB, open files, records and bytes in the spool.
watch_server() {
    while sleep 1 && [ -e "/proc/$server_pid" ]; do
        echo "$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$server_pid/status")" \
            "$(find "/proc/$server_pid/fd" -mindepth 1 | wc -l) $(metric weir_spool_records) $(metric weir_spool_bytes)"
    done
}
