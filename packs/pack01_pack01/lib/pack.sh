# shellcheck shell=sh
# What packs have in common. A pack that depends on this one reads it through the live link, so that it always gets the
# version that is live:
#
#   . "$AURORA_HOME/live/pack01_pack01/lib/pack.sh"
#
# Nothing here keeps state, and sourcing it does nothing by itself.

# pack_age FILE: how many seconds ago FILE, which holds a time as `date +%s` writes it, was written; fails where there is none.
pack_age() {
    [ -s "$1" ] || return 1
    echo "$(($(date +%s) - $(cat "$1")))"
}

# pack_write FILE: replaces FILE with standard input, so that a reader sees the old content or the new, never a part.
pack_write() {
    cat >"$1.new" && mv -f "$1.new" "$1"
}

# pack_is_running PID_FILE WORD: whether the process whose number is in PID_FILE lives and has WORD in its command line. The
# word guards against a number that was given to somebody else meanwhile.
pack_is_running() {
    [ -s "$1" ] || return 1
    pack_pid=$(cat "$1")
    kill -0 "$pack_pid" 2>/dev/null || return 1
    case $(ps -p "$pack_pid" -o args= 2>/dev/null) in
    *"$2"*) return 0 ;;
    *) return 1 ;;
    esac
}
