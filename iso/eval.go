package iso

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"bootaudit/contract"
	"bootaudit/internal/nix"
)

// evaluation is what the checks read of a NixOS configuration.
type evaluation struct {
	KernelParams []string            `json:"kernelParams"`
	Packages     []evaluatedPackage  `json:"packages"`
	VolumeID     string              `json:"volumeID"`
	Autologin    string              `json:"autologin"`
	Sudo         evaluatedSudo       `json:"sudo"`
	Groups       []string            `json:"groups"` // of the login user
	Units        map[string]evalUnit `json:"units"`  // by name without .service; those that exist
}

type evaluatedPackage struct {
	Name string `json:"name"`
	Main string `json:"main"` // its main program
}

type evaluatedSudo struct {
	Enable             bool   `json:"enable"`
	WheelNeedsPassword bool   `json:"wheelNeedsPassword"`
	ExtraConfig        string `json:"extraConfig"`
	Rules              []struct {
		Users    []any `json:"users"`
		Groups   []any `json:"groups"`
		Commands []any `json:"commands"` // a string, or {command, options}
	} `json:"rules"`
}

type evalUnit struct {
	Type        string            `json:"type"`
	WantedBy    []string          `json:"wantedBy"`
	Before      []string          `json:"before"`
	After       []string          `json:"after"`
	Environment map[string]string `json:"environment"`
	Script      string            `json:"script"` // text in the configuration
	Exec        []string          `json:"exec"`   // command lines; what they name may not be built yet
}

// expression asks for all values in one evaluation, which costs as much as the
// first of them. What a configuration lacks is empty.
const expression = `c: let
  text = v: if v == null then "" else if builtins.isBool v then (if v then "1" else "0")
    else builtins.unsafeDiscardStringContext (toString v);
  list = v: map text (if builtins.isList v then v else [ v ]);
  unit = name: let u = c.systemd.services.${name}; s = u.serviceConfig or { }; in {
    type = text (s.Type or "");
    wantedBy = list (u.wantedBy or [ ]) ++ list (u.requiredBy or [ ]);
    before = list (u.before or [ ]);
    after = list (u.after or [ ]);
    environment = builtins.mapAttrs (_: text) (u.environment or { });
    script = builtins.concatStringsSep "\n" (map text [ (u.preStart or "") (u.script or "") (u.postStart or "") ]);
    exec = list (s.ExecStartPre or [ ]) ++ list (s.ExecStart or [ ]) ++ list (s.ExecStartPost or [ ]);
  };
  has = name: c.systemd.services ? ${name};
  names = builtins.filter has UNITS;
  sudo = c.security.sudo or { };
in {
  kernelParams = map text (c.boot.kernelParams or [ ]);
  packages = map (p: {
    name = p.pname or (builtins.parseDrvName (p.name or "")).name;
    main = text (p.meta.mainProgram or "");
  }) (c.environment.systemPackages or [ ]);
  volumeID = text (c.isoImage.volumeID or "");
  autologin = text (c.services.getty.autologinUser or "");
  sudo = {
    enable = sudo.enable or false;
    wheelNeedsPassword = sudo.wheelNeedsPassword or true;
    extraConfig = text (sudo.extraConfig or "");
    rules = map (r: { users = r.users or [ ]; groups = r.groups or [ ]; commands = r.commands or [ ]; }) (sudo.extraRules or [ ]);
  };
  groups = list (c.users.users.USER.extraGroups or [ ])
    ++ builtins.filter (g: builtins.elem USER (c.users.groups.${g}.members or [ ])) (builtins.attrNames (c.users.groups or { }));
  units = builtins.listToAttrs (map (n: { name = n; value = unit n; }) names);
}`

// evaluate reads the flake's configuration, once; again after a caller whose
// context ended meanwhile.
func (f *Flake) evaluate(ctx context.Context, terms contract.Contract) (evaluation, error) {
	return f.evaluated.Get(ctx, func(ctx context.Context) (e evaluation, err error) {
		lines := &tail{}
		out, err := f.nix(ctx, lines, "eval", "--impure", "--json", f.installable(f.configAttr()), "--apply", query(terms))
		if err != nil {
			return e, nixError(err, lines.String())
		}
		if err := json.Unmarshal(out, &e); err != nil {
			return e, fmt.Errorf("nix eval prints what is not JSON of the asked shape: %w", err)
		}
		return e, nil
	})
}

func query(terms contract.Contract) string {
	var names []string
	for _, u := range terms.Units {
		for _, name := range append([]string{u.Name}, u.StartedBefore...) {
			names = append(names, nix.Quote(strings.TrimSuffix(name, ".service")))
		}
	}
	return strings.NewReplacer("UNITS", "[ "+strings.Join(names, " ")+" ]", "USER", nix.Quote(terms.Login.User)).Replace(expression)
}

// providers name the packages of nixpkgs that commands come from, where the
// package has another name than the command.
var providers = map[string][]string{
	"findmnt": {"util-linux"}, "lsblk": {"util-linux"}, "wipefs": {"util-linux"}, "blkid": {"util-linux"},
	"sfdisk": {"util-linux"}, "fdisk": {"util-linux"}, "mount": {"util-linux"}, "dmesg": {"util-linux"},
	"mkfs.ext4": {"e2fsprogs"}, "mke2fs": {"e2fsprogs"}, "mkfs.vfat": {"dosfstools"}, "mkfs.xfs": {"xfsprogs"}, "mkfs.btrfs": {"btrfs-progs"},
	"pvcreate": {"lvm2"}, "vgcreate": {"lvm2"}, "lvcreate": {"lvm2"}, "pvs": {"lvm2"}, "vgs": {"lvm2"}, "lvs": {"lvm2"},
	"sgdisk": {"gptfdisk"}, "partprobe": {"parted"},
	"ip": {"iproute2"}, "ss": {"iproute2"}, "ping": {"iputils"},
	"networkctl": {"systemd"}, "systemctl": {"systemd"}, "journalctl": {"systemd"}, "loginctl": {"systemd"}, "udevadm": {"systemd"},
	"ssh": {"openssh"}, "sshd": {"openssh"}, "ssh-keygen": {"openssh"},
	"ls": {"coreutils", "coreutils-full"}, "cat": {"coreutils", "coreutils-full"}, "dd": {"coreutils", "coreutils-full"},
	"ps": {"procps"}, "free": {"procps"}, "bash": {"bash", "bash-interactive"}, "sh": {"bash", "bash-interactive"},
	"xxd": {"xxd", "unixtools-xxd"}, "hexdump": {"util-linux"}, "lspci": {"pciutils"}, "modprobe": {"kmod"},
	"nixos-install": {"nixos-install"}, "nix": {"nix"}, "less": {"less"}, "sudo": {"sudo", "sudo-rs"},
}

// missingPackages is those of the commands that no package provides.
func (e evaluation) missingPackages(commands []string) []string {
	have := map[string]bool{}
	for _, p := range e.Packages {
		have[p.Name] = true
		if p.Main != "" {
			have[p.Main] = true
		}
	}
	var missing []string
	for _, c := range commands {
		found := have[c]
		for _, p := range providers[c] {
			found = found || have[p]
		}
		if !found {
			missing = append(missing, c)
		}
	}
	return missing
}

// consoles is console= of the kernel's parameters, in order.
func (e evaluation) consoles() []string { return Entry{Args: e.KernelParams}.Consoles() }

// passwordless says which setting lets user run everything as root without a
// password; ok is false when none does.
func (e evaluation) passwordless(user string) (by string, ok bool) {
	has := func(list []any, name string) bool { return slices.Contains(list, any(name)) }
	wheel := slices.Contains(e.Groups, "wheel")
	if wheel && !e.Sudo.WheelNeedsPassword {
		return "security.sudo.wheelNeedsPassword = false, and " + user + " is in wheel", true
	}
	for _, r := range e.Sudo.Rules {
		mine := has(r.Users, user)
		for _, g := range e.Groups {
			mine = mine || has(r.Groups, g)
		}
		for _, c := range r.Commands {
			m, _ := c.(map[string]any)
			options, _ := m["options"].([]any)
			if mine && m["command"] == "ALL" && has(options, "NOPASSWD") {
				return "a rule of security.sudo.extraRules", true
			}
		}
	}
	for i, line := range strings.Split(e.Sudo.ExtraConfig, "\n") {
		if m := sudoRule.FindStringSubmatch(strings.TrimSpace(line)); m != nil && strings.Contains(m[2], "NOPASSWD:") &&
			(m[1] == user || wheel && m[1] == "%wheel") {
			return fmt.Sprintf("line %d of security.sudo.extraConfig", i+1), true
		}
	}
	return "", false
}
