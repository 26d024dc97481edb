# The parts of a boot, for the init of a fake guest. The console is raw, as a
# UART is, until somebody logs in.
stty raw -echo

say() { printf '%b\r\n' "$1"; }

firmware() { say 'SeaBIOS (version 1.16.2-fake)'; }

# menu SECONDS counts down as ISOLINUX's does, and Enter boots at once.
menu() {
	say '\nISOLINUX 6.04 20200816 ETCD Copyright (C) 1994-2015 H. Peter Anvin et al'
	printf '\033[2J\033[H\033[3;30HSmall image\033[20;40HPress [Tab] to edit options'
	stty min 0 time 10
	left=$1 key=''
	while [ "$left" -gt 0 ] && [ -z "$key" ]; do
		printf '\033[22;30HAutomatic boot in %d seconds... ' "$left"
		key=$(head -c 1)
		left=$((left - 1))
	done
	stty min 1 time 0
	[ -z "$key" ] || echo Enter >>"$GUEST/menu-key"
	printf '\033[2J\033[H'
	say 'Loading /boot/bzImage... ok\r\nLoading /boot/initrd...ok'
}

kernel() {
	say '[    0.000000] Linux version 6.1.0-fake (builder@nixos) #1 SMP'
	say '[    1.250000] Run /init as init process'
}

systemd() { say '\r\nWelcome to \033[1;32mNixOS 25.05 (Warbler)\033[0m!\r\n\r\n[  OK  ] Reached target Basic System.'; }

provision() { pre-nixos boot; }

# autologin USER UID is a shell that nobody typed a name for.
autologin() {
	say "\\nnixos login: $1 (automatic login)\\r\\n"
	say "$(cat "$GUEST/motd" 2>/dev/null)"
	shell "$@"
}

# ask USER UID PASSWORD asks who logs in until somebody is believed.
ask() {
	stty sane
	while :; do
		printf '\nnixos login: '
		read -r name
		printf 'Password: '
		stty -echo
		read -r word
		stty echo
		echo
		[ "$name:$word" != "$1:$3" ] || break
		echo 'Login incorrect'
	done
	shell "$@"
}

shell() {
	stty sane
	export GUEST_USER="$1" GUEST_UID="$2" PS1="$1@nixos:~\$ "
	[ "$2" != 0 ] || PS1="$1@nixos:~# "
	sh -i
}

# until_there FILE waits for the test.
until_there() { while [ ! -e "$GUEST/$1" ]; do sleep; done; }

# halt is a guest that says nothing more.
halt() { while :; do cat >/dev/null; done; }
