# The guest's half of a session: it reads requests from its standard input and
# answers in frames on its standard output. POSIX sh, coreutils (or busybox).
# $1 is the session's key, $2 the number of base64 characters in a frame.
k=$1 w=$2
set -f
trap '' HUP INT QUIT TSTP TTOU
export PAGER=cat SYSTEMD_PAGER=cat GIT_PAGER=cat MANPAGER=cat SYSTEMD_COLORS=0 SYSTEMD_URLIFY=0 NO_COLOR=1 TERM=dumb
d=
for t in /run /dev/shm /tmp; do
	t=$t/bootaudit.$k
	mkdir -m 700 "$t" 2>/dev/null && d=$t && break
done
set -- $(cksum </dev/null)
empty=$1
if printf x | base64 -w 0 >/dev/null 2>&1; then wrap="-w $w"; else wrap= w=76; fi

# One printf is one write, so that frames of several jobs do not mix.
say() { printf '@%s.%s.%s.%s.%s.%s;\n' "$k" "$1" "$2" "$3" "$4" "${#4}"; }

# part ID STREAM FROM TO: that range of a job's output, in bytes
part() {
	o=0
	while read -r l; do
		[ $o -lt "$3" ] || say "$1" "$2" $o "$l"
		o=$((o + w / 4 * 3))
		[ $o -lt "$4" ] || break
	done <"$d/$1.b$2"
	say "$1" f "$3" "$2"
}

# run ID BYTES: one job, whose files are its output and what became of it. The
# command is a subshell of this one: under emulation a new program is dear.
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
	} | head -c "$2" >"$f.o"; } 3>&1 | head -c "$2" >"$f.e"
	read -r s <"$f.s" || s=lost
	if [ -s "$f.o" ] || [ -s "$f.e" ]; then
		set -- "$1" $(cksum "$f.o" "$f.e")
		echo "$s/$3/$6/$2/$5" >"$f.m"
	else
		echo "$s/0/0/$empty/$empty" >"$f.m"
	fi
	meta "$1"
	for n in o e; do
		[ -s "$f.$n" ] || continue
		base64 $wrap "$f.$n" >"$f.b$n"
		part "$1" $n 0 999999999
	done
	# Once more, since noise may have destroyed it and its loss costs a second.
	meta "$1"
	say "$1" f end ''
	say "$1" f end ''
}

# A file that is still being written has no line end, so that this fails.
meta() { read -r l <"$d/$1.m" && say "$1" m 0 "$l"; }

# stop ID SIGNAL: a job's command and all that it started
stop() {
	read -r all <"$d/$1.k" || return
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
while [ $dead -lt 600 ]; do
	if ! read -r x n line; then
		# The host's end is shut, as it is while a saved machine is restored.
		dead=$((dead + 1))
		sleep 1
		continue
	fi
	dead=0
	[ "$x" = "$k" ] && [ "${#line}" = "$n" ] || continue
	set -- $line
	case $1 in
	h) say "$2" h "$(id -u)" '' ;;
	# r ID BYTES COMMAND, for printf %b: what comes again is not run again
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
	g) part "$2" "$3" "$4" "$5" </dev/null 2>/dev/null & ;;
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
	x) dead=600; say "$2" a 0 '' ;;
	esac
done
rm -rf "$d"
