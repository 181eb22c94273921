#!/bin/sh
# What compose.yml's `traffic` sends: a person, a company with its link, and a ticket every second; every tenth second a
# person without an email, which goes to quarantine.
set -u

url=${1:-http://gateway:8080}/v1/batch
most=${2:-0}  # rounds; 0: without end
pause=${3:-1} # seconds between two
round=0
while :; do
    round=$((round + 1))
    person=$((round % 100))
    email="person-$person@example.com"
    identify="{\"type\":\"identify\",\"userId\":\"u$person\",\"traits\":{\"email\":\"$email\",\"plan\":\"gold\"}}"
    company="Company $((person % 7))"
    group="{\"type\":\"group\",\"userId\":\"u$person\",\"groupId\":\"g\",\"traits\":{\"name\":\"$company\"},\
\"context\":{\"traits\":{\"email\":\"$email\"}}}"
    track="{\"type\":\"track\",\"userId\":\"u$person\",\"event\":\"Ticket Closure\",\"properties\":{\"round\":$round}}"
    events="$identify,$group,$track"
    if [ $((round % 10)) -eq 0 ]; then events="$events,{\"type\":\"identify\",\"userId\":\"nobody\"}"; fi
    curl -sS -u demo-key-of-this-compose-file: -H 'Content-Type: application/json' -d "{\"batch\":[$events]}" "$url"
    echo
    [ "$round" -ne "$most" ] || break
    sleep "$pause"
done
