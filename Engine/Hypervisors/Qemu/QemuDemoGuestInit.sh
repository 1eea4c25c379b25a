#!/bin/busybox sh
# First process of the demo guest. fill_mib= and rewrite_mib= come from the kernel's command line: fill_mib of random data stay as they
# are, as many more as rewrite_mib says are written over and over. The serial console shows FILLED once the data is there, and a tick a second.
B=/bin/busybox
$B mkdir -p /proc /dev /sys /data
$B mount -t proc proc /proc
$B mount -t sysfs sysfs /sys
$B mount -t devtmpfs devtmpfs /dev
$B mount -t tmpfs -o size=95% tmpfs /data

fill_mib=0
rewrite_mib=0
for word in $($B cat /proc/cmdline); do
    case "$word" in
        fill_mib=*) fill_mib="${word#fill_mib=}" ;;
        rewrite_mib=*) rewrite_mib="${word#rewrite_mib=}" ;;
    esac
done

# The power button: acpid runs the handler when the host asks for a shutdown.
for module in /modules/*.ko; do
    [ -f "$module" ] && $B insmod "$module"
done
$B mkdir -p /etc/acpi/PWRF
printf '#!/bin/busybox sh\n/bin/busybox poweroff -f\n' > /etc/acpi/PWRF/00000080
$B chmod 755 /etc/acpi/PWRF/00000080
$B acpid -l /dev/null

$B dd if=/dev/urandom of=/data/filled bs=1M count="$fill_mib" 2>/dev/null
echo FILLED

# Every round copies from another place, so that a page that is written again also holds something else.
if [ "$rewrite_mib" -gt 0 ]; then
    offset=0
    while true; do
        $B dd if=/data/filled of=/data/rewritten bs=1M count="$rewrite_mib" skip="$offset" conv=notrunc 2>/dev/null
        offset=$(((offset + 1) % (fill_mib - rewrite_mib + 1)))
    done &
fi

tick=0
while true; do
    tick=$((tick + 1))
    read -r uptime rest < /proc/uptime
    echo "tick $tick $uptime"
    $B sleep 1
done
