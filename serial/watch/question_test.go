package watch

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"bootaudit/internal/screen"
)

// terminal is a watch with a screen, as a live console has them.
type terminal struct {
	*Watch
	screen *screen.Screen
	trip   *Trip
	told   time.Time
}

func newTerminal(patience float64) *terminal {
	term := &terminal{screen: screen.New(screen.Config{Cols: 132, Rows: 50})}
	term.Watch = New(Config{Patience: patience, OnTrip: func(trip Trip) {
		if trip.Fatal && term.trip == nil {
			term.trip, term.told = &trip, time.Now()
		}
	}, Screen: func() (string, int, int) {
		text := term.screen.Text()
		col, row := term.screen.Cursor()
		return text, row, col
	}})
	return term
}

func (t *terminal) Write(p []byte) (int, error) {
	_, _ = t.screen.Write(p)
	return t.Watch.Write(p)
}

// wait lets time go by, and looks as a live console's ticker does.
func (t *terminal) wait(d time.Duration) {
	for ; d > 0 && t.trip == nil; d -= time.Second / 2 {
		time.Sleep(min(d, time.Second/2))
		t.Idle(time.Now())
	}
}

const (
	booted = "ISOLINUX 6.04 20200816\r\nLoading /boot/bzImage... ok\r\n[    0.000000] Linux version 6.1.0 (x@y)\r\n[    1.000000] Run /init as init process\r\n"

	installer = "\x1b[H\x1b[2J\x1b[5;10H\x1b(0lqqqqqqqqqu\x1b(B [!!] Select a language \x1b(0tqqqqqqqqqk\x1b(B" +
		"\x1b[6;10H\x1b(0x\x1b(B Choose the language to be used. \x1b(0x\x1b(B" +
		"\x1b[7;10H\x1b(0x\x1b(B     English                     \x1b(0x\x1b(B" +
		"\x1b[8;10H\x1b(0x\x1b(B     <Go Back>                   \x1b(0x\x1b(B" +
		"\x1b[9;10H\x1b(0mqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqj\x1b(B"
	whiptail  = "\x1b[H\x1b[2J\x1b[10;20H┌──────────┤ Setup ├──────────┐\x1b[11;20H│ Which disk shall be used?   │\x1b[12;20H│   <Ok>        <Cancel>      │\x1b[13;20H└─────────────────────────────┘"
	subiquity = "\x1b[H\x1b[2J  Willkommen!  Bienvenue!  Welcome!\r\n  Use UP, DOWN and ENTER keys to select your language.\r\n  [ English            > ]\r\n  [ Done             ]\r\n"
	retrieves = "\x1b[H\x1b[2J\x1b[10;20H┌────────┤ Downloading ├────────┐\x1b[11;20H│ Retrieving file %d of 30      │\x1b[12;20H│             %2d%%               │\x1b[13;20H│          <Cancel>             │"
)

// Each of these asks a person, and nobody answers. Every second a clock goes on, or
// every ten the kernel speaks.
func TestWhatAsksIsTold(t *testing.T) {
	for _, c := range []struct {
		name, console, clock string
		asks                 string // part of what is told
	}{
		{"Debian's installer", booted + installer, "\x1b7\x1b[50;60HNov 25 13:20:%02d\x1b8", "[!!] Select a language Choose the language to be used. English <Go Back>"},
		{"a dialog that nobody knows", booted + whiptail, "", "Setup Which disk shall be used? <Ok> <Cancel>"},
		{"a dialog that the kernel scrolls", booted + strings.Replace(whiptail, "\x1b[10;20H", "\x1b[30;20H", 1) + "\x1b[50;1H", "\n\r[   %02d.000000] usb 1-1: new device", "Which disk shall be used?"},
		{"an installer with buttons", booted + subiquity, "", "Welcome! Use UP, DOWN and ENTER"},
		{"a dialog before any kernel is heard", "Welcome to GRUB!\r\n" + installer, "", "Select a language"},
		{"a test of the memory", "ISOLINUX 6.04 20200816\r\nLoading /boot/memtest.bin... ok\r\n\x1b[H\x1b[2JMemtest86+ v6.10      | CPU\x1b[2;1HCLK/Temp: 2.0 GHz | Pass ", "\x1b[3;1HTest %02d ####", "a test of the memory"},
		{"a question", booted + "Which disk shall be wiped? ", "", "Which disk shall be wiped?"},
		{"a question under the kernel's words", booted + "Which disk shall be wiped? [   12.345678] usb 1-1: new device\r\n[   12.500000] usb 1-1: more of it\r\n", "", "Which disk shall be wiped?"},
		{"yes or no", booted + "The data will be lost. Continue? [y/N] ", "", "Continue? [y/N]"},
		{"yes or no, on a line of its own", booted + "Really erase all of it (yes/no):\r\n", "", "Really erase all"},
		{"a word", booted + "Enter the name of the target: ", "", "Enter the name of the target:"},
		{"a user's name", booted + "Username: ", "", "Username:"},
		{"a key", booted + "Remove the medium.\r\nPress any key to continue...", "", "Press any key to continue..."},
		{"a key, and the line has ended", booted + "Press ENTER to continue\r\n", "", "Press ENTER to continue"},
	} {
		for _, patience := range []float64{1, 3} {
			synctest.Test(t, func(t *testing.T) {
				term := newTerminal(patience)
				fmt.Fprint(term, c.console)
				began := time.Now()
				for i := 1; i < 100 && term.trip == nil; i++ {
					if c.clock != "" && (i%10 == 0 || !strings.Contains(c.clock, "usb")) {
						fmt.Fprintf(term, c.clock, i%60)
					}
					term.wait(time.Second)
				}
				if !assert.NotNil(t, term.trip, c.name) {
					return
				}
				assert.Equal(t, waitsForPerson.ID, term.trip.ID, "%s: %+v", c.name, term.trip)
				assert.Contains(t, term.trip.Line, c.asks, c.name)
				limit := time.Duration(patience) * asksFor
				assert.InDelta(t, limit.Seconds(), term.told.Sub(began).Seconds(), 2, c.name)
			})
		}
	}
}

// None of these asks anything, or it is answered: no wait ends by it.
func TestWhatAsksNobody(t *testing.T) {
	rest := func(term *terminal) { term.wait(25 * time.Second) }
	for name, boot := range map[string]func(*terminal){
		"a progress box": func(term *terminal) {
			fmt.Fprint(term, booted)
			for i := range 30 {
				fmt.Fprintf(term, retrieves, i/4, i*3)
				term.wait(2 * time.Second)
			}
			fmt.Fprintf(term, retrieves, 30, 99)
			rest(term)
		},
		"dialogs that are answered": func(term *terminal) {
			fmt.Fprint(term, booted)
			for i := range 5 {
				fmt.Fprint(term, strings.Replace(whiptail, "disk", strings.Repeat("d", i+1), 1))
				term.wait(10 * time.Second)
			}
			fmt.Fprint(term, "\x1b[2J\x1b[HInstalling...\r\n")
			rest(term)
		},
		"a progress bar in a dialog": func(term *terminal) {
			fmt.Fprint(term, booted+whiptail)
			for i := range 30 {
				fmt.Fprintf(term, "\x1b[12;22H%s", strings.Repeat("█", i/4))
				term.wait(2 * time.Second)
			}
		},
		"headings": func(term *terminal) {
			fmt.Fprint(term, booted)
			for _, line := range []string{"Loading kernel modules: ", "Starting name service: ", "Mounting file systems:", "Configuring network interfaces...", "Checking disks, please wait: "} {
				fmt.Fprint(term, line)
				rest(term)
				fmt.Fprint(term, "done\r\n")
			}
		},
		"questions of a script that goes on": func(term *terminal) {
			fmt.Fprint(term, booted+"Is there a disk? ")
			term.wait(5 * time.Second)
			fmt.Fprint(term, "yes\r\nIs there a second one?\r\n")
			rest(term)
		},
		"a boot loader that counts": func(term *terminal) {
			fmt.Fprint(term, "U-Boot 2023.01 (Jan 01 2023)\r\n")
			for i := range 20 {
				fmt.Fprintf(term, "\rHit any key to stop autoboot: %2d ", 20-i)
				term.wait(time.Second)
			}
		},
		"a menu": func(term *terminal) {
			fmt.Fprint(term, "Welcome to GRUB!\r\n\x1b[H\x1b[2J  ┌──────────────┐\r\n  │ Install now? │\r\n  └──────────────┘\r\n  The highlighted entry will be executed automatically in 30s.")
			rest(term)
		},
		"kernel messages at a login prompt": func(term *terminal) {
			fmt.Fprint(term, booted+"INIT: version 3.06 booting\r\n\r\nhost login: ")
			for i := range 20 {
				fmt.Fprintf(term, "[   %d.000000] usb 1-1: new device, is it known?\r\n", 20+i)
				term.wait(5 * time.Second)
			}
		},
		"GRUB, and a kernel that says nothing": func(term *terminal) {
			fmt.Fprint(term, "Welcome to GRUB!\r\n  Booting `Debian GNU/Linux'\r\nerror: no suitable video mode found.\r\n\r\nPress any key to continue...")
			rest(term)
		},
		"a menu with a test of the memory, and a kernel that says nothing": func(term *terminal) {
			fmt.Fprint(term, "ISOLINUX 6.04 20200816\r\n\x1b[2J\x1b[3;10HInstaller\x1b[4;10HMemtest86+\x1b[5;10HMemtest86+ 5.01\x1b[20;1HLoading /boot/bzImage... ok\r\n")
			rest(term)
		},
		"a command that asks": func(term *terminal) {
			fmt.Fprint(term, booted+"[root@live:~]# ")
			term.Asked(true)
			fmt.Fprint(term, "rm -i x\r\nrm: remove regular file 'x'? ")
			rest(term)
		},
		"a kernel's question": func(term *terminal) {
			fmt.Fprint(term, booted+"[    2.000000] is this a bug?\r\n")
			rest(term)
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			term := newTerminal(1)
			boot(term)
			assert.Nil(t, term.trip, "%s: %+v", name, term.trip)
		})
	}
}

// What went wrong before is why it asks.
func TestWhyItAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		term := newTerminal(1)
		fmt.Fprint(term, booted+"Can't lookup blockdev\r\nGave up waiting for root file system device.\r\nPress any key to continue...")
		term.wait(time.Minute)
		if assert.NotNil(t, term.trip) {
			assert.Equal(t, "root-device-missing", term.trip.ID)
		}
	})
}

func FuzzAsksWhat(f *testing.F) {
	f.Add(whiptail, 3, 10)
	f.Add("Which? [   1.000000] x\n\n[    2.000000] y", 2, 0)
	f.Add("<Ok>\n", 100, -1)
	f.Fuzz(func(t *testing.T, text string, row, col int) {
		if row < 0 {
			row = 0
		}
		for _, stage := range []Stage{"", Initrd} {
			asks, _ := asksWhat(text, row, col, stage, row%2 == 0)
			assert.LessOrEqual(t, len(asks), len(text)+100)
		}
	})
}
