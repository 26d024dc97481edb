# Ends what a fake VM started, however that ended: its standard input is a pipe
# that nobody else writes to. $1 is the guest's folder.
read -r _
while all=$(grep -laF "BOOTAUDIT_FAKE_GUEST=$1;" /proc/[0-9]*/environ 2>/dev/null); [ -n "$all" ]; do
	for each in $all; do
		each=${each#/proc/}
		kill -KILL "${each%/environ}" 2>/dev/null
	done
done
while read -r dir; do
	case $dir in
	/run/bootaudit.???????? | /dev/shm/bootaudit.???????? | /tmp/bootaudit.????????) rm -rf "$dir" ;;
	esac
done <"$1/made"
