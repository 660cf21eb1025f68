#!/bin/sh
# program.sh PIDFILE SIGNAL COMMAND…: run a program of supervisord.conf so that nothing of it outlives it.
#
# A killed master leaves its children, which would hold the port against the next one. They share
# its process group, whose number cannot be given away while one of them lives.
pid_file=$1
signal=$2
shift 2
if [ -s "$pid_file" ]; then
    read -r before <"$pid_file"
    [ -d "/proc/$before" ] || kill -s KILL -- "-$before" 2>/dev/null
fi
echo $$ >"$pid_file"
# Should supervisord itself be killed, the program gets the signal and stops too.
exec setpriv --pdeathsig "$signal" "$@"
