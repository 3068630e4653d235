# Stands for OpenWrt's: /tmp/networks has a line "NETWORK DEVICE" for each that is up.
network_flush_cache() { :; }
network_get_device() {
    local name device
    while read -r name device; do
        [ "$name" != "$2" ] || { eval "$1=\$device"; return 0; }
    done </tmp/networks
    return 1
}
network_get_physdev() { return 1; }
