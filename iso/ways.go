package iso

import (
	"context"
	"slices"
	"strings"

	"bootaudit/contract/check"
)

// ways is how the fault of a row is mended in an image's own system: the first
// that the image is. A row's remedy is for any.
var ways = map[string][]way{
	"image-commands": {
		{"nixos", "add the packages to environment.systemPackages"},
		{"debian", "install the packages: config/package-lists/*.list.chroot of live-build, mmdebstrap's --include"},
		{"alpine", "apk add the packages, in mkimage's profile or the overlay's /etc/apk/world"},
		{"arch", "add the packages to packages.x86_64 of the archiso profile"},
		{"fedora", "add the packages to %packages of the kickstart file"},
	},
	"image-unit": {
		{"nixos", "set systemd.services.NAME.serviceConfig.Type, wantedBy and environment as the contract has them"},
	},
	"image-autologin": {
		{"nixos", `services.getty.autologinUser = "USER"`},
		{"systemd", "add /etc/systemd/system/serial-getty@DEVICE.service.d/autologin.conf: [Service], ExecStart=, ExecStart=-/sbin/agetty --autologin USER --keep-baud 115200,57600,38400,9600 %I $TERM"},
		{"sysvinit", "T0:23:respawn:/sbin/agetty --autologin USER -L DEVICE 115200 vt100, in /etc/inittab"},
		{"busybox", "DEVICE::respawn:/bin/login -f USER, in /etc/inittab"},
		{"openrc", `agetty_options="--autologin USER" in /etc/conf.d/agetty.DEVICE, and rc-update add agetty.DEVICE`},
		{"runit", `GETTY_ARGS="-L --autologin USER" in /etc/sv/agetty-DEVICE/conf, and a link to that folder in /etc/runit/runsvdir/default`},
	},
	"image-sudo": {
		{"nixos", "security.sudo.wheelNeedsPassword = false"},
		{"", "add a file to /etc/sudoers.d, without a dot in its name: USER ALL=(ALL:ALL) NOPASSWD: ALL"},
	},
}

// way is what to do in a system, which may be any.
type way struct{ system, do string }

// inItsWay lets a probe say what is to be done in the image's own system.
func (v *view) inItsWay(id string, probe func(context.Context) check.Result) func(context.Context) check.Result {
	return func(ctx context.Context) check.Result {
		r := probe(ctx)
		if r.FollowUp != "" || r.Outcome != check.Broken {
			return r
		}
		img, err := v.open(ctx)
		if err != nil {
			return r
		}
		root, _, _ := img.system()
		var is []string
		if root == nil || img.ask(func() error {
			is = root.systems()
			return nil
		}) != nil {
			return r
		}
		for _, w := range ways[id] {
			if w.system == "" || slices.Contains(is, w.system) {
				c := v.Contract
				r.FollowUp = strings.NewReplacer("USER", or(c.Login.User, "root"), "DEVICE", or(c.Console.Device, "ttyS0")).Replace(w.do)
				break
			}
		}
		return r
	}
}

// systems is what the system calls itself and what it is like, by os-release(5),
// and its init.
func (r *Root) systems() (is []string) {
	if r.store != "" {
		return []string{"nixos", "systemd"}
	}
	if kind, _ := r.initKind(); kind != "" {
		is = append(is, kind)
	}
	for _, name := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		text, err := r.readFile(name, 64<<10)
		if err != nil {
			continue
		}
		vars := readVariables(string(text))
		for _, id := range append([]string{vars["ID"].value}, strings.Fields(vars["ID_LIKE"].value)...) {
			is = append(is, id)
			if id == "ubuntu" {
				is = append(is, "debian")
			}
		}
		return is
	}
	if r.exists("/etc/debian_version") {
		is = append(is, "debian")
	}
	return is
}
