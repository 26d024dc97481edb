# The guest's half of a session: it reads requests from its standard input and
# answers in frames on its standard output. POSIX sh, coreutils (or busybox).
# $1 is the session's key, $2 the number of base64 characters in a frame, $3 the
# times in a row that its input may be at an end before it gives up; 0 is never.
k=$1 w=$2 most=$3
set -f
trap '' HUP INT QUIT TSTP TTOU
export PAGER=cat SYSTEMD_PAGER=cat GIT_PAGER=cat MANPAGER=cat SYSTEMD_COLORS=0 SYSTEMD_URLIFY=0 NO_COLOR=1 TERM=dumb
d=
for t in "${BOOTAUDIT_RUN:-/run}" /dev/shm /tmp; do
	t=$t/bootaudit.$k
	mkdir -m 700 "$t" 2>/dev/null && d=$t && break
done
if printf x | base64 -w 0 >/dev/null 2>&1; then wrap="-w $w"; else wrap= w=76; fi

# One printf is one write, so that frames of several jobs do not mix.
say() { printf '@%s.%s.%s.%s.%s.%s;\n' "$k" "$1" "$2" "$3" "$4" "${#4}"; }

# part ID STREAM FROM TO: those lines of a job's output; n is how many it has
part() {
	n=0
	while read -r l; do
		[ $n -lt "$3" ] || say "$1" "$2" $n "$l"
		n=$((n + 1))
		[ $n -lt "$4" ] || break
	done <"$d/$1.$2"
}

# keep BLOCKS FILE: standard input as lines of base64. At that many blocks of
# 512 bytes it ends, and with it whoever goes on writing to it.
keep() (
	ulimit -f "$1"
	exec base64 $wrap >"$2"
)

# run ID BLOCKS: one job. Under emulation a new program is ten times as dear as a
# subshell, so the command is one, and its output is encoded as it is caught.
run() {
	f=$d/$1
	{ {
		(
			read -r c <"$f.c" && c=$(printf %bx "$c")
			set +f --
			eval "${c%x}"
		) </dev/null 2>&3 3>&- &
		echo $! >"$f.k"
		wait $!
		echo $? >"$f.s"
	} | keep "$2" "$f.o"; } 3>&1 | keep "$2" "$f.e"
	read -r s <"$f.s" || s=lost
	part "$1" o 0 999999999
	s=$s/$n
	part "$1" e 0 999999999
	s=$s/$n
	set -- "$1" 0 0 0 0
	case $s in */0/0) ;; *) set -- "$1" $(cksum "$f.o" "$f.e") ;; esac
	echo "$s/$2/$5" >"$f.m"
	meta "$1"
	# Twice, since noise may have destroyed it, and to miss it costs time.
	meta "$1"
}

# A file that is still being written has no line end, so that this fails.
meta() { read -r l <"$d/$1.m" && say "$1" m 0 "$l"; }

# stop ID SIGNAL: a job's command and all that it started
stop() {
	# A job that has just begun has not said yet which process it is.
	read -r all <"$d/$1.k" || { sleep 1 && read -r all <"$d/$1.k"; } || return
	set +f
	more=1
	while [ $more = 1 ]; do
		more=0
		for p in /proc/[0-9]*; do
			read -r l <"$p/stat" || continue
			l=${l##*) ? }
			case " $all " in *" ${p#/proc/} "*) continue ;; *" ${l%% *} "*) all="$all ${p#/proc/}" more=1 ;; esac
		done
	done
	kill -"$2" $all
}

dead=0
say 0 h "$(id -u)" ''
while :; do
	if ! read -r x n line; then
		# A terminal that has hung up stays so. Of a virtio port the host's end is
		# shut, until somebody opens it again: a look costs one sleep(1), which is
		# 2 ms of a CPU, and up to 80 ms of an emulated one.
		dead=$((dead + 1))
		[ $dead != "$most" ] || break
		sleep 2
		continue
	fi
	dead=0
	[ "$x" = "$k" ] && [ "${#line}" = "$n" ] || continue
	set -- $line
	case $1 in
	h) say "$2" h "$(id -u)" '' ;;
	# r ID BLOCKS COMMAND, for printf %b: what comes again is not run again
	r)
		if [ ! -e "$d/$2.c" ]; then
			printf '%s\n' "${line#* * * }" >"$d/$2.c"
			run "$2" "$3" </dev/null 2>/dev/null &
		fi
		say "$2" a 0 ''
		;;
	k) stop "$2" "$3" 2>/dev/null & ;;
	# q ID: how is the job?
	q) meta "$2" 2>/dev/null || say "$2" a 0 '' ;;
	g) (part "$2" "$3" "$4" "$5"; say "$2" f "$4" "$3") </dev/null 2>/dev/null & ;;
	# w ID OFFSET COUNT: that many base64 characters follow
	w)
		head -c "$4" | base64 -d >"$d/$2.p$3" 2>/dev/null
		say "$2" a "$3" ''
		;;
	# d ID...: forget these jobs
	d)
		shift
		set +f
		for i; do set -- "$@" "$d/$i".*; shift; done
		rm -f "$@"
		set -f
		;;
	x)
		say "$2" a 0 ''
		break
		;;
	esac
done
rm -rf "$d"
