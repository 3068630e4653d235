# Stands for OpenWrt's functions.sh and procd.sh: reads a configuration, and writes down what procd is told.
SECTIONS=0
config() { SECTIONS=$((SECTIONS + 1)); eval "TYPE_$SECTIONS=\$1"; }
option() { eval "OPTION_${SECTIONS}_$1=\$2"; }
list() { :; }
config_load() { . "/etc/config/$1"; }
config_foreach() {
    local each=1 kind
    while [ "$each" -le "$SECTIONS" ]; do
        eval "kind=\$TYPE_$each"
        [ "$kind" != "$2" ] || "$1" "$each"
        each=$((each + 1))
    done
}
config_get() { eval "$1=\${OPTION_${2}_$3:-${4:-}}"; }
config_get_bool() {
    config_get "$@"
    eval "case \$$1 in 1 | on | true | yes | enabled) $1=1 ;; *) $1=0 ;; esac"
}
logger() { echo "log $*" >>/tmp/told; }
procd_open_instance() { echo open >>/tmp/told; }
procd_close_instance() { echo close >>/tmp/told; }
procd_set_param() { echo "$*" >>/tmp/told; }
procd_append_param() { echo "append $*" >>/tmp/told; }
procd_add_reload_trigger() { echo "trigger $*" >>/tmp/told; }
procd_send_signal() { echo "signal $*" >>/tmp/told; }
procd_running() { [ -e /tmp/running ]; }
