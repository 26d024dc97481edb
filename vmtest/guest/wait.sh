# Waits that run in the guest, as root: each ends on the event or on what makes
# the event impossible, and prints verdict=WORD first. A call follows this text.

# pause waits until it is time for another look. A look costs an emulated CPU
# 0.2 s and more, which the guest needs for what it is waited for; so while the
# unit's control group is there, the unit is running and three sleeps make
# a pause, unless the file $1 has come meanwhile.
pause() {
	# A job that waits for itself is looked at twice, the second time at once.
	[ -z "$tied" ] || [ -n "$why" ] || return
	for nap in 1 2 3; do
		sleep 0.6
		[ -z "$1" ] || [ ! -s "$1" ] || return
		[ "$active" = activating ] && [ -n "$cgroup" ] || return
		[ -d "/sys/fs/cgroup$cgroup" ] || [ -d "/sys/fs/cgroup/systemd$cgroup" ] || return
	done
}

# late: the host will not wait much longer (its $limit, in seconds of uptime), so
# that it is time to say what is known.
late() {
	read -r now rest </proc/uptime
	[ -n "$limit" ] && [ "${now%.*}" -ge "$limit" ]
}

# unit_state UNIT sets what systemd says of it.
unit_state() {
	load='' active='' sub='' result='' job='' began=0 cgroup=''
	show=$(systemctl show -p LoadState -p ActiveState -p SubState -p Result -p Job \
		-p ExecMainStartTimestampMonotonic -p ControlGroup "$1" 2>&1) || { active=$show; return; }
	while IFS='=' read -r key value; do
		case $key in
		LoadState) load=$value ;;
		ActiveState) active=$value ;;
		SubState) sub=$value ;;
		Result) result=$value ;;
		Job) job=${value#0} ;;
		ExecMainStartTimestampMonotonic) began=$value ;;
		ControlGroup) cgroup=$value ;;
		esac
	done <<-END
		$show
	END
}

# processes lists the control group of the unit last looked at: pid, command.
processes() {
	for root in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
		if [ -z "$cgroup" ] || [ ! -d "$root$cgroup" ]; then continue; fi
		find "$root$cgroup" -name cgroup.procs -exec cat {} + 2>/dev/null | while read -r pid; do
			line=$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) && echo "$pid $line"
		done
		return
	done
}

# deadlock UNIT names the unit whose start a process of UNIT waits for while
# that start waits for UNIT.
deadlock() {
	calls=$(processes | grep -E 'systemctl .*(start|restart|reload)' | grep -v -e --no-block)
	[ -n "$calls" ] || return 1
	for waiting in $(systemctl list-jobs --no-legend --plain 2>/dev/null | awk '$4 == "waiting" { print $2 }'); do
		echo " $calls " | grep -qE "[ /](${waiting%.service}|$waiting) " || continue
		systemctl show -p After "$waiting" | tr ' =' '[\n*]' | grep -qxF "$1" || continue
		echo "$waiting"
		return 0
	done
	return 1
}

# settled UNIT: nothing will happen to UNIT any more; sets why.
settled() {
	why='' last=$tied tied=''
	case $load in not-found | masked) why=$load; return 0 ;; esac
	case $active in
	failed) why=failed ;;
	inactive)
		[ -z "$job" ] || return 1
		if [ "$began" != 0 ]; then
			why=ended
		elif [ -z "$(systemctl list-jobs --no-legend 2>/dev/null)" ]; then
			why=never-started
		fi
		;;
	activating)
		# Two looks in a row: a job may be on its way.
		if knot=$(deadlock "$1"); then
			tied=$knot
			[ "$knot" != "$last" ] || why=deadlock
		fi
		;;
	esac
	[ -n "$why" ]
}
# lease is the patience with a DHCP client, in seconds.
tied='' last='' knot='' over='' limit='' lease=60

# verdict WORD UNIT ends the wait; unless it ended well, it tells who waits for
# whom.
verdict() {
	echo "verdict=$1"
	echo "cause=$why"
	echo "unit=$2 load=$load active=$active sub=$sub result=$result job=$job"
	[ -z "$knot" ] || echo "knot=$knot"
	systemctl show -p StateChangeTimestampMonotonic "$2"
	[ "$1" = ok ] || report=$(report "$2")
	echo "uptime=$(cut -d' ' -f1 /proc/uptime)" # last, so that it counts the report
	[ "$1" = ok ] || echo "$report"
	exit 0
}

report() {
	echo '--- jobs'
	systemctl list-jobs --no-pager 2>&1
	echo "--- ordering of $1"
	systemctl show -p After -p Before "$1"
	echo "--- processes of $1"
	processes
	echo "--- journal of $1"
	journalctl --no-pager -q -b -u "$1" -n 15 2>&1
}

# await_unit UNIT STATE waits until UNIT has run and is in STATE.
await_unit() {
	while :; do
		unit_state "$1"
		if [ "$active" = "$2" ] && { [ "$2" != inactive ] || [ "$began" != 0 ]; } && [ -z "$job" ]; then
			verdict ok "$1"
		fi
		! settled "$1" || verdict "$why" "$1"
		! late || verdict timeout "$1"
		pause ''
	done
}

# await_status FILE UNIT waits for STATE= and DETAIL= in FILE, which UNIT writes.
await_status() {
	while :; do
		unit_state "$2"
		settled "$2" || why=''
		if grep -q '^STATE=.' "$1" 2>/dev/null && grep -q '^DETAIL=' "$1"; then
			sed 's/^/status./' "$1"
			echo "written=$(stat -c %.Y "$1")" "$(date +%s.%N)"
			verdict ok "$2"
		fi
		if [ -n "$why" ]; then
			[ ! -s "$1" ] || { sed 's/^/status./' "$1"; verdict incomplete "$2"; }
			verdict no-file "$2"
		fi
		! late || verdict timeout "$2"
		pause "$1"
	done
}

# await_address INTERFACE UNIT waits for an IPv4 address; UNIT, which may be
# empty, sets the interface up.
await_address() {
	while :; do
		why=''
		if [ -n "$2" ]; then
			unit_state "$2"
			settled "$2" || why=''
		elif [ -z "$(systemctl list-jobs --no-legend 2>/dev/null)" ]; then
			why=settled
		fi
		found=$(ip -o -4 addr show dev "$1" scope global 2>/dev/null | sed -n 's/.* inet \([0-9./]*\).*/\1/p' | head -n 1)
		if [ -n "$found" ]; then
			echo "address=$found"
			verdict ok "${2:-multi-user.target}"
		fi
		if [ -n "$why" ]; then
			[ -e "/sys/class/net/$1" ] || verdict no-interface "${2:-multi-user.target}"
			[ "$(cat "/sys/class/net/$1/carrier" 2>/dev/null)" != 0 ] || verdict no-carrier "${2:-multi-user.target}"
			systemctl -q is-active systemd-networkd NetworkManager dhcpcd connman networking 2>/dev/null ||
				verdict no-dhcp-client "${2:-multi-user.target}"
			# Nobody will set it up any more, and a DHCP client that is well gets
			# its answer in seconds.
			read -r now rest </proc/uptime
			[ "${over:=${now%.*}}" -gt $((${now%.*} - lease)) ] || verdict no-lease "${2:-multi-user.target}"
		fi
		! late || verdict timeout "${2:-multi-user.target}"
		pause ''
	done
}
