package iso

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// deviceOf is what GRUB calls a volume.
func deviceOf(v *volume) string {
	if len(v.devices) > 0 {
		return v.devices[0]
	}
	return v.name
}

// on is the volume that a device's name is of; nil for one that is not the
// image.
func (p *grub) on(device string) *volume {
	for _, v := range p.volumes {
		if slices.Contains(v.devices, device) || deviceOf(v) == device {
			return v
		}
	}
	return nil
}

// unsure says whether nobody can tell what a file's name is. One that the
// image's device fronts is unknown of is good.
func (v value) unsure() bool { return v.why != "" && v.why != whichDevice }

// name is the name in the image of what GRUB calls (device)/path, or /path on
// the device $root. One that is not in the image keeps its device.
func (p *grub) name(v value) string {
	device, file := p.env.vars["root"].text, v.text
	if strings.HasPrefix(file, "(") {
		if dev, rest, ok := strings.Cut(file[1:], ")"); ok {
			device, file = dev, rest
		}
	}
	device, sought := p.lost(device)
	file = path.Clean("/" + file)
	on := p.on(device)
	if on != nil && on.follow != nil {
		file = "/" + on.follow(file)
	}
	switch {
	case on == nil:
		return "(" + or(device, "?") + ")" + file
	case sought != "" && !on.has(file[1:]):
		return "(" + sought + ")" + file
	}
	return on.in(file)
}

// lost is the device of a value that search has set, and what it did not find.
func (p *grub) lost(v string) (device, what string) {
	device, at, ok := strings.Cut(v, "|")
	if n, err := strconv.Atoi(at); ok && err == nil && n >= 0 && n < len(p.sought) {
		what = p.sought[n]
	}
	return device, what
}

// search sets a variable to the device that has a file, a label or a UUID.
func (p *grub) search(words []word) error {
	kind, _ := strings.CutPrefix(words[0].text, "search.")
	name, sought, rest := "", value{}, words[1:]
	if kind == "search" {
		kind = "file"
	} else if len(rest) > 1 { // search.file NAME VARIABLE
		name = rest[1].text
		rest = rest[:1]
	}
	for i := 0; i < len(rest); i++ {
		option, text, joined := strings.Cut(rest[i].text, "=")
		switch option {
		case "-f", "--file":
			kind = "file"
		case "-l", "--label":
			kind = "fs_label"
		case "-u", "--fs-uuid":
			kind = "fs_uuid"
		case "-s", "--set":
			switch name = "root"; {
			case joined:
				name = text
			case i+2 < len(rest) && variable.MatchString(rest[i+1].text):
				i++
				name = rest[i].text
			}
		case "--hint":
			if !joined {
				i++
			}
		default:
			if !strings.HasPrefix(option, "-") && sought == (value{}) {
				sought = rest[i].value
			}
		}
	}
	if sought.unsure() {
		p.result, p.why = maybe, sought.why
		return p.found(name, value{"?", sought.why})
	}
	what := strings.TrimPrefix(kind, "fs_") + " " + sought.text
	at := slices.IndexFunc(p.volumes, func(v *volume) bool {
		switch kind {
		case "fs_label":
			return v.label == sought.text
		case "fs_uuid":
			return strings.EqualFold(v.uuid, sought.text) && v.uuid != ""
		}
		file := sought.text
		if strings.HasPrefix(file, "(") {
			_, file, _ = strings.Cut(file, ")")
		}
		return v.has(path.Clean("/" + file)[1:])
	})
	if at < 0 {
		// GRUB leaves the variable as it is; on a machine that has another disk
		// with it, that is found.
		p.result = no
		device, _ := p.lost(p.env.vars[name].text)
		p.sought = append(p.sought, what)
		if err := p.word(len(what)); err != nil {
			return err
		}
		return p.found(name, value{fmt.Sprintf("%s|%d", device, len(p.sought)-1), whichDevice})
	}
	return p.found(name, value{deviceOf(p.volumes[at]), whichDevice})
}

// found sets what search was told to set; it may have been asked only.
func (p *grub) found(name string, v value) error {
	if name == "" {
		return nil
	}
	return p.set(name, v)
}

// loadEnv reads GRUB's environment block.
func (p *grub) loadEnv(words []word) error {
	file := value{text: p.env.vars["prefix"].text + "/grubenv"}
	var only []string
	for i := 1; i < len(words); i++ {
		option, text, joined := strings.Cut(words[i].text, "=")
		switch {
		case (option == "-f" || option == "--file") && joined:
			file = value{text, words[i].why}
		case (option == "-f" || option == "--file") && i+1 < len(words):
			i++
			file = words[i].value
		case !strings.HasPrefix(option, "-"):
			only = append(only, option)
		}
	}
	name := p.name(file)
	if file.unsure() || elsewhere(name) {
		p.result, p.why = maybe, p.says("what "+joined(words)+" reads")
		for _, v := range append(only, "saved_entry", "next_entry", "prev_saved_entry") {
			if err := p.set(v, value{why: p.why}); err != nil {
				return err
			}
		}
		return nil
	}
	const size = 1024 // GRUB's own bound
	data, err := p.read(name, size)
	if err != nil {
		p.result = no
		return nil
	}
	if err := p.spend(len(data)); err != nil {
		return err
	}
	for line := range strings.Lines(string(data)) {
		key, text, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if !ok || strings.HasPrefix(key, "#") || only != nil && !slices.Contains(only, key) {
			continue
		}
		if err := p.set(key, value{text: text}); err != nil {
			return err
		}
	}
	return nil
}
